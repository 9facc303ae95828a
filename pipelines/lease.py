"""Who may write to a dataset in a bucket: one run at a time, by a lease that expires.

The lease is one object. It is created exclusively, renewed by replacing exactly the version that this run wrote, and
taken over by replacing exactly the version that was seen to be too old. Ages are differences of the storage's own
times, so clocks of machines do not matter. A folder of this machine needs none of it: the kernel drops the lock of a
process with the process.
"""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.bucket import BucketPath
from pipelines.errors import BusyError, UserError

LEASE_FILE = "_lease.json"
_PROBE_FILE = "_lease.probe"
LEASE_SECONDS = 60.0
"""A lease that was not renewed for so long belongs to nobody."""


class Lease:
    """The right of this process to write to a dataset; renewed from a thread until it is given back."""

    def __init__(self, path: BucketPath, tag: str, seconds: float) -> None:
        self._path, self._tag, self._seconds = path, tag, seconds
        self._stop = threading.Event()
        self._lost: str | None = None
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lease")
        self._thread.start()

    def check(self) -> None:
        """Does nothing while the lease is this process's.

        Raises:
            UserError: another run has taken it over, or it could not be renewed in time.
        """
        if self._lost is not None:
            raise UserError(f"this run lost its lease on {self._path.parent}: {self._lost}; nothing committed is lost")

    def give_back(self) -> None:
        """Ends renewing and removes the lease where it is still this process's.

        Removing takes whatever version there is. So the lease is renewed once more: until that is over nobody takes it.
        """
        self._stop.set()
        self._thread.join()
        if self._lost is None and self._path.replace_version(self._tag, _holder(self._seconds)) is not None:
            self._path.unlink(missing_ok=True)

    def _renew(self) -> None:
        failures = 0
        while not self._stop.wait(self._seconds / 4):
            try:
                tag = _swap(self._path, self._tag, _holder(self._seconds))
            except OSError as error:
                failures += 1
                if failures >= 3:
                    self._lost = f"it could not be renewed ({error})"
                    return
                continue
            failures = 0
            if tag is None:
                self._lost = "another run has taken it over"
                return
            self._tag = tag


_held: dict[str, Lease] = {}
"""Of this process, by dataset."""


@contextmanager
def held_lease(root: BucketPath, seconds: float = LEASE_SECONDS) -> Iterator[Lease]:
    """Gives the lease of a dataset in a bucket, for this process alone.

    Raises:
        UserError: another run holds it, or the bucket cannot be used.
    """
    path = root / LEASE_FILE
    try:
        lease = Lease(path, _acquire(path, seconds), seconds)
    except OSError as error:
        raise UserError(f"cannot use {root}: {error}") from error
    _held[str(root)] = lease
    try:
        yield lease
    finally:
        del _held[str(root)]
        lease.give_back()


def check_lease(root: object) -> None:
    """Raises where this process held a lease on the dataset and lost it; does nothing otherwise.

    Raises:
        UserError: the lease was lost.
    """
    lease = _held.get(str(root))
    if lease is not None:
        lease.check()


def _acquire(path: BucketPath, seconds: float) -> str:
    """Returns the version tag of the lease, which is this process's now."""
    data = _holder(seconds)
    if path.create(data) or path.read_bytes() == data:
        return path.stamp()[0]
    tag, written = path.stamp()
    holder = json.loads(path.read_text() or "{}")
    left = float(holder.get("seconds", 0.0)) - (_storage_time(path) - written)
    if left <= 0 and (taken := _swap(path, tag, data)) is not None:
        return taken
    who = f"process {holder.get('process', '?')} on {holder.get('host', '?')}"
    raise BusyError(
        f"another run is at work on {path.parent} ({who}); if it is dead, its lease expires in {max(left, 1):.0f} s"
    )


def _swap(path: BucketPath, tag: str, data: bytes) -> str | None:
    """Returns the new version tag; None where another process was faster.

    A request that was carried out but not answered is sent again and refused: then the object holds this very data.
    """
    new = path.replace_version(tag, data)
    if new is not None:
        return new
    try:
        return path.stamp()[0] if path.read_bytes() == data else None
    except FileNotFoundError:
        return None


def _storage_time(path: BucketPath) -> float:
    """Returns the storage's own time, as it stamps a new object."""
    probe = path.with_name(_PROBE_FILE)
    probe.write_bytes(b"")
    return probe.stamp()[1]


def _holder(seconds: float) -> bytes:
    said = {"host": socket.gethostname(), "process": os.getpid(), "seconds": seconds, "beat": os.urandom(8).hex()}
    return json.dumps(said).encode()
