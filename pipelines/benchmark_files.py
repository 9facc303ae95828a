"""Reading benchmarks, to keep a release clear of them: pictures and question texts from whatever form they come in.

A folder or an image file gives pictures; `.txt` a question per line; `.json` and `.jsonl` objects, whose texts are
under `QUESTION_KEYS` and whose pictures are named under `IMAGE_KEYS`, relative to the file; `.parquet` the same as
columns, pictures also as bytes the way `datasets` embeds them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.listing import IMAGE_ENDINGS
from pipelines.parts import file_sha256
from stages.ingest import DecodedImage, IngestConfig, read_image
from stages.likeness import SIDE, thumbnail_of

QUESTION_KEYS = ("question", "problem", "query", "prompt", "text")
IMAGE_KEYS = ("image", "images", "image_path", "file_name")
_ANY_SIZE = IngestConfig(max_pixels=170_000_000, min_side=1)


class Benchmarks(NamedTuple):
    """What a release must not contain."""

    texts: tuple[str, ...]
    thumbnails: NDArray[np.uint8]
    """``(N, SIDE, SIDE)``."""
    digest: str
    """Of the files as they were read, and of the pictures that they name."""


class _Item(NamedTuple):
    texts: tuple[str, ...] = ()
    pictures: tuple[bytes, ...] = ()


def read_benchmarks(paths: Iterable[Path]) -> Benchmarks:
    """Returns the texts and pictures of benchmark files and folders.

    Raises:
        UserError: a file is missing, is in no known form, neither a text nor a picture is in it, or a picture of it
            cannot be read: what was not looked at is not known to be clear.
    """
    texts: list[str] = []
    thumbnails: list[NDArray[np.uint8]] = []
    digests = []
    for path in paths:
        before = len(texts) + len(thumbnails)
        for item in _items(path):
            texts += item.texts
            thumbnails += [_thumbnail(data, path) for data in item.pictures]
            digests += [hashlib.sha256(data).hexdigest() for data in item.pictures]
        if len(texts) + len(thumbnails) == before:
            keys = ", ".join((*QUESTION_KEYS, *IMAGE_KEYS))
            raise UserError(f"benchmark {path} has neither a question nor a picture (looked for {keys})")
        files = sorted(_walk(path)) if path.is_dir() else [path]
        digests += [f"{file.name} {file_sha256(file)}" for file in files]
    stacked = np.stack(thumbnails) if thumbnails else np.zeros((0, SIDE, SIDE), dtype=np.uint8)
    return Benchmarks(tuple(texts), stacked, "; ".join(digests))


def _items(path: Path) -> Iterator[_Item]:
    readers = {".txt": _from_lines, ".json": _from_json, ".jsonl": _from_json_lines, ".parquet": _from_parquet}
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            yield from (_Item(pictures=(file.read_bytes(),)) for file in sorted(_walk(path)))
        elif suffix in IMAGE_ENDINGS:
            yield _Item(pictures=(path.read_bytes(),))
        elif suffix in readers:
            yield from readers[suffix](path)
        else:
            raise UserError(f"benchmark {path} is no folder, image, .txt, .json, .jsonl or .parquet")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"benchmark {path} cannot be read: {error}") from error


def _walk(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file())


def _from_lines(path: Path) -> Iterator[_Item]:
    yield _Item(tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()))


def _from_json_lines(path: Path) -> Iterator[_Item]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield _of_object(json.loads(line), path.parent)


def _from_json(path: Path) -> Iterator[_Item]:
    data = json.loads(path.read_text(encoding="utf-8"))
    lists = [value for value in data.values() if isinstance(value, list)] if isinstance(data, dict) else []
    rows = data if isinstance(data, list) else lists[0] if lists else [data]
    yield from (_of_object(row, path.parent) for row in rows)


def _from_parquet(path: Path) -> Iterator[_Item]:
    with pq.ParquetFile(path) as file:
        columns = [name for name in file.schema_arrow.names if name in (*QUESTION_KEYS, *IMAGE_KEYS)]
        for batch in file.iter_batches(64, columns=columns):
            yield from (_of_object(row, path.parent) for row in batch.to_pylist())


def _of_object(row: object, folder: Path) -> _Item:
    if not isinstance(row, Mapping):
        return _Item()
    texts = tuple(text for key in QUESTION_KEYS if key in row for text in _texts(row[key]))
    pictures = tuple(data for key in IMAGE_KEYS if key in row for data in _pictures(row[key], folder))
    return _Item(texts, pictures)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a benchmark holds
    """Yields the texts of a value: a string, or what a user says in a list of messages."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for message in value:
            if isinstance(message, Mapping) and isinstance(message.get("content"), str):
                yield message["content"]


def _pictures(value: Any, folder: Path) -> Iterator[bytes]:  # noqa: ANN401 - whatever a benchmark holds
    if isinstance(value, list):
        for one in value:
            yield from _pictures(one, folder)
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        yield from _pictures(value.get("bytes") or value.get("path"), folder)
    elif isinstance(value, str) and Path(value).suffix.lower() in IMAGE_ENDINGS:
        yield (folder / value).read_bytes()


def _thumbnail(data: bytes, benchmark: Path) -> NDArray[np.uint8]:
    decoded = read_image(data, "benchmark", "", _ANY_SIZE)
    if not isinstance(decoded, DecodedImage):
        raise UserError(f"a picture of benchmark {benchmark} cannot be read ({decoded.detail}): mend it or take it out")
    return thumbnail_of(decoded.pixels)
