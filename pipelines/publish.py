"""`hopyard publish`: accepted questions to a release folder that trainers load unchanged.

    release/train-00000-of-00002.parquet ...   rows, pictures embedded (schemas/release_row.py, docs/dataset.md)
    release/images/...                         the pictures, in the layout with paths
    release/hopyard_reward.py                  the reward; hopyard_process.py: step rewards; standard library only
    release/README.md, croissant.json          dataset card, which load_dataset(release) honours; Croissant metadata
    release/release.json                       what it is a function of, its balance, and the digest of every file

A release is built in a folder beside its place and renamed into it, so a reader sees the old one or the new one. The
same content gives the same bytes, and a release that is already there is left alone. The dataset's own tables remember
the release of whole RL rows; those of other views and formats are told by their own release.json alone.
"""

import os
import shutil
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.bucket import BucketPath
from pipelines.catalog import connect
from pipelines.catalog_file import write_catalog
from pipelines.errors import BusyError, UserError
from pipelines.opening import hold_worker_lock
from pipelines.parts import digest_of
from pipelines.people.tables import STAGE as PEOPLE
from pipelines.publish_build import Making, build
from pipelines.publish_folder import (
    Built,
    PublishReport,
    Standing,
    alone,
    put_in_place,
    standing_release,
    texts_digest,
    working_folder,
    write_texts,
)
from pipelines.publish_forms import COLUMNS, form_of
from pipelines.publish_rows import STAGE, content_digest, read_funnel
from pipelines.publish_shards import lineage_of
from pipelines.publish_views import open_view
from pipelines.release_gate import check_gate
from pipelines.selecting import Selecting, select_rows, selecting_digest
from pipelines.settings import settings
from pipelines.store import MANIFEST_FOLDER, Dataset, ShardWriter
from schemas.drop import DropReason
from schemas.manifest import WHOLE_DATASET, Part, ShardManifest
from stages.publish import VERSION, Format, Layout, PublishConfig, View

FOLDER = "release"


def publish_dataset(
    root: Path,
    out: Path | None = None,
    config: PublishConfig | None = None,
    selecting: Selecting | None = None,
    allow_shortcuts: bool = False,
) -> PublishReport:
    """Writes a release of a dataset folder, into ``out`` or its own place in the folder, and returns what was done.

    Of the accepted questions it takes those that `pipelines.selecting` takes. The dataset's catalog follows.

    Raises:
        UserError: the folder is no dataset or cannot be read, nothing was accepted, the source folder is gone, the
            format has no rows for the view, people's word is being written, the shortcut gate does not let it pass and
            ``allow_shortcuts`` is not said, or ``out`` cannot be written or holds something else.
        ValueError: the tables contradict each other; nothing is published then.
    """
    config = config or PublishConfig()
    form_of(config.view, config.format)
    making = Making(config, open_view(config), selecting or Selecting())
    dataset = Dataset.open(root)
    folder = release_folder(dataset.root, config) if out is None else out if out.name.strip(".") else out.resolve()
    pa.default_memory_pool().release_unused()  # what producing before, in this process, has left there
    try:
        descriptor = hold_worker_lock(root)
        try:
            told = _what_people_said(dataset)
            with alone(folder), connect(dataset) as connection:
                judged = check_gate(dataset, connection, allow_shortcuts)
                report = _publish((dataset, connection), folder, making._replace(gate=judged.rows), told)
        finally:
            os.close(descriptor)
        if not isinstance(dataset.root, BucketPath):
            write_catalog(dataset)
        return report._replace(remarks=judged.remarks)
    except (OSError, duckdb.Error) as error:
        raise UserError(f"cannot publish {root} to {folder}: {error}") from error


def release_folder(root: Path, config: PublishConfig | None = None) -> Path:
    """Returns where a dataset's release goes: into its folder; for one in a bucket, below the output folder here."""
    name = default_folder(config or PublishConfig())
    return settings().output / root.name / name if isinstance(root, BucketPath) else root / name


