"""Every paid reply of a dataset, kept before anything reads it: `DATASET/_replies/replies.sqlite`.

Rows are only ever added. A reply is on the disk before `put` returns, so a process killed at any moment has every reply
that it took in; asking the same again reads it here. Several processes of one machine may share the file.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.bucket import BucketPath
from pipelines.parts import digest_of
from pipelines.settings import settings
from schemas.model_attempt import ModelAttempt
from schemas.model_reply import ModelReply

FOLDER = "_replies"
FILE = "replies.sqlite"
_GROUP = 512
"""Most writes in one transaction. Whatever waits while one is synced goes into the next."""
_TABLES = (
    "create table if not exists replies (key text primary key, reply text not null) without rowid",
    "create table if not exists attempts (attempt text not null)",
    "create table if not exists spent (money real not null)",
    "insert into spent select 0 where not exists (select 1 from spent)",
)
_ADD_REPLY = "insert or ignore into replies values (?, ?)"
_ADD_ATTEMPT = "insert into attempts values (?)"
_ADD_SPENT = "update spent set money = money + ?"


class _Write(NamedTuple):
    statements: Sequence[tuple[str, tuple[object, ...]]]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[None]"


class ReplyStore:
    """The replies of one dataset, for reading and adding. Close it."""

    def __init__(self, root: Path) -> None:
        self.folder = reply_folder(root)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._reader = _connect(self.folder / FILE)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="replies", daemon=True)
        self._thread.start()

    def get(self, key: str) -> ModelReply | None:
        """Returns the stored reply to a request; None where it was never answered."""
        row = self._reader.execute("select reply from replies where key = ?", (key,)).fetchone()
        return None if row is None else ModelReply.model_validate_json(row[0])

    @property
    def spent(self) -> float:
        """Money spent on the dataset so far, by all runs."""
        return float(self._reader.execute("select money from spent").fetchone()[0])

    async def put(self, reply: ModelReply | None, attempt: ModelAttempt) -> None:
        """Adds an attempt, and its reply where it gave one, and returns when both are on the disk.

        Of two replies under one key the first stays; what the second cost is still counted.

        Raises:
            sqlite3.Error: they could not be written, as on a full disk.
        """
        statements: list[tuple[str, tuple[object, ...]]] = [(_ADD_ATTEMPT, (attempt.model_dump_json(),))]
        if attempt.money:
            statements.append((_ADD_SPENT, (attempt.money,)))
        if reply is not None:
            statements.append((_ADD_REPLY, (reply.request_key, reply.model_dump_json())))
        loop = asyncio.get_running_loop()
        write = _Write(statements, loop, loop.create_future())
        self._queue.put(write)
        await write.done

    def close(self) -> None:
        """Writes what waits."""
        self._queue.put(None)
        self._thread.join()
        self._reader.close()

    def _write_all(self) -> None:
        connection = _connect(self.folder / FILE)
        closing = False
        while not closing:
            waiting = [self._queue.get()]
            while len(waiting) < _GROUP and not self._queue.empty():
                waiting.append(self._queue.get())
            closing = None in waiting
            _commit(connection, [write for write in waiting if write is not None])
        connection.close()


def reply_folder(root: Path) -> Path:
    """Returns where the replies of a dataset lie: in it, or on this machine where it is in a bucket."""
    if isinstance(root, BucketPath):
        return settings().output / FOLDER / digest_of(str(root))[:32]
    return root / FOLDER


def read_replies(root: Path) -> Iterator[ModelReply]:
    """Yields the replies of a dataset, ordered by key; none where it never asked a model."""
    for text in _read(root, "select reply from replies order by key"):
        yield ModelReply.model_validate_json(text)


def read_attempts(root: Path) -> Iterator[ModelAttempt]:
    """Yields the attempts of a dataset in the order they were written."""
    for text in _read(root, "select attempt from attempts order by rowid"):
        yield ModelAttempt.model_validate_json(text)


def _read(root: Path, statement: str) -> Iterator[str]:
    path = reply_folder(root) / FILE
    if not path.is_file():
        return
    connection = _connect(path)
    try:
        for (text,) in connection.execute(statement):
            yield text
    finally:
        connection.close()


def _commit(connection: sqlite3.Connection, writes: list[_Write]) -> None:
    error: sqlite3.Error | None = None
    try:
        with connection:
            connection.execute("begin immediate")
            for write in writes:
                for statement, values in write.statements:
                    connection.execute(statement, values)
    except sqlite3.Error as raised:  # a full disk: whoever waits must hear of it
        error = raised
    for loop in {write.loop for write in writes}:
        if not loop.is_closed():
            done = [write.done for write in writes if write.loop is loop]
            loop.call_soon_threadsafe(_resolve, done, error)


def _resolve(futures: "list[asyncio.Future[None]]", error: sqlite3.Error | None) -> None:
    for done in futures:
        if done.done():
            continue
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
