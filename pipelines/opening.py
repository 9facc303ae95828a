"""Opening a dataset folder for writing: one run at a time, leftovers of crashed ones swept, other options refused."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.bucket import BucketPath, place
from pipelines.dataset_info import FILE_NAME, DatasetInfo, differences
from pipelines.errors import BusyError, UserError
from pipelines.lease import LEASE_FILE, held_lease
from pipelines.parts import TEMPORARY_MARK, write_atomically, write_exclusively
from pipelines.run_log import work_in_progress
from pipelines.store import Dataset

RUN_LOCK = ".lock"
WORKER_LOCK = ".workers"
PREPARING = ("list", "render")
"""Stages that only look at or make the source."""
ORPHAN_SECONDS = 20.0
"""How long to wait for workers of a killed run to notice that it is gone."""


@contextmanager
def open_for_run(root: Path, info: DatasetInfo) -> Iterator[Dataset]:
    """Gives the dataset of the folder, created if need be, to this process alone.

    Raises:
        UserError: the folder cannot be written, holds something else, was made with other options, or is in use.
    """
    root = place(root)
    _make_folder(root)
    if isinstance(root, BucketPath):
        with held_lease(root):
            dataset = _create_or_check(root, info)
            dataset.sweep()
            yield dataset
        return
    with _locked(root / RUN_LOCK, lambda: f"another run is at work on {root}{work_in_progress(root)}", seconds=0):
        with _locked(root / WORKER_LOCK, lambda: f"another process is still writing to {root}", ORPHAN_SECONDS):
            dataset = _create_or_check(root, info)
            dataset.sweep()
        yield dataset


def hold_worker_lock(root: Path) -> int:
    """Marks this process as a writer until it ends, however it ends: nobody sweeps meanwhile.

    In a bucket nothing can hold such a mark, and sweeping there leaves alone what is younger than a day.
    """
    if isinstance(place(root), BucketPath):
        return os.open(os.devnull, os.O_RDONLY)
    descriptor = os.open(root / WORKER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _make_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        strangers = [entry.name for entry in root.iterdir() if not _is_leftover(entry.name)]
    except OSError as error:
        raise UserError(f"cannot write to {root}: {error.strerror or error}") from error
    if strangers and not (root / FILE_NAME).exists():
        raise UserError(
            f"{root} is not empty and not a dataset (it has no dataset.json, but {min(strangers)}); use another --out"
        )


def _has_rows(dataset: Dataset) -> bool:
    """Returns whether anything was made yet. Before that, after a first try with a wrong path, options are free."""
    return any(manifest.stage not in PREPARING for manifest in dataset.manifests())


def _is_leftover(name: str) -> bool:
    return name in (RUN_LOCK, WORKER_LOCK, LEASE_FILE) or name.startswith(f"{FILE_NAME}{TEMPORARY_MARK}")


def _create_or_check(root: Path, info: DatasetInfo) -> Dataset:
    try:
        created = not (root / FILE_NAME).exists() and write_exclusively(root / FILE_NAME, info.to_json().encode())
    except OSError as error:
        raise UserError(f"cannot write to {root}: {error.strerror or error}") from error
    dataset = Dataset(root)  # not opened: where options differ, versions may too, and all of it is told together
    asked = DatasetInfo.from_json(info.to_json(), str(root))
    if not created and asked.follows:
        asked = _follow(dataset, asked)
    differing = [] if created else differences(dataset.info, asked)
    if differing and not _has_rows(dataset):
        for manifest in dataset.manifests():
            dataset.retract(manifest)
        write_atomically(root / FILE_NAME, info.to_json().encode())
    elif differing:
        raise UserError(
            f"{root} was made with other options: {', '.join(differing)}; use the same options or another --out"
        )
    return dataset


def _follow(dataset: Dataset, asked: DatasetInfo) -> DatasetInfo:
    """Lets `dataset.json` say what the annotation file is now; every other option must be the same."""
    standing = dataset.info
    moving = {"follows": True, "annotations_sha256": asked.annotations_sha256}
    followed = standing.model_copy(update=moving)
    if followed != standing:
        write_atomically(dataset.root / FILE_NAME, followed.to_json().encode())
    return asked


@contextmanager
def _locked(path: Path, refusal: Callable[[], str], seconds: float) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(f"cannot write to {path.parent}: {error.strerror or error}") from error
    try:
        deadline = time.monotonic() + seconds
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise BusyError(refusal())
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
