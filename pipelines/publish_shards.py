"""Rows to the release's Parquet files: a picture is stored once per row group, groups are small enough for viewers.

Rows arrive ordered by image. A row group closes at `rows_per_group` rows, or earlier where its pictures are
big; a file closes at the first new image after `rows_per_file` rows or `file_bytes` of pictures.
"""

import io
import os
from functools import cache
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


class SplitWriter:
    """Writes the rows of one split. File names carry the number of files, so they are given at the end."""

    def __init__(self, folder: Path, split: str, config: PublishConfig) -> None:
        self._folder = folder
        self._split = split
        self._config = config
        self._writer: pq.ParquetWriter | None = None
        self._group: list[ReleaseRow] = []
        self._group_bytes = 0
        self._file_bytes = 0
        self._last_image = ""
        self._rows: list[int] = []
        """Rows of each file."""

    @property
    def position(self) -> int:
        """Index in the split that the next row gets."""
        return sum(self._rows)

    def add(self, row: ReleaseRow) -> None:
        """Takes the next row; the rows of an image come together."""
        is_new_image = row.image_id != self._last_image
        if self._writer is None or (is_new_image and self._is_file_full()):
            self._open_file()
        size = len(row.images[0].bytes)
        if len(self._group) >= self._config.rows_per_group or self._group_bytes + size > self._config.group_bytes:
            self._flush()
        self._group.append(row)
        self._group_bytes += size
        self._file_bytes += size if is_new_image else 0
        self._rows[-1] += 1
        self._last_image = row.image_id

    def finish(self) -> tuple[ReleaseFile, ...]:
        """Closes the last file, gives every file its name and returns them."""
        self._flush()
        self.close()
        return tuple(self._name(number) for number in range(len(self._rows)))

    def close(self) -> None:
        """Closes the open file, whatever was written of it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _is_file_full(self) -> bool:
        return self._rows[-1] >= self._config.rows_per_file or self._file_bytes >= self._config.file_bytes

    def _open_file(self) -> None:
        self._flush()
        self.close()
        self._writer = pq.ParquetWriter(
            self._folder / _working_name(self._split, len(self._rows)),
            RELEASE_SCHEMA,
            compression={leaf: "NONE" if leaf == _PICTURE else "ZSTD" for leaf in _leaves()},
            write_statistics=[leaf for leaf in _leaves() if leaf != _PICTURE],
            dictionary_pagesize_limit=_DICTIONARY_LIMIT,
            write_page_index=True,
        )
        self._rows.append(0)
        self._file_bytes = 0

    def _flush(self) -> None:
        if self._group and self._writer is not None:
            self._writer.write_table(records_to_table(self._group, RELEASE_SCHEMA), row_group_size=len(self._group))
        self._group = []
        self._group_bytes = 0

    def _name(self, number: int) -> ReleaseFile:
        path = self._folder / f"{self._split}-{number:05d}-of-{len(self._rows):05d}.parquet"
        (self._folder / _working_name(self._split, number)).rename(path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return ReleaseFile(path.name, self._split, self._rows[number], path.stat().st_size, file_sha256(path))


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


@cache
def _leaves() -> tuple[str, ...]:
    """Returns the Parquet paths of the release's columns."""
    buffer = io.BytesIO()
    pq.write_table(RELEASE_SCHEMA.empty_table(), buffer)
    schema = pq.ParquetFile(buffer).schema
    return tuple(schema.column(number).path for number in range(len(schema)))
