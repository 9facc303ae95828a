"""The folder of a release: built beside its place, told by its release.json, renamed in as a whole."""

import fcntl
import importlib.resources
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.errors import UserError
from pipelines.parts import digest_of, write_atomically
from pipelines.publish_card import Card, Tally, render_card
from pipelines.publish_croissant import croissant_of
from pipelines.publish_forms import COLUMNS
from pipelines.publish_rows import Funnel
from pipelines.publish_shards import ReleaseFile
from pipelines.release_gate import GateRow
from schemas.drop import Drop, DropReason
from schemas.manifest import UnitCount
from stages.publish import Format, PublishConfig

REWARD_FILE = "hopyard_reward.py"
PROCESS_FILE = "hopyard_process.py"
CARD_FILE = "README.md"
CROISSANT_FILE = "croissant.json"
RECORD_FILE = "release.json"
LLAMAFACTORY_FILE = "dataset_info.json"
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
    remarks: tuple[str, ...] = ()
    """What the shortcut gate did not let pass and yet did not stop."""


class Built(NamedTuple):
    """A release whose rows are written."""

    files: tuple[ReleaseFile, ...]
    tally: Tally
    drops: Sequence[Drop]
    counts: tuple[UnitCount, ...]

    def report(self, folder: Path) -> PublishReport:
        """Returns what was done."""
        return _report(folder, self.files, dropped_of(self.counts), up_to_date=False)


class Standing(NamedTuple):
    """A release that is there, whole."""

    files: tuple[ReleaseFile, ...]
    dropped: Mapping[DropReason, int]

    def report(self, folder: Path) -> PublishReport:
        """Returns that nothing had to be done."""
        return _report(folder, self.files, self.dropped, up_to_date=True)


def dropped_of(counts: Sequence[UnitCount]) -> dict[DropReason, int]:
    """Returns how many questions were dropped for which reason."""
    return {drop.reason: drop.count for count in counts for drop in count.dropped}


def standing_release(folder: Path, key: str) -> Standing | None:
    """Returns the release that is there; None where it is another, or not whole."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        files = tuple(ReleaseFile(**file) for file in record["files"])
        counts = [UnitCount.model_validate(count) for count in record["counts"]]
        whole = record["key"] == key and all((folder / file.path).stat().st_size == file.file_bytes for file in files)
        whole = whole and all((folder / name).read_text(encoding="utf-8") == text for name, text in _code().items())
        whole = whole and (folder / CARD_FILE).is_file() and (folder / CROISSANT_FILE).is_file()
        whole = whole and _has_pictures(folder, record)
        whole = whole and (record["format"] != Format.LLAMAFACTORY or (folder / LLAMAFACTORY_FILE).is_file())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Standing(files, dropped_of(counts)) if whole and files else None


def _has_pictures(folder: Path, record: Mapping[str, Any]) -> bool:
    """Whether as many picture files are there as were written."""
    return sum(1 for _ in (folder / "images").glob("*")) == int(record["picture_files"])


def texts_digest() -> str:
    """Returns a digest of the code that ships with a release."""
    return digest_of(*_code().values())


def write_texts(
    folder: Path, built: Built, told: tuple[Funnel, Sequence[GateRow]], config: PublishConfig, key: str
) -> None:
    """Writes everything but the rows: card, Croissant file, rewards, and the record that makes it a release."""
    for name, text in _code().items():
        write_atomically(folder / name, text.encode())
    card = Card(built.files, *told, built.tally, built.drops, config)
    write_atomically(folder / CARD_FILE, render_card(card).encode())
    write_atomically(folder / CROISSANT_FILE, croissant_of(card).encode())
    if config.format is Format.LLAMAFACTORY:
        write_atomically(folder / LLAMAFACTORY_FILE, _llamafactory(built.files, config).encode())
    record = {
        "key": key,
        "schema_version": COLUMNS[config.view][1],
        "view": config.view,
        "layout": config.layout,
        "format": config.format,
        "counts": [count.model_dump(mode="json") for count in built.counts],
        "picture_files": sum(1 for _ in (folder / "images").glob("*")),
        "files": [file._asdict() for file in built.files],
    }
    write_atomically(folder / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode())


def put_in_place(folder: Path, working: Path) -> None:
    """Puts the finished folder in place of the old one."""
    old = working_folder(folder, "old")
    if folder.exists():
        folder.rename(old)
    working.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds the place of the release for this process, and sweeps what killed ones left beside it.

    A process that was killed between its two renames has left the place empty: the old release comes back to it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _check_ours(folder)
        standing = sorted(folder.parent.glob(f".{folder.name}{WORKING}old-*"))
        if standing and not folder.exists():
            standing[-1].rename(folder)
        for left in folder.parent.glob(f".{folder.name}{WORKING}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def working_folder(folder: Path, use: str) -> Path:
    """Returns the place of a folder that exists only while a release is made."""
    return folder.with_name(f".{folder.name}{WORKING}{use}-{os.getpid()}")


def _check_ours(folder: Path) -> None:
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / RECORD_FILE).is_file():
        raise UserError(f"{folder} is not empty and not a release (it has no {RECORD_FILE}); use another --out")


def _report(
    folder: Path, files: tuple[ReleaseFile, ...], dropped: Mapping[DropReason, int], up_to_date: bool
) -> PublishReport:
    rows: Counter[str] = Counter()
    for file in files:
        rows[file.split] += file.rows
    return PublishReport(folder, rows, files, dropped, up_to_date)


def _code() -> dict[str, str]:
    """Returns the code that ships with a release, by file name."""
    place = importlib.resources.files("pipelines.release")
    return {name: place.joinpath(name).read_text(encoding="utf-8") for name in (REWARD_FILE, PROCESS_FILE)}


def _llamafactory(files: Sequence[ReleaseFile], config: PublishConfig) -> str:
    """Returns LLaMA-Factory's description of the files, one data set per split."""
    columns = {"messages": "messages", "images": "images"}
    entry: dict[str, object] = {"formatting": "sharegpt", "columns": columns}
    if config.view.value == "dpo":
        entry["ranking"] = True
        columns |= {"chosen": "chosen", "rejected": "rejected"}
    entry["tags"] = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    described = {}
    for split in sorted({file.split for file in files}):
        names = [file.path for file in files if file.split == split]
        for number, name in enumerate(names):
            described[f"hopyard_{split}" + (f"_{number}" if len(names) > 1 else "")] = {"file_name": name, **entry}
    return json.dumps(described, indent=1) + "\n"
