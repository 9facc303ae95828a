"""`hopyard publish`: accepted questions to a release folder that trainers load unchanged.

    release/train-00000-of-00002.parquet ...   rows, pictures embedded (schemas/sample.py, docs/dataset.md)
    release/hopyard_reward.py                  the reward, standard library only
    release/README.md                          dataset card; load_dataset(release) honours it
    release/release.json                       what it is a function of, and the digest of every file

A release is built in a folder beside its place and renamed into it, so a reader sees the old one or the new one. The
same content gives the same bytes, and a release that is already there is left alone.
"""

import fcntl
import importlib.resources
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from pipelines.bucket import BucketPath
from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.ledger import Ledger
from pipelines.opening import hold_worker_lock
from pipelines.parts import digest_of, write_atomically
from pipelines.publish_card import Card, Tally, render_card
from pipelines.publish_images import embed
from pipelines.publish_rows import STAGE, accepted_rows, content_digest, read_funnel
from pipelines.publish_shards import ReleaseFile, SplitWriter, lineage_of
from pipelines.settings import settings
from pipelines.steps import source_folder
from pipelines.store import Dataset, ShardWriter
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.manifest import WHOLE_DATASET, Part, ShardManifest
from schemas.sample import SCHEMA_VERSION, EmbeddedImage, ReleaseRow
from stages.publish import VERSION, Accepted, PublishConfig, publish

FOLDER = "release"
REWARD_FILE = "hopyard_reward.py"
CARD_FILE = "README.md"
RECORD_FILE = "release.json"
WORKING = ".working-"
"""In the names of folders beside a release that exist only while it is made."""


class PublishReport(NamedTuple):
    """What publishing did."""

    folder: Path
    rows: Mapping[str, int]
    """By split."""
    files: tuple[ReleaseFile, ...]
    dropped: Mapping[DropReason, int]
    up_to_date: bool
    """The release was there already and nothing was done."""


class _Built(NamedTuple):
    files: tuple[ReleaseFile, ...]
    tally: Tally
    ledger: Ledger


def publish_dataset(root: Path, out: Path | None = None, config: PublishConfig | None = None) -> PublishReport:
    """Writes the release of a dataset folder, into ``out`` or its folder ``release``, and returns what was done.

    Raises:
        UserError: the folder is no dataset or cannot be read, nothing was accepted, the source folder is gone, or
            ``out`` cannot be written or holds something else.
        ValueError: the tables contradict each other; nothing is published then.
    """
    dataset = Dataset.open(root)
    folder = release_folder(dataset.root) if out is None else out
    try:
        descriptor = hold_worker_lock(root)
        try:
            with _alone(folder), connect(dataset) as connection:
                return _publish(dataset, connection, folder, config or PublishConfig())
        finally:
            os.close(descriptor)
    except (OSError, duckdb.Error) as error:
        raise UserError(f"cannot publish {root} to {folder}: {error}") from error


def release_folder(root: Path) -> Path:
    """Returns where a dataset's release goes: into its folder; for one in a bucket, below the output folder here."""
    return settings().output / root.name / FOLDER if isinstance(root, BucketPath) else root / FOLDER


def _publish(
    dataset: Dataset, connection: duckdb.DuckDBPyConnection, folder: Path, config: PublishConfig
) -> PublishReport:
    key = digest_of(STAGE, VERSION, SCHEMA_VERSION, _hash(config), _reward_text(), content_digest(connection))
    standing = dataset.manifest(STAGE, WHOLE_DATASET, key)
    files = _files_of(folder, key)
    if standing is not None and files and not _may_return(standing):
        return _report(folder, files, standing, up_to_date=True)
    start = time.monotonic()
    working = _working(folder, "new")
    try:
        working.mkdir()
        built = _build(dataset, working, config)
        _write_texts(working, built, connection, key)
        _replace(dataset, folder, working)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    manifest = ShardManifest(
        stage=STAGE,
        shard=WHOLE_DATASET,
        key=key,
        version=VERSION,
        config_hash=_hash(config),
        input_digest=key,
        counts=built.ledger.close(),
        parts=_lineage(dataset, folder, built, key),
        seconds=time.monotonic() - start,
    )
    return _report(folder, built.files, dataset.commit(manifest), up_to_date=False)


def _may_return(manifest: ShardManifest) -> bool:
    """Whether rows are missing only because a picture could not be read, which may have been put right since."""
    return any(drop.reason is DropReason.MISSING_IMAGE for count in manifest.counts for drop in count.dropped)


