"""Small datasets with questions to put in front of people."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from pipelines.config import parse_config
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset, ShardWriter
from schemas.manifest import WHOLE_DATASET
from tests.pipelines.tiny_source import write_source


def make_dataset(folder: Path, pictures: int, seed: int = 3) -> Dataset:
    """Returns a dataset with about one accepted question per picture."""
    images, annotations = write_source(folder / "source", pictures, seed)
    sections = {"synthesize": {"per_image": 2, "oversample": 1.0}, "route": {"per_image": 2, "min_support": 1}}
    config = parse_config(sections, "test")
    options = RunOptions(out=folder / "out", config=config, source=images, annotations=annotations, shard_size=pictures)
    return Dataset(produce_plain(options).root)


def make_scenes(folder: Path, count: int, seed: int = 2, **render: int) -> Dataset:
    """Returns a dataset of rendered scenes, with about one accepted question per scene."""
    sections = {"synthesize": {"per_image": 2, "oversample": 1.0}, "route": {"min_support": 1}, "render": render}
    options = RunOptions(out=folder / "scenes", config=parse_config(sections, "test"), limit=count, seed=seed)
    return Dataset(produce_plain(options).root)


def reroute(dataset: Dataset, routes: Mapping[str, str]) -> None:
    """Makes routing have decided otherwise about some questions."""
    (manifest,) = dataset.manifests("route")
    rows = dataset.read("decisions").to_pylist()
    rows = [row | {"route": routes.get(row["question_id"], row["route"])} for row in rows]
    writer = ShardWriter(dataset, "rerouted")
    writer.add_rows("decisions", pa.Table.from_pylist(rows, schema=dataset.read("decisions").schema), WHOLE_DATASET)
    others = tuple(part for part in manifest.parts if part.table != "decisions")
    dataset.retract(manifest)
    dataset.commit(manifest.model_copy(update={"parts": (*others, *writer.parts)}))
