"""A dataset folder: tables of immutable Parquet parts that become visible when a manifest names them.

    DATASET/dataset.json                          what it was made from and with
    DATASET/<table>/<shard>-<hash>.parquet        parts, sorted by id, zstd
    DATASET/_internal/<table>/...                 tables between stages
    DATASET/_manifests/<stage>/<shard>-<key>.json one per stage and shard, written last

A stage first writes its parts, under names that are a function of its input, then links its manifest into place: that
is the commit, and exactly one writer can do it. Readers look at manifests only, so they see a stage's rows for a
shard completely or not at all, also while a run goes on. After a crash a rerun goes on from the manifests it finds.
"""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from pipelines.bucket import BucketPath, place
from pipelines.dataset_info import FILE_NAME, DatasetInfo, other_tables
from pipelines.errors import UserError
from pipelines.parts import TEMPORARY_MARK, digest_of, readable, write_exclusively, write_part
from pipelines.tables import TABLES
from schemas.arrow import records_to_table, table_to_records
from schemas.manifest import WHOLE_DATASET, Part, ShardManifest

MANIFEST_FOLDER = "_manifests"
BUCKET_GRACE = 24 * 3600.0
"""Seconds for which a part in a bucket that no manifest names may still be some writer's work."""

MADE_BY_ANOTHER = "was made by another version of hopyard"
REMEDY = "use that version, or make it again: hopyard run --out ANOTHER"

RecordType = TypeVar("RecordType", bound=BaseModel)


