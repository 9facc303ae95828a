"""Rows to the release's Parquet files: a picture is stored once per row group, groups are small enough for viewers.

Rows arrive ordered by image. A row group closes at `rows_per_group` rows, or earlier where its pictures are big; a file
closes at the first new image after `rows_per_file` rows or `file_bytes` of pictures. In the layout with paths a picture
is a file of the folder images, written once.
"""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from pipelines.growing_digest import GrowingDigest
from pipelines.publish_forms import form_of
from pipelines.publish_pictures import PICTURES, picture_lists, with_shared
from schemas.arrow import records_to_table
from schemas.release_row import EmbeddedImage
from schemas.sample import SAMPLE_SCHEMA
from stages.publish import Layout, PublishConfig

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


class PictureRow(Protocol):
    """What the writer needs of a row; everything else is its columns."""

    @property
    def image_id(self) -> str: ...
    @property
    def images(self) -> tuple[EmbeddedImage, ...]: ...


class SplitWriter:
    """Writes the rows of one split. File names carry the number of files, so they are given at the end.

    While the next rows are made one thread compresses and writes, another digests what is written; one row group waits
    at the most.
    """

    def __init__(self, folder: Path, split: str, config: PublishConfig) -> None:
        self._folder = folder
        self._split = split
        self._config = config
        self._form = form_of(config.view, config.format)
        self._embeds = config.layout is Layout.EMBEDDED
        schemas = (self._form.columns, self._form.schema)
        self._columns, self._schema = (with_shared(schema) if self._embeds else schema for schema in schemas)
        self._writer: pq.ParquetWriter | None = None
        self._thread, self._reader = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._digest: GrowingDigest | None = None
        self._written: Future[None] | None = None
        """The last thing that the thread was given."""
        self._digests: list[Future[str]] = []
        """Of each file that is complete."""
        self._rows: list[int] = []
        """Rows of each file."""
        self._group = _Group([], [], [])
        self._group_bytes = 0
        self._file_bytes = 0
        self._last_image = ""
        self._last_picture = ""

    @property
    def position(self) -> int:
        """Index in the split that the next row gets."""
        return sum(self._rows)

    def add(self, row: BaseModel) -> None:
        """Takes the next row; the rows of an image come together."""
        image_id, images = pictures_of(row)
        size = sum(map(self._size, images))
        self._cut(self._cut_before(image_id, size))
        self._count(image_id, images, size)
        self._group.records.append(row)

    def add_columns(self, rows: pa.Table, pictures: Sequence[EmbeddedImage]) -> None:
        """Takes the next rows as a table of everything but their pictures, of which each row has one."""
        start = 0
        for number, (image_id, picture) in enumerate(zip(rows["image_id"].to_pylist(), pictures, strict=True)):
            size = self._size(picture)
            cut = self._cut_before(image_id, size)
            if cut is not _Cut.NOT:
                self._group.tables.append(rows.slice(start, number - start))
                self._cut(cut)
                start = number
            self._count(image_id, (picture,), size)
        self._group.tables.append(rows.slice(start))

    def _cut_before(self, image_id: str, size: int) -> "_Cut":
        """Returns what has to end before a row with so many bytes of pictures can be taken."""
        if self._writer is None or (image_id != self._last_image and self._is_file_full()):
            return _Cut.FILE
        full = len(self._group.pictures) >= self._config.rows_per_group
        return _Cut.GROUP if full or self._group_bytes + size > self._config.group_bytes else _Cut.NOT

    def _cut(self, cut: "_Cut") -> None:
        if cut is not _Cut.NOT:
            self._flush()
        if cut is _Cut.FILE:
            self._open_file()

    def _count(self, image_id: str, images: Sequence[EmbeddedImage], size: int) -> None:
        self._group.pictures.append([self._placed(image) for image in images])
        self._group_bytes += size
        self._file_bytes += size if images[0].path != self._last_picture else 0
        self._rows[-1] += 1
        self._last_image, self._last_picture = image_id, images[0].path

    def _size(self, image: EmbeddedImage) -> int:
        """Returns the bytes that a picture takes in its row's file."""
        return len(image.bytes or b"") if self._embeds else 0

    def _placed(self, image: EmbeddedImage) -> EmbeddedImage:
        """Returns a picture as its column has it; with paths its bytes become a file, unless that is there."""
        if self._embeds:
            return image
        place = self._folder / PICTURES / image.path
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(image.bytes or b"")
        return EmbeddedImage(bytes=None, path=f"{self._config.path_prefix}{PICTURES}/{image.path}")

    def finish(self) -> tuple[ReleaseFile, ...]:
        """Closes the last file, gives every file its name and returns them."""
        self.seal()
        digests = [digest.result() for digest in self._digests]
        self.close()
        files = []
        for number, (rows, digest) in enumerate(zip(self._rows, digests, strict=True)):
            name = f"{self._split}-{number:05d}-of-{len(self._rows):05d}.parquet"
            path = (self._folder / _working_name(self._split, number)).rename(self._folder / name)
            files.append(ReleaseFile(name, self._split, rows, path.stat().st_size, digest))
        return tuple(files)

    def seal(self) -> None:
        """Takes no more rows, and has the last file closed meanwhile."""
        self._flush()
        self._complete()

    def close(self) -> None:
        """Ends the threads and closes the open file, whatever was written of it."""
        self._thread.shutdown()
        self._reader.shutdown()
        if self._writer is not None and self._digest is not None:
            self._writer.close()
            self._digest.close()
            self._writer = self._digest = None

    def _complete(self) -> None:
        """Has the open file closed, synced and digested."""
        if self._writer is not None and self._digest is not None:
            self._wait()
            self._digests.append(self._thread.submit(self._close, self._writer, self._digest))
            self._writer = self._digest = None

    def _write(self, writer: pq.ParquetWriter, digest: GrowingDigest, table: pa.Table) -> None:
        writer.write_table(table, row_group_size=table.num_rows)
        self._reader.submit(digest.read_on)

    def _close(self, writer: pq.ParquetWriter, digest: GrowingDigest) -> str:
        """Closes a file, syncs it to the disk and returns its digest."""
        writer.add_key_value_metadata(_metadata(self._form.schema))
        writer.close()
        digested = self._reader.submit(digest.read_on)
        digest.sync()
        found = digested.result()
        digest.close()
        return found

    def _wait(self) -> None:
        """Returns once the thread has written what it was given; raises what that raised."""
        if self._written is not None:
            self._written.result()
            self._written = None

    def _is_file_full(self) -> bool:
        return self._rows[-1] >= self._config.rows_per_file or self._file_bytes >= self._config.file_bytes

    def _open_file(self) -> None:
        self._complete()
        path = self._folder / _working_name(self._split, len(self._rows))
        self._writer = pq.ParquetWriter(path, self._schema, store_schema=False, **write_options(self._form.schema))
        self._digest = GrowingDigest(path)
        self._rows.append(0)
        self._file_bytes = 0

    def _flush(self) -> None:
        if self._group.pictures and self._writer is not None and self._digest is not None:
            table = self._form.shape(self._group.table(self._columns), self._schema)
            self._wait()
            self._written = self._thread.submit(self._write, self._writer, self._digest, table)
        self._group = _Group([], [], [])
        self._group_bytes = 0


