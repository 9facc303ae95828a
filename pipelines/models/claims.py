"""Who is asking what, and how much that may cost: shared by the processes at work on one dataset, worth nothing later.

A claim lasts until its reply is stored or its process ends, however that ends: an owner is a file lock, which the
system releases. The file needs no syncing, since after a power cut no owner lives.
"""

import fcntl
import os
import sqlite3
from enum import Enum, auto
from pathlib import Path

FILE = "claims.sqlite"
_TABLE = "create table if not exists claims (key text primary key, owner text not null, money real) without rowid"


class Claim(Enum):
    """What came of a claim."""

    OURS = auto()
    """Ask."""
    TAKEN = auto()
    """Somebody else is asking, or money that others hold back may yet become free: look again later."""
    OVER_BUDGET = auto()
    """The request may cost more than is left."""


class Claims:
    """The claims of one process. Close them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = f"owner-{os.getpid()}-{os.urandom(4).hex()}.lock"
        self._lock = os.open(folder / self._owner, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._database = sqlite3.connect(folder / FILE, timeout=60, isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = off")
        self._database.execute(_TABLE)

    def take(self, key: str, money: float, left: float | None) -> Claim:
        """Claims a request.

        Args:
            key: of the request.
            money: what it may cost at most.
            left: what is left of the budget without regard to claims; None where there is no budget.
        """
        self._database.execute("begin immediate")
        try:
            held = self._database.execute("select owner from claims where key = ?", (key,)).fetchone()
            if held is not None and held[0] != self._owner and self._is_alive(held[0]):
                return Claim.TAKEN
            if left is not None and money > left - (reserved := self._reserved()):
                return Claim.TAKEN if reserved > 0 and money <= left else Claim.OVER_BUDGET
            self._database.execute("insert or replace into claims values (?, ?, ?)", (key, self._owner, money))
            return Claim.OURS
        finally:
            self._database.execute("commit")

    def give_back(self, key: str) -> None:
        """Ends a claim: its reply is stored, or it failed."""
        self._database.execute("delete from claims where key = ? and owner = ?", (key, self._owner))

    def close(self) -> None:
        """Ends all claims of this process."""
        self._database.execute("delete from claims where owner = ?", (self._owner,))
        self._database.close()
        os.close(self._lock)
        (self._folder / self._owner).unlink(missing_ok=True)

    def _reserved(self) -> float:
        """Returns the money that claims of living owners hold back; forgets those of dead ones."""
        total = 0.0
        for owner, money in self._database.execute("select owner, sum(money) from claims group by owner").fetchall():
            if owner == self._owner or self._is_alive(owner):
                total += money
            else:
                self._database.execute("delete from claims where owner = ?", (owner,))
                (self._folder / owner).unlink(missing_ok=True)
        return total

    def _is_alive(self, owner: str) -> bool:
        try:
            descriptor = os.open(self._folder / owner, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