def _build(dataset: Dataset, folder: Path, config: PublishConfig) -> _Built:
    """Writes the rows; in memory are one range of images, one picture, and one row group per split."""
    source = _source_folder(dataset)
    writers: dict[str, SplitWriter] = {}
    tally, ledger = Tally(), Ledger(STAGE)
    ledger.take("questions", 0)
    try:
        for accepted, picture in _with_pictures(accepted_rows(dataset, folder / "ranges"), source):
            ledger.take("questions")
            split = accepted.image.split
            writer = writers.setdefault(split, SplitWriter(folder, split, config))
            row = _row(accepted, picture, writer.position, config)
            if isinstance(row, Drop):
                ledger.drop("questions", [row])
            else:
                writer.add(row)
                tally.add(row)
                ledger.keep("questions")
        files = tuple(file for split in sorted(writers) for file in writers[split].finish())
    finally:
        for writer in writers.values():
            writer.close()
    shutil.rmtree(folder / "ranges", ignore_errors=True)
    if not files:
        dropped = ", ".join(f"{count} {reason}" for reason, count in Counter(d.reason for d in ledger.drops).items())
        raise UserError(f"{dataset.root} has nothing to publish: {dropped or 'no question was accepted'}")
    return _Built(files, tally, ledger)


def _with_pictures(rows: Iterable[Accepted], source: Path) -> Iterator[tuple[Accepted, EmbeddedImage | Drop]]:
    """Yields each question with its picture, which is read once for all questions about it."""
    last, picture = "", None
    for accepted in rows:
        if picture is None or accepted.image.image_id != last:
            last, picture = accepted.image.image_id, _read_picture(accepted.image, source)
        yield accepted, picture


def _read_picture(image: Image, source: Path) -> EmbeddedImage | Drop:
    try:
        data = (source / image.uri).read_bytes()
    except OSError as error:
        detail = f"{image.uri} cannot be read any more: {error.strerror or error}"
        return Drop(stage=STAGE, id=image.image_id, parent_id=image.uri, reason=DropReason.MISSING_IMAGE, detail=detail)
    return embed(data, image)


def _row(accepted: Accepted, picture: EmbeddedImage | Drop, index: int, config: PublishConfig) -> ReleaseRow | Drop:
    if isinstance(picture, Drop):
        return picture.model_copy(update={"id": accepted.question.question_id, "parent_id": accepted.image.image_id})
    return publish(accepted, picture, index, config)


def _write_texts(folder: Path, built: _Built, connection: duckdb.DuckDBPyConnection, key: str) -> None:
    card = Card(built.files, read_funnel(connection), built.tally, built.ledger.drops)
    write_atomically(folder / CARD_FILE, render_card(card).encode())
    write_atomically(folder / REWARD_FILE, _reward_text().encode())
    record = {"key": key, "schema_version": SCHEMA_VERSION, "files": [file._asdict() for file in built.files]}
    write_atomically(folder / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode())


def _lineage(dataset: Dataset, folder: Path, built: _Built, key: str) -> tuple[Part, ...]:
    """Writes the parts that make the published rows known to the dataset, and the drops."""
    writer = ShardWriter(dataset, key)
    for number, file in enumerate(built.files):
        writer.add_rows("samples", lineage_of(folder, file, key), number)
    writer.add_records("drops", built.ledger.drops, WHOLE_DATASET)
    return writer.parts


def _replace(dataset: Dataset, folder: Path, working: Path) -> None:
    """Puts the finished folder in place of the old one; what the dataset knew of the old one is taken back first."""
    for manifest in dataset.manifests(STAGE):
        dataset.retract(manifest)
    old = _working(folder, "old")
    if folder.exists():
        folder.rename(old)
    working.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the place of the release for this process, and sweeps what killed ones left beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _check_ours(folder)
        for left in folder.parent.glob(f".{folder.name}{WORKING}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _check_ours(folder: Path) -> None:
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / RECORD_FILE).is_file():
        raise UserError(f"{folder} is not empty and not a release (it has no {RECORD_FILE}); use another --out")


def _files_of(folder: Path, key: str) -> tuple[ReleaseFile, ...]:
    """Returns the files of the release that is there, or nothing where it is another or not whole."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        files = tuple(ReleaseFile(**file) for file in record["files"])
        whole = record["key"] == key and all((folder / file.path).stat().st_size == file.file_bytes for file in files)
        texts = (folder / REWARD_FILE).read_text(encoding="utf-8") == _reward_text() and (folder / CARD_FILE).is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return files if whole and texts else ()


def _report(folder: Path, files: tuple[ReleaseFile, ...], manifest: ShardManifest, up_to_date: bool) -> PublishReport:
    rows: Counter[str] = Counter()
    for file in files:
        rows[file.split] += file.rows
    dropped = {drop.reason: drop.count for count in manifest.counts for drop in count.dropped}
    return PublishReport(folder, rows, files, dropped, up_to_date)


def _working(folder: Path, use: str) -> Path:
    return folder.with_name(f".{folder.name}{WORKING}{use}-{os.getpid()}")


def _source_folder(dataset: Dataset) -> Path:
    folder = source_folder(dataset.root, dataset.info)
    if not folder.is_dir():
        raise UserError(f"the source folder {folder} is gone; publishing reads the pictures from it")
    return folder


def _hash(config: PublishConfig) -> str:
    return digest_of(config.model_dump_json())[:16]


def _reward_text() -> str:
    return importlib.resources.files("pipelines.release").joinpath(REWARD_FILE).read_text(encoding="utf-8")
