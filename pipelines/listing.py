"""Which files a source folder has: sorted uris, cut into shards.

A file counts as an image by its ending or, with any other ending, by its first bytes, so that a mislabelled picture is
not lost; hidden files are not looked at. What is listed must become an image or a drop with a reason.
"""

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipelines.bucket import BucketPath
from pipelines.errors import NothingToDoError, UserError
from pipelines.ledger import Ledger
from pipelines.parts import digest_of
from pipelines.store import Dataset, ShardWriter
from pipelines.tables import SOURCE_SCHEMA
from schemas.drop import Drop, DropReason
from schemas.manifest import WHOLE_DATASET, ShardManifest
from stages.image_headers import format_of

LIST = "list"
LIST_VERSION = 1

IMAGE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .tif .tiff .bmp .dib .gif .heic .heif .avif .jp2 .jxl .svg .psd".split()
)
"""Endings that make a file count as an image; whether it can be read is found out later."""

HEADER_BYTES = 32


class Listed(NamedTuple):
    """One file of the source."""

    uri: str
    """Path below the source folder, with forward slashes."""
    file_bytes: int


def list_files(source: Path, limit: int | None, settle: float = 0.0) -> list[Listed]:
    """Returns the image files below a folder or a place in a bucket, sorted by uri; at most ``limit`` of them.

    With ``settle``, files that were written less than so many seconds ago are left out: somebody may still be writing
    them. Times further ahead than that were set, as copying does, and say nothing. In a bucket an object is there whole
    or not at all, so nothing is left out.

    Raises:
        UserError: the folder is missing, is no folder, cannot be read, or has no image.
    """
    try:
        files = sorted(_files_of(source, settle))
    except OSError as error:
        raise UserError(f"cannot read source {source}: {error}") from error
    if not files:
        raise NothingToDoError(f"there is no image in {source}")
    return files[:limit]


def _files_of(source: Path, settle: float) -> Iterator[Listed]:
    if not source.exists():
        raise UserError(f"source folder {source} does not exist")
    if not source.is_dir():
        raise UserError(f"source {source} is a file; give the folder that holds the images")
    if isinstance(source, BucketPath):
        return _walk_bucket(source)
    now = time.time()
    return _walk(source, "", _Times(now - settle, now + settle) if settle else None)


class Listing(NamedTuple):
    """Files cut into shards, and what the committed listing of them is called."""

    files: Sequence[Listed]
    shards: Mapping[int, Sequence[Listed]]
    input_digest: str
    key: str


def plan_listing(dataset: Dataset, files: Sequence[Listed], shard_size: int, follow: bool = False) -> Listing:
    """Returns the files in shards: a committed file stays in its shard if ``follow``, new ones make new shards."""
    nameable = [file for file in files if _is_text(file.uri)]
    cut = {
        number: nameable[start : start + shard_size] for number, start in enumerate(range(0, len(nameable), shard_size))
    }
    input_digest = digest_of(*(field for file in files for field in file))
    key = digest_of(LIST, LIST_VERSION, shard_size, input_digest)
    placed = _placed(dataset) if follow else {}
    if placed:
        grown = _grow(nameable, placed, shard_size)
        if grown != cut:
            numbers = (f"{number}:{file.uri}" for number in sorted(grown) for file in grown[number])
            return Listing(files, grown, input_digest, digest_of(key, *numbers))
    return Listing(files, cut, input_digest, key)


def _placed(dataset: Dataset) -> dict[str, int]:
    """Returns the shard of every committed file; after a kill between two listings, of both."""
    placed: dict[str, int] = {}
    for manifest in dataset.manifests(LIST):
        for part in manifest.parts:
            if part.table == "sources":
                for uri in dataset.read("sources", [part], ["uri"])["uri"].to_pylist():
                    placed.setdefault(uri, part.shard)
    return placed


def _grow(files: Sequence[Listed], placed: Mapping[str, int], shard_size: int) -> dict[int, list[Listed]]:
    shards: dict[int, list[Listed]] = {}
    for file in files:
        if file.uri in placed:
            shards.setdefault(placed[file.uri], []).append(file)
    new = [file for file in files if file.uri not in placed]
    first = max(placed.values()) + 1
    for number, start in enumerate(range(0, len(new), shard_size), first):
        shards[number] = new[start : start + shard_size]
    return shards


