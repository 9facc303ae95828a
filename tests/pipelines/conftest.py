"""Sources and datasets that several tests read and none changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.config import RunConfig, parse_config
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from tests.pipelines.tiny_source import write_source
from tests.pipelines.tiny_vlm_server import serve_vlm
from tests.stages.generators.tiny_vlm import write_tiny_vlm


@pytest.fixture(scope="session")
def tiny_config() -> RunConfig:
    sections = {"synthesize": {"per_image": 2, "oversample": 1.0}, "route": {"per_image": 2, "min_support": 1}}
    return parse_config(sections, "test")


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_source(tmp_path_factory.mktemp("source"), 12)


@pytest.fixture
def tiny_options(tmp_path: Path, tiny_source: tuple[Path, Path], tiny_config: RunConfig) -> RunOptions:
    images, annotations = tiny_source
    return RunOptions(out=tmp_path / "out", config=tiny_config, source=images, annotations=annotations, shard_size=4)


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tiny_source: tuple[Path, Path], tiny_config: RunConfig
) -> Dataset:
    images, annotations = tiny_source
    out = tmp_path_factory.mktemp("finished") / "out"
    options = RunOptions(out=out, config=tiny_config, source=images, annotations=annotations, shard_size=4)
    return Dataset(produce_plain(options).root)


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real model of random weights."""
    pytest.importorskip("torch").set_num_threads(1)
    return write_tiny_vlm(tmp_path_factory.mktemp("tiny_vlm"))


@pytest.fixture(scope="session")
def served_vlm(tiny_vlm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `transformers serve` with that model."""
    with serve_vlm(tiny_vlm, tmp_path_factory.mktemp("served_vlm")) as url:
        yield url