class Dataset:
    """A dataset folder, for reading what is committed and for committing more. Holds no state but its place."""

    def __init__(self, root: Path) -> None:
        self.root = place(root)

    @classmethod
    def open(cls, root: Path) -> "Dataset":
        """Returns the dataset of an existing folder.

        Raises:
            UserError: there is no such folder, it is not a dataset, or another version of this program made it.
        """
        dataset = cls(root)
        others = other_tables(dataset.info)
        if others:
            told = f"tables have other columns: {', '.join(others)}"
            raise UserError(f"{dataset.root} {MADE_BY_ANOTHER}: {told}; {REMEDY}")
        return dataset

    @property
    def info(self) -> DatasetInfo:
        """What the dataset was made from and with."""
        try:
            text = (self.root / FILE_NAME).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            what = "is not a dataset (it has no dataset.json)" if self.root.exists() else "does not exist"
            raise UserError(f"{self.root} {what}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.root / FILE_NAME} cannot be read: {error}") from error
        return DatasetInfo.from_json(text, str(self.root))

    def manifests(self, stage: str | None = None) -> tuple[ShardManifest, ...]:
        """Returns the committed manifests, of one stage or all, ordered by stage name and shard."""
        pattern = f"{stage or '*'}/*.json"
        paths = sorted((self.root / MANIFEST_FOLDER).glob(pattern))
        found = [manifest for manifest in _read_manifests(paths) if manifest is not None]
        return tuple(sorted(found, key=lambda manifest: (manifest.stage, manifest.shard)))

    def manifest(self, stage: str, shard: int, key: str) -> ShardManifest | None:
        """Returns the manifest of one stage and shard under that key; None where it is not committed."""
        return read_manifest(self.manifest_path(stage, shard, key))

    def manifest_path(self, stage: str, shard: int, key: str) -> Path:
        """Returns where the manifest stands once committed."""
        return self.root / MANIFEST_FOLDER / stage / f"{shard_label(shard)}-{key[:32]}.json"

    def parts(self, table: str) -> tuple[Part, ...]:
        """Returns the committed parts of a table, ordered by shard and path."""
        parts = (part for manifest in self.manifests() for part in manifest.parts if part.table == table)
        return tuple(sorted(parts, key=lambda part: (part.shard, part.path)))

    def read(self, table: str, parts: Sequence[Part] | None = None, columns: list[str] | None = None) -> pa.Table:
        """Returns the rows of the given parts, or of all committed ones; typed and empty where there are none.

        Raises:
            UserError: a part lacks a column.
        """
        chosen = self.parts(table) if parts is None else parts
        schema = TABLES[table].schema
        if columns is not None:
            schema = pa.schema([schema.field(column) for column in columns])
        read = [pq.read_table(readable(self.root / part.path), columns=columns, partitioning=None) for part in chosen]
        for rows in read:
            check_columns(self.root, table, rows.column_names, schema.names)
        return pa.concat_tables([schema.empty_table(), *(rows.cast(schema) for rows in read)])

    def records(
        self, table: str, record_type: type[RecordType], parts: Sequence[Part] | None = None
    ) -> Iterator[RecordType]:
        """Yields the rows of the given parts, or of all committed ones, as records; one part is in memory at a time."""
        for part in self.parts(table) if parts is None else parts:
            yield from table_to_records(self.read(table, [part]), record_type)

    def commit(self, manifest: ShardManifest) -> ShardManifest:
        """Makes the manifest's parts visible; returns the manifest that stands, another writer's if that came first."""
        path = self.manifest_path(manifest.stage, manifest.shard, manifest.key)
        write_exclusively(path, (manifest.model_dump_json(indent=1) + "\n").encode())
        standing = read_manifest(path)
        if standing is None:
            raise RuntimeError(f"{path} vanished while it was being committed: is another process deleting files?")
        return standing

    def retract(self, manifest: ShardManifest) -> None:
        """Takes a committed outcome back, so that the stage can be run again. Its parts are swept at the next start."""
        self.manifest_path(manifest.stage, manifest.shard, manifest.key).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Removes what crashed writers left behind and returns how many files. No writer may be at work.

        In a bucket nobody can know that, so only what is older than `BUCKET_GRACE` is removed there.
        """
        if isinstance(self.root, BucketPath):
            return self._sweep_bucket(self.root)
        named = {part.path for manifest in self.manifests() for part in manifest.parts}
        removed = 0
        for path in self._own_files():
            relative = path.relative_to(self.root).as_posix()
            if TEMPORARY_MARK in path.name or (path.suffix == ".parquet" and relative not in named):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _sweep_bucket(self, root: BucketPath) -> int:
        named = {part.path for manifest in self.manifests() for part in manifest.parts}
        objects = list(root.walk_objects())
        newest = max((found.modified for found in objects), default=0.0)
        removed = 0
        for found in objects:
            relative = found.path.relative_to(root).as_posix()
            stray = found.path.suffix == ".parquet" and relative not in named
            if stray and newest - found.modified > BUCKET_GRACE and any(map(relative.startswith, _table_folders())):
                found.path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _own_files(self) -> Iterator[Path]:
        yield from self.root.glob(f"*{TEMPORARY_MARK}*")
        yield from (self.root / MANIFEST_FOLDER).glob("*/*")
        for table, spec in TABLES.items():
            yield from (self.root / spec.folder(table)).glob("*")


class ShardWriter:
    """Collects the parts of one stage on one shard. Nothing is visible before the manifest is committed."""

    def __init__(self, dataset: Dataset, key: str) -> None:
        self._dataset = dataset
        self._key = key
        self._parts: list[Part] = []

    @property
    def parts(self) -> tuple[Part, ...]:
        """Entries of what was written so far, for the manifest."""
        return tuple(self._parts)

    def add_records(self, table: str, records: Sequence[BaseModel], shard: int) -> None:
        """Writes records as one part of the table."""
        self.add_rows(table, records_to_table(records, TABLES[table].schema), shard)

    def add_rows(self, table: str, rows: pa.Table, shard: int) -> None:
        """Writes rows as one part of the table; there is one per table and shard."""
        name = f"{shard_label(shard)}-{digest_of(table, shard, self._key)[:32]}"
        part = write_part(self._dataset.root, table, shard, name, rows)
        if part is not None:
            self._parts.append(part)


def check_columns(root: Path, table: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Passes where a part has the columns that are wanted of its table.

    Raises:
        UserError: it lacks one.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(f"{root} {MADE_BY_ANOTHER}: table {table} has no column {', '.join(missing)}; {REMEDY}")


def _table_folders() -> list[str]:
    return [f"{spec.folder(table)}/" for table, spec in TABLES.items()]


def _read_manifests(paths: Sequence[Path]) -> Iterator[ShardManifest | None]:
    """Yields the manifests in order; those of a bucket are fetched several at a time."""
    if not paths or not isinstance(paths[0], BucketPath):
        yield from map(read_manifest, paths)
        return
    with ThreadPoolExecutor(16) as threads:
        yield from threads.map(read_manifest, paths)


def shard_label(shard: int) -> str:
    """Returns how file names call a shard: ``000012``, or ``all``."""
    return "all" if shard == WHOLE_DATASET else f"{shard:06d}"


def read_manifest(path: Path) -> ShardManifest | None:
    """Returns a committed manifest; None where there is none.

    Raises:
        UserError: the file is damaged. Manifests appear whole, so somebody changed it.
    """
    try:
        return ShardManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError) as error:
        raise UserError(f"{path} is damaged; remove it and run again") from error