def commit_listing(dataset: Dataset, listing: Listing, follow: bool = False) -> ShardManifest:
    """Commits the files as the table ``sources`` and returns its manifest.

    One committed earlier must be the same, or else gives way if ``follow``: only after the new one stands.

    Raises:
        UserError: the source folder is not what it was when the dataset was begun, and the dataset does not follow it.
    """
    started = time.perf_counter()
    earlier = dataset.manifests(LIST)
    standing = [manifest for manifest in earlier if manifest.key == listing.key]
    if not standing:
        if earlier and not follow:
            raise UserError(_changed(dataset, listing.files))
        standing = [_commit(dataset, listing, started)]
    for manifest in earlier:
        if manifest.key != listing.key:
            dataset.retract(manifest)
    return standing[0]


def _commit(dataset: Dataset, listing: Listing, started: float) -> ShardManifest:
    files, input_digest, key = listing.files, listing.input_digest, listing.key
    ledger = Ledger(LIST)
    ledger.take("files", len(files))
    writer = ShardWriter(dataset, key)
    for shard, rows in listing.shards.items():
        ledger.keep("files", len(rows))
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SOURCE_SCHEMA, strict=True)
        ]
        writer.add_rows("sources", pa.Table.from_arrays(columns, schema=SOURCE_SCHEMA), shard)
    ledger.drop("files", [_unnameable(file.uri) for file in files if not _is_text(file.uri)])
    writer.add_records("drops", ledger.drops, WHOLE_DATASET)
    return dataset.commit(
        ShardManifest(
            stage=LIST,
            shard=WHOLE_DATASET,
            key=key,
            version=LIST_VERSION,
            config_hash="",
            input_digest=input_digest,
            counts=ledger.close(),
            parts=writer.parts,
            seconds=time.perf_counter() - started,
        )
    )


def default_shard_size(file_count: int) -> int:
    """Returns 8 to 64 images per shard, more only where there would be over a thousand shards."""
    return max(8, min(64, file_count // 16), -(-file_count // 1000))


class _Times(NamedTuple):
    """Seconds since 1970: after the first, up to the last."""

    first: float
    last: float


def _walk(folder: Path, prefix: str, young: _Times | None) -> Iterator[Listed]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"cannot read folder {folder}: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", young)
            continue
        try:
            status = entry.stat()
        except OSError:  # a dangling link: listed, so that reading it fails in the open
            yield Listed(prefix + entry.name, 0)
            continue
        if young is not None and young.first < status.st_mtime <= young.last:
            continue
        if stat.S_ISREG(status.st_mode) and _is_image(entry):
            yield Listed(prefix + entry.name, status.st_size)


def _walk_bucket(source: BucketPath) -> Iterator[Listed]:
    depth = len(source.parts)
    for found in source.walk_objects():
        names = found.path.parts[depth:]
        if found.size == 0 and found.path.suffix == "" or any(name.startswith(".") for name in names):
            continue  # consoles mark "folders" with empty objects
        if found.path.suffix.lower() in IMAGE_ENDINGS or _starts_as_image(found.path):
            yield Listed("/".join(names), found.size)


def _starts_as_image(path: BucketPath) -> bool:
    try:
        return format_of(path.read_start(HEADER_BYTES)) is not None
    except FileNotFoundError:  # removed since it was listed
        return False


def _is_image(entry: "os.DirEntry[str]") -> bool:
    if os.path.splitext(entry.name)[1].lower() in IMAGE_ENDINGS:
        return True
    try:
        with open(entry.path, "rb") as file:
            return format_of(file.read(HEADER_BYTES)) is not None
    except OSError:
        return False


def _is_text(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unnameable(uri: str) -> Drop:
    shown = os.fsencode(uri).decode("utf-8", "backslashreplace")
    detail = "the file's name is not valid UTF-8; rename it"
    return Drop(stage=LIST, id=shown, parent_id=shown, reason=DropReason.UNREADABLE_IMAGE, detail=detail)


def _changed(dataset: Dataset, files: Sequence[Listed]) -> str:
    old = {row["uri"]: row["file_bytes"] for row in dataset.read("sources").to_pylist()}
    new = {file.uri: file.file_bytes for file in files}
    examples = sorted(uri for uri in old.keys() | new.keys() if old.get(uri) != new.get(uri))
    added, gone = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    return (
        f"the source folder of {dataset.root} has changed since it was begun ({added} files more, {gone} gone, "
        f"{len(examples) - added - gone} resized, e.g. {examples[0] if examples else 'shards'}); use another --out, or "
        "--follow if it is to grow"
    )
