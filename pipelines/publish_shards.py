"""Rows to the release's Parquet files: a picture is stored once per row group, groups are small enough for viewers.

Rows arrive ordered by image. A row group closes at `rows_per_group` rows, or earlier where its pictures are big; a file
closes at the first new image after `rows_per_file` rows or `file_bytes` of pictures. In the layout with paths a picture
is a file of the folder images, written once.
"""

import io
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from pipelines.parts import file_sha256
from pipelines.publish_forms import form_of
from schemas.arrow import records_to_table
from schemas.release_row import EmbeddedImage
from schemas.sample import SAMPLE_SCHEMA
from stages.publish import Layout, PublishConfig

PICTURES = "images"
"""Folder of the picture files in the layout with paths."""
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
    """Writes the rows of one split. File names carry the number of files, so they are given at the end."""

    def __init__(self, folder: Path, split: str, config: PublishConfig) -> None:
        self._folder = folder
        self._split = split
        self._config = config
        self._form = form_of(config.view, config.format)
        self._writer: pq.ParquetWriter | None = None
        self._group: list[BaseModel] = []
        self._group_bytes = 0
        self._file_bytes = 0
        self._last_image = ""
        self._last_picture = ""
        self._rows: list[int] = []
        """Rows of each file."""

    @property
    def position(self) -> int:
        """Index in the split that the next row gets."""
        return sum(self._rows)

    def add(self, row: BaseModel) -> None:
        """Takes the next row; the rows of an image come together."""
        image_id, images = pictures_of(row)
        if self._writer is None or (image_id != self._last_image and self._is_file_full()):
            self._open_file()
        if self._config.layout is Layout.PATHS:
            row = row.model_copy(update={"images": tuple(self._put(image) for image in images)})
        size = sum(len(image.bytes or b"") for image in pictures_of(row)[1])
        if len(self._group) >= self._config.rows_per_group or self._group_bytes + size > self._config.group_bytes:
            self._flush()
        self._group.append(row)
        self._group_bytes += size
        self._file_bytes += size if images[0].path != self._last_picture else 0
        self._rows[-1] += 1
        self._last_image, self._last_picture = image_id, images[0].path

    def _put(self, image: EmbeddedImage) -> EmbeddedImage:
        """Writes a picture as a file, unless it is there, and returns where it is instead of its bytes."""
        place = self._folder / PICTURES / image.path
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(image.bytes or b"")
        return EmbeddedImage(bytes=None, path=f"{self._config.path_prefix}{PICTURES}/{image.path}")

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
            self._form.schema,
            **write_options(self._form.schema),
        )
        self._rows.append(0)
        self._file_bytes = 0

    def _flush(self) -> None:
        if self._group and self._writer is not None:
            table = self._form.shape(records_to_table(self._group, self._form.columns))
            self._writer.write_table(table, row_group_size=len(self._group))
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
