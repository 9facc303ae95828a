"""Every paid reply of a dataset, kept before anything reads it: `DATASET/_replies/replies.sqlite`.

Rows are only ever added. A reply is on the disk before `put` returns, so a process killed at any moment has every reply
that it received; asking the same again reads it here. Several processes share the file: `claim` lets one of
them ask and the others wait for its reply. A claim ends with the process that made it, however that ended, because
its owner is a lock that the system releases.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from schemas.model_reply import ModelReply

FOLDER = "_replies"
FILE = "replies.sqlite"
_GROUP = 256
"""Most replies in one transaction. Whatever waits while one is written goes into the next."""
_TABLES = (
    "create table if not exists replies (key text primary key, reply text not null) without rowid",
    "create table if not exists attempts (key text not null, attempt text not null)",
    "create table if not exists claims (key text primary key, owner text not null) without rowid",
)

Put = tuple[str, tuple[str, str], asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class ReplyStore:
    """The replies of one dataset. One per process; close it."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._owner = f"owner-{os.getpid()}-{os.urandom(4).hex()}.lock"
        self._owner_lock = os.open(self._folder / self._owner, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._owner_lock, fcntl.LOCK_EX)
        self._reader = _connect(self._folder / FILE)
        self._claimer = _connect(self._folder / FILE)
        self._queue: queue.SimpleQueue[Put | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="replies", daemon=True)
        self._thread.start()

    def get(self, key: str) -> ModelReply | None:
        """Returns the stored reply to a request; None where it was never answered."""
        row = self._reader.execute("select reply from replies where key = ?", (key,)).fetchone()
        return None if row is None else ModelReply.model_validate_json(row[0])

    def claim(self, key: str) -> bool:
        """Returns whether this process is to ask; False while another living process does."""
        with self._claimer:
            self._claimer.execute("begin immediate")
            row = self._claimer.execute("select owner from claims where key = ?", (key,)).fetchone()
            if row is not None and row[0] != self._owner and _is_alive(self._folder / row[0]):
                return False
            self._claimer.execute("insert or replace into claims values (?, ?)", (key, self._owner))
            return True

    async def put(self, reply: ModelReply) -> None:
        """Adds a reply and returns when it is on the disk. Of two under one key the first stays."""
        await self._add("insert or ignore into replies values (?, ?)", (reply.request_key, reply.model_dump_json()))

    async def put_attempt(self, key: str, attempt_json: str) -> None:
        """Adds what one attempt took, answered or not, and returns when it is on the disk."""
        await self._add("insert into attempts values (?, ?)", (key, attempt_json))

    def replies(self) -> Iterator[ModelReply]:
        """Yields all replies, ordered by key."""
        for row in self._reader.execute("select reply from replies order by key"):
            yield ModelReply.model_validate_json(row[0])

    def close(self) -> None:
        """Writes what waits, and gives this process's claims back."""
        self._queue.put(None)
        self._thread.join()
        with self._claimer:
            self._claimer.execute("delete from claims where owner = ?", (self._owner,))
        self._reader.close()
        self._claimer.close()
        os.close(self._owner_lock)
        (self._folder / self._owner).unlink(missing_ok=True)

    async def _add(self, statement: str, values: tuple[str, str]) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put((statement, values, loop, done))
        await done

    def _write_all(self) -> None:
        connection = _connect(self._folder / FILE)
        closing = False
        while not closing:
            waiting = [self._queue.get()]
            while len(waiting) < _GROUP and not self._queue.empty():
                waiting.append(self._queue.get())
            closing = None in waiting
            _commit(connection, [put for put in waiting if put is not None])
        connection.close()


def _commit(connection: sqlite3.Connection, puts: list[Put]) -> None:
    error: sqlite3.Error | None = None
    try:
        with connection:
            connection.execute("begin immediate")
            for statement, values, _, _ in puts:
                connection.execute(statement, values)
    except sqlite3.Error as raised:  # a full disk: whoever waits must hear of it
        error = raised
    for _, _, loop, done in puts:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, done, error)


def _resolve(done: "asyncio.Future[None]", error: sqlite3.Error | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")  # on the disk when a commit returns
    for statement in _TABLES:
        connection.execute(statement)
    return connection


def _is_alive(lock: Path) -> bool:
    """Returns whether the process that made the lock file still holds it."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