class _Cut(Enum):
    NOT = "not"
    GROUP = "group"
    FILE = "file"


class _Group(NamedTuple):
    """The rows of the next row group, as records or as tables, and their pictures."""

    records: list[BaseModel]
    tables: list[pa.Table]
    pictures: list[list[EmbeddedImage]]

    def table(self, columns: pa.Schema) -> pa.Table:
        """Returns the rows with their pictures."""
        others = pa.schema([field for field in columns if field.name != PICTURES])
        rows = records_to_table(self.records, others) if self.records else pa.concat_tables(self.tables)
        made = {name: rows[name].combine_chunks() for name in others.names}
        made[PICTURES] = picture_lists(self.pictures, columns.field(PICTURES).type)
        return pa.Table.from_arrays([made[name] for name in columns.names], schema=columns)


def _metadata(schema: pa.Schema) -> dict[bytes, bytes]:
    """Returns what Arrow stores in a file so that its schema comes back, for rows that were handed over as another."""
    return {**(schema.metadata or {}), b"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes())}


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


def pictures_of(row: BaseModel) -> tuple[str, tuple[EmbeddedImage, ...]]:
    """Returns the image id and the pictures of a row of any view."""
    found: PictureRow = row  # type: ignore[assignment]
    return found.image_id, found.images


def write_options(schema: pa.Schema) -> dict[str, Any]:
    """Returns how pyarrow writes a file of a release: pictures as they are, each once per row group, the rest zstd."""
    others = [leaf for leaf in _leaves(schema) if leaf != _PICTURE]
    return {
        "compression": {_PICTURE: "NONE"} | dict.fromkeys(others, "ZSTD"),
        "write_statistics": others,
        "dictionary_pagesize_limit": _DICTIONARY_LIMIT,
        "write_page_index": True,
    }


@cache
def _leaves(schema: pa.Schema) -> tuple[str, ...]:
    """Returns the Parquet paths of a schema's columns."""
    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    leaves = pq.ParquetFile(buffer).schema
    return tuple(leaves.column(number).path for number in range(len(leaves)))
