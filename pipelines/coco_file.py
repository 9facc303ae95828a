"""A COCO annotation file as a stream: one entry in memory at a time, however large the file.

The file comes from outside: what is malformed about an entry is kept or counted, what is malformed about the file is
one clear error.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ijson

from pipelines.errors import UserError

UNKNOWN = "unknown"


class Header(NamedTuple):
    """What holds for the whole file."""

    category_names: Mapping[int, str]
    licences: Mapping[str, str]
    """Name or URL by the licence's id as text."""
    supports: tuple[str, ...]
    """Facts the file says it states for every object: the list ``info.supports``."""


class ImageEntry(NamedTuple):
    """One element of ``images``."""

    key: str
    """The file's own id as JSON text."""
    uri: str
    """Normalised ``file_name``; empty where it has none or one that leaves the source folder."""
    width: int
    height: int
    """Pixels; 0 where not stated."""
    licence: str


def read_header(path: Path) -> Header:
    """Returns the categories, licences and statements of a COCO file.

    Raises:
        UserError: the file is missing, not JSON, or not COCO.
    """
    names = read_category_names(path)
    licences = {}
    for entry in _items(path, "licenses.item"):
        if isinstance(entry, dict) and "id" in entry:
            name = str(entry.get("url") or entry.get("name") or UNKNOWN)
            licences[str(entry["id"])] = name.replace("\\/", "/")  # some copies of COCO escape slashes twice
    supports = tuple(sorted({str(fact) for fact in _items(path, "info.supports.item")}))
    return Header(names, licences, supports)


def read_category_names(path: Path) -> dict[int, str]:
    """Returns the names of the categories by id, having read the file to its end.

    Raises:
        UserError: the file is missing, not JSON, or not COCO.
    """
    names = {
        entry["id"]: entry["name"]
        for entry in _items(path, "categories.item")
        if isinstance(entry, dict) and _is_int(entry.get("id")) and isinstance(entry.get("name"), str)
    }
    if not names:
        raise UserError(f"{path} is not a COCO annotation file: it has no list of categories with id and name")
    return names


def read_images(path: Path, licences: Mapping[str, str]) -> Iterator[ImageEntry]:
    """Yields the entries of ``images`` in the file's order; anything that is no object is an entry without uri."""
    for raw in _items(path, "images.item"):
        entry = raw if isinstance(raw, dict) else {}
        licence = entry.get("license")
        yield ImageEntry(
            key=_key(entry.get("id")),
            uri=_uri(entry.get("file_name")),
            width=_pixels(entry.get("width")),
            height=_pixels(entry.get("height")),
            licence=UNKNOWN if licence is None else licences.get(str(licence), str(licence)),
        )


def read_annotations(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the key of the image and the raw annotation, in the file's order."""
    for raw in _items(path, "annotations.item"):
        entry = raw if isinstance(raw, dict) else {}
        yield _key(entry.get("image_id")), entry


def _items(path: Path, prefix: str) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, prefix, use_float=True)
    except FileNotFoundError as error:
        raise UserError(f"annotation file {path} does not exist") from error
    except OSError as error:
        raise UserError(f"annotation file {path} cannot be read: {error.strerror or error}") from error
    except (ijson.JSONError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"annotation file {path} is not JSON: {reason}") from error


def _key(value: object) -> str:
    return "" if value is None else json.dumps(value, sort_keys=True)


def _uri(name: object) -> str:
    if not isinstance(name, str) or not name or "\0" in name:
        return ""
    normal = posixpath.normpath(name.replace("\\", "/"))
    return "" if normal.startswith(("/", "..")) or normal == "." else normal


def _pixels(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
