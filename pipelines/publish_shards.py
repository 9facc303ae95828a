"""Rows to the release's Parquet files: a picture is stored once per row group, groups are small enough for viewers.

Rows arrive ordered by split and image. A row group closes at `rows_per_group` rows, or earlier where its pictures are
big; a file closes at the first new image after `rows_per_file` rows or `file_bytes` of pictures.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.parts import file_sha256
from schemas.arrow import records_to_table
from schemas.sample import RELEASE_SCHEMA, SAMPLE_SCHEMA, ReleaseRow
from stages.publish import PublishConfig

_PICTURE = "images.list.element.bytes"
_DICTIONARY_LIMIT = 1 << 30
"""Bytes of distinct pictures that a row group may hold before it would store repeated ones again; never reached."""


class ReleaseFile(NamedTuple):
    """One finished file."""

    path: str
    split: str
    rows: int
    file_bytes: int
    sha256: str


class RowWriter:
    """Writes rows into files below a folder. File names carry the number of files, so they are given at the end."""

    def __init__(self, folder: Path, config: PublishConfig) -> None:
        self._folder = folder
        self._config = config
        self._writer: pq.ParquetWriter | None = None
        self._group: list[ReleaseRow] = []
        self._group_bytes = 0
        self._file_bytes = 0
        self._last: ReleaseRow | None = None
        self._rows: dict[str, list[int]] = {}
        """Rows of each file of each split."""

    def position(self, split: str) -> int:
        """Returns the index that the next row of the split gets."""
        return sum(self._rows.get(split, ()))

    def add(self, row: ReleaseRow) -> None:
        """Takes the next row in the order of the release."""
        last = self._last
        is_new_image = last is None or last.image_id != row.image_id
        if last is None or last.split != row.split or (is_new_image and self._is_file_full(row.split)):
            self._open_file(row.split)
            is_new_image = True
        size = len(row.images[0].bytes)
        if len(self._group) >= self._config.rows_per_group or self._group_bytes + size > self._config.group_bytes:
            self._flush()
        self._group.append(row)
        self._group_bytes += size
        self._file_bytes += size if is_new_image else 0
        self._rows[row.split][-1] += 1
        self._last = row

    def finish(self) -> tuple[ReleaseFile, ...]:
        """Closes the last file, gives every file its name and returns them by split and number."""
        self._flush()
        self.close()
        return tuple(
            self._name(split, number) for split, counts in sorted(self._rows.items()) for number in range(len(counts))
        )

    def close(self) -> None:
        """Closes the open file, whatever was written of it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _is_file_full(self, split: str) -> bool:
        return self._rows[split][-1] >= self._config.rows_per_file or self._file_bytes >= self._config.file_bytes

    def _open_file(self, split: str) -> None:
        self._flush()
        self.close()
        counts = self._rows.setdefault(split, [])
        self._writer = pq.ParquetWriter(
            self._folder / _working_name(split, len(counts)),
            RELEASE_SCHEMA,
            compression={leaf: "NONE" if leaf == _PICTURE else "ZSTD" for leaf in _LEAVES},
            write_statistics=[leaf for leaf in _LEAVES if leaf != _PICTURE],
            dictionary_pagesize_limit=_DICTIONARY_LIMIT,
            write_page_index=True,
        )
        counts.append(0)
        self._file_bytes = 0

    def _flush(self) -> None:
        if self._group and self._writer is not None:
            self._writer.write_table(records_to_table(self._group, RELEASE_SCHEMA), row_group_size=len(self._group))
        self._group = []
        self._group_bytes = 0

    def _name(self, split: str, number: int) -> ReleaseFile:
        counts = self._rows[split]
        path = self._folder / f"{split}-{number:05d}-of-{len(counts):05d}.parquet"
        (self._folder / _working_name(split, number)).rename(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return ReleaseFile(path.name, split, counts[number], path.stat().st_size, file_sha256(path))


def lineage_of(folder: Path, file: ReleaseFile, release: str) -> pa.Table:
    """Returns the rows of table `samples` for one finished file, read back from it without its pictures."""
    own = {
        "file": pa.array([file.path] * file.rows, pa.string()),
        "row": pa.array(range(file.rows), pa.int64()),
        "release": pa.array([release] * file.rows, pa.string()),
    }
    copied = [name for name in SAMPLE_SCHEMA.names if name not in own]
    read = pq.read_table(folder / file.path, columns=copied, partitioning=None)
    columns = [own[name] if name in own else read.column(name) for name in SAMPLE_SCHEMA.names]
    return pa.Table.from_arrays(columns, schema=SAMPLE_SCHEMA)


def _working_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}.parquet"


def _leaves() -> Iterator[str]:
    """Yields the Parquet paths of the release's columns."""
    buffer = io.BytesIO()
    pq.write_table(RELEASE_SCHEMA.empty_table(), buffer)
    schema = pq.ParquetFile(buffer).schema
    for number in range(len(schema)):
        yield schema.column(number).path


_LEAVES = tuple(_leaves())
