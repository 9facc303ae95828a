"""A run's options, checked before anything is written, and the `dataset.json` that follows from them."""

from pathlib import Path
from typing import NamedTuple

from pipelines.bucket import place
from pipelines.coco_file import read_category_names
from pipelines.config import RunConfig, hash_config, row_data
from pipelines.dataset_info import FILE_NAME, DatasetInfo
from pipelines.errors import UserError
from pipelines.listing import Listed, default_shard_size, list_files
from pipelines.parts import file_sha256
from pipelines.runners import RunnerChoice
from pipelines.segmenter_option import check_domain, looks, segmenter_digest
from pipelines.steps import SCENES_FOLDER, SCENES_SOURCE, stage_versions
from pipelines.store import Dataset

DEFAULT_SCENES = 120
MOST_SEED = 2**63 - 1
"""Rows carry the seed as 64 bits."""
SCENES_ANNOTATIONS = f"{SCENES_FOLDER}/instances.json"
"""Of rendered scenes, below the dataset folder."""


class RunOptions(NamedTuple):
    """What a run is asked to do."""

    out: Path
    config: RunConfig
    source: Path | None = None
    """None renders scenes."""
    annotations: Path | None = None
    seed: int = 0
    limit: int | None = None
    workers: int = 1
    shard_size: int | None = None
    """None takes the dataset's, or one that fits the number of images."""
    runner: RunnerChoice = RunnerChoice()
    follow: bool = False
    """The source may change between runs; only what is new or other is worked on."""
    budget: float | None = None
    """The most money that the dataset may cost, all runs together."""
    settle: float = 0.0
    """Files younger than so many seconds are left for the next run: somebody may still be writing them."""


class Asked(NamedTuple):
    """A checked request."""

    info: DatasetInfo
    files: list[Listed]
    """Files of the source; empty for scenes that are yet to be rendered."""


def check_options(options: RunOptions) -> Asked:
    """Returns what the dataset of these options is made of. Writes nothing.

    Raises:
        UserError: an option is out of range, or the source or the annotation file cannot be used.
    """
    for name, value in (
        ("--limit", options.limit),
        ("--workers", options.workers),
        ("--shard-size", options.shard_size),
    ):
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}; it must be at least 1")
    if not -MOST_SEED <= options.seed <= MOST_SEED:
        raise UserError(f"--seed is {options.seed}; it must be between {-MOST_SEED} and {MOST_SEED}")
    if options.source is None:
        return _scenes(options)
    options = options._replace(
        source=place(options.source),
        annotations=None if options.annotations is None else place(options.annotations),
        out=place(options.out),
    )
    assert options.source is not None
    files = list_files(options.source, options.limit, options.settle)
    looking = looks(options.config)
    annotations = None if looking and options.annotations is None else _check_annotations(options)
    fresh = not (options.out / FILE_NAME).exists()
    if fresh and annotations is not None:
        read_category_names(annotations)
    if fresh and looking:
        check_domain(options.config, options.source, [file.uri for file in files])
    info = DatasetInfo(
        source=str(options.source.resolve()),
        annotations=None if annotations is None else str(annotations.resolve()),
        annotations_sha256=None if annotations is None else file_sha256(annotations),
        limit=options.limit,
        follows=options.follow,
        **_common(options, len(files)),
    )
    return Asked(info, files)


def _scenes(options: RunOptions) -> Asked:
    if options.follow:
        raise UserError("--follow needs a SOURCE folder whose images come and go; rendered scenes do not")
    if options.annotations is not None:
        raise UserError("--annotations needs a SOURCE folder with the images; rendered scenes bring their own")
    count = options.limit or DEFAULT_SCENES
    info = DatasetInfo(
        source=SCENES_SOURCE, annotations=SCENES_ANNOTATIONS, scene_count=count, **_common(options, count)
    )
    return Asked(info, [])


def _common(options: RunOptions, file_count: int) -> dict[str, object]:
    return {
        "seed": options.seed,
        "segmenter": segmenter_digest(options.config),
        "shard_size": options.shard_size or _standing_shard_size(options.out) or default_shard_size(file_count),
        "config": options.config.model_dump(mode="json", exclude={"models"})
        | {"models": row_data(options.config)["models"]},
        "config_hash": hash_config(options.config),
        "versions": stage_versions(options.config),
    }


def _standing_shard_size(out: Path) -> int | None:
    return Dataset.open(out).info.shard_size if (place(out) / FILE_NAME).exists() else None


def _check_annotations(options: RunOptions) -> Path:
    annotations = options.annotations
    if annotations is None:
        found = sorted(options.source.glob("*.json")) if options.source is not None else []
        hint = f"; perhaps --annotations {found[0]}" if found else ""
        raise UserError(f"this profile takes its instances from a COCO file: give --annotations FILE{hint}")
    if not annotations.exists():
        raise UserError(f"annotation file {annotations} does not exist")
    if not annotations.is_file():
        raise UserError(f"annotation file {annotations} is not a file")
    try:
        with annotations.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise UserError(f"annotation file {annotations} cannot be read: {error.strerror or error}") from error
    return annotations
