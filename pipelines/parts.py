"""Immutable files: written under a temporary name, synced, renamed. A file under its final name is whole.

A crash leaves at most a temporary file, whose name tells it apart (`TEMPORARY_MARK`), or a whole part that no manifest
names; both are swept at the next start.
"""

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.bucket import BucketPath
from pipelines.tables import TABLES
from schemas.manifest import Part

TEMPORARY_MARK = ".tmp-"
ROWS_PER_GROUP = 4096


def digest_of(*fields: object) -> str:
    """Returns the sha256 of the fields' texts, each with its length in front so that none can run into the next."""
    sha = hashlib.sha256()
    for field in fields:
        text = str(field).encode("utf-8", "surrogatepass")
        sha.update(f"{len(text)}:".encode() + text)
    return sha.hexdigest()


def write_part(root: Path, table: str, shard: int, name: str, rows: pa.Table) -> Part | None:
    """Writes the rows as one part, sorted, and returns its entry for a manifest; None where there are no rows.

    The same rows under the same name give the same bytes, so a repeated write changes nothing.
    """
    if rows.num_rows == 0:
        return None
    spec = TABLES[table]
    ordered = rows.take(pc.sort_indices(rows, sort_keys=[(column, "ascending") for column in spec.order]))
    buffer = io.BytesIO()
    pq.write_table(ordered.cast(spec.schema), buffer, compression="zstd", row_group_size=ROWS_PER_GROUP)
    data = buffer.getbuffer()
    path = f"{spec.folder(table)}/{name}.parquet"
    write_atomically(root / path, data)
    return Part(
        table=table,
        shard=shard,
        path=path,
        rows=rows.num_rows,
        file_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Writes a whole file or nothing; an existing one is replaced."""
    if isinstance(path, BucketPath):
        path.write_bytes(data)
        return
    temporary = _write_temporary(path, data)
    os.replace(temporary, path)
    _sync_folder(path.parent)


def write_exclusively(path: Path, data: bytes) -> bool:
    """Writes a whole file unless one is there already; returns whether this call wrote it.

    Of any number of writers at the same time exactly one wins. The file appears whole: it is linked into place.
    """
    if isinstance(path, BucketPath):
        return path.create(data)
    temporary = _write_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    _sync_folder(path.parent)
    return True


def readable(path: Path) -> Any:  # noqa: ANN401 - Arrow has no types
    """Returns what Arrow reads a part from: its path, or the bytes of an object in a bucket."""
    return pa.BufferReader(path.read_bytes()) if isinstance(path, BucketPath) else path


def make_scratch(root: Path, use: str) -> Path:
    """Returns a new temporary folder: in the dataset, where a later run sweeps it, or on this machine for a bucket."""
    inside = None if isinstance(root, BucketPath) else root
    return Path(tempfile.mkdtemp(prefix=f"{use}{TEMPORARY_MARK}", dir=inside))


def file_sha256(path: Path) -> str:
    """Returns the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_temporary(path: Path, data: bytes | memoryview) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}{TEMPORARY_MARK}{os.getpid()}-{os.urandom(4).hex()}")
    with temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
