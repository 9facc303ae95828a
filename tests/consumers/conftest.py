"""Releases of a small finished dataset, and a model to train on them: made once per run."""

import importlib.util
import os
from pathlib import Path

import pytest

from pipelines.config import parse_config
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from stages.publish import Format, Layout, PublishConfig, View
from tests.consumers.tiny_vlm import tiny_vlm
from tests.pipelines.tiny_source import write_source


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A dataset folder: `HOPYARD_DATASET` in the environment, or 24 small pictures."""
    if "HOPYARD_DATASET" in os.environ:
        return Path(os.environ["HOPYARD_DATASET"])
    folder = tmp_path_factory.mktemp("consumers")
    images, annotations = write_source(folder / "source", 24)
    sections = {"synthesize": {"per_image": 3, "oversample": 2.0}, "route": {"per_image": 3, "min_support": 1}}
    options = RunOptions(
        out=folder / "out", config=parse_config(sections, "test"), source=images, annotations=annotations
    )
    return produce_plain(options).root


@pytest.fixture(scope="session")
def released(dataset, tmp_path_factory):
    """Returns a function that publishes a view in a layout and a format, once each."""
    made = {}

    def publish(view=View.RL, layout=Layout.EMBEDDED, format=Format.HOPYARD):
        if (view, layout, format) not in made:
            folder = tmp_path_factory.mktemp("release") / "out"
            prefix = f"{folder}/" if layout is Layout.PATHS else ""
            config = PublishConfig(view=view, layout=layout, format=format, path_prefix=prefix, rows_per_file=12)
            made[view, layout, format] = publish_dataset(dataset, folder, config)
        return made[view, layout, format]

    return publish


@pytest.fixture(scope="session")
def vlm(tmp_path_factory):
    """Returns the folder of a tiny random model with its processor."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = ['{"step": 1, "title": "Find the cup", "content": "Start with the cup.", "evidence": [[1, 2, 3, 4]]}'] * 4
    corpus += ["How many balls are there? Put the final number in \\boxed{}. The reasoning is correct."] * 4
    return str(tiny_vlm(tmp_path_factory.mktemp("vlm"), corpus))


@pytest.fixture(scope="session")
def shipped():
    """Returns a function that loads a Python file of a release."""

    def load(folder, name="hopyard_reward.py"):
        spec = importlib.util.spec_from_file_location("shipped", folder / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