def default_folder(config: PublishConfig) -> str:
    """Returns the name of a release's folder: "release", and what is not the default about it."""
    said = [config.view, config.layout, config.format]
    usual = [View.RL, Layout.EMBEDDED, Format.HOPYARD]
    return "-".join([FOLDER, *(word.value for word, common in zip(said, usual, strict=True) if word is not common)])


def _publish(
    source: tuple[Dataset, duckdb.DuckDBPyConnection], folder: Path, making: Making, told: list[str]
) -> PublishReport:
    dataset, connection = source
    config = making.config
    versions = (STAGE, VERSION, COLUMNS[config.view][1])
    outside = (texts_digest(), selecting_digest(making.selecting), making.gate)
    key = digest_of(*versions, _hash(config), *outside, content_digest(connection))
    standing = standing_release(folder, key)
    if standing is not None and not _may_return(standing) and _is_known(dataset, config, key):
        return standing.report(folder)
    start = time.monotonic()
    working = working_folder(folder, "new")
    try:
        working.mkdir()
        selection = select_rows(dataset, connection, making.selecting)
        try:
            built = build(dataset, working, making, selection)
        except (LookupError, ValueError):  # tables from before and after people's answers contradict each other
            _check_unchanged(dataset, told)
            raise
        write_texts(working, built, (read_funnel(connection), making.gate), config, key)
        _check_unchanged(dataset, told)
        if _has_lineage(config):
            for manifest in dataset.manifests(STAGE):
                dataset.retract(manifest)
        put_in_place(folder, working)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    if _has_lineage(config):
        _commit(dataset, folder, built, (key, _hash(config)), time.monotonic() - start)
    return built.report(folder)


def _what_people_said(dataset: Dataset) -> list[str]:
    """Returns the keys of what is committed of people's word; none where they were never asked.

    Raises:
        BusyError: the old word is taken back and the new one not there yet: what they rejected would look accepted.
    """
    keys = [manifest.key for manifest in dataset.manifests(PEOPLE)]
    if not keys and (dataset.root / MANIFEST_FOLDER / PEOPLE).exists():
        raise BusyError(
            f"what people said of {dataset.root} is being written, or who wrote it was killed; "
            "publish again after: hopyard annotate sync"
        )
    return keys


def _check_unchanged(dataset: Dataset, told: list[str]) -> None:
    if _what_people_said(dataset) != told:
        raise BusyError(f"people's answers came into {dataset.root} meanwhile; publish again")


def _has_lineage(config: PublishConfig) -> bool:
    """Whether the dataset's tables remember the release: that of whole RL rows, in either layout."""
    return config.view is View.RL and config.format is Format.HOPYARD


def _is_known(dataset: Dataset, config: PublishConfig, key: str) -> bool:
    return not _has_lineage(config) or dataset.manifest(STAGE, WHOLE_DATASET, key) is not None


def _may_return(standing: Standing) -> bool:
    """Whether rows are missing only because a picture could not be read, which may have been put right since."""
    return DropReason.MISSING_IMAGE in standing.dropped


def _commit(dataset: Dataset, folder: Path, built: Built, keys: tuple[str, str], seconds: float) -> None:
    key, config_hash = keys
    dataset.commit(
        ShardManifest(
            stage=STAGE,
            shard=WHOLE_DATASET,
            key=key,
            version=VERSION,
            config_hash=config_hash,
            input_digest=key,
            counts=built.counts,
            parts=_lineage(dataset, folder, built, key),
            seconds=seconds,
        )
    )


def _lineage(dataset: Dataset, folder: Path, built: Built, key: str) -> tuple[Part, ...]:
    """Writes the parts that make the published rows known to the dataset, and the drops."""
    writer = ShardWriter(dataset, key)
    for number, file in enumerate(built.files):
        writer.add_rows("samples", lineage_of(folder, file, key), number)
    writer.add_records("drops", built.drops, WHOLE_DATASET)
    return writer.parts


def _hash(config: PublishConfig) -> str:
    return digest_of(config.model_dump_json())[:16]
