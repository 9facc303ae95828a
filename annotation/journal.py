"""The journal: what was asked of whom and everything that came back, in one SQLite file below the dataset.

It is the only thing about people that changes in place. A step is written here before it is taken on the server and
again once it is seen there, so that a process killed at any moment leaves nothing asked twice and nothing unread.
"""

import fcntl
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from annotation.errors import LabelStudioError
from annotation.from_label_studio import clean

FORMAT = "1"
SCHEMA = (Path(__file__).parent / "journal.sql").read_text(encoding="utf-8")


class Candidate(NamedTuple):
    """A question in front of people."""

    question_id: str
    image_id: str
    question: str
    picture: str
    """Name of its picture file."""
    own: int | None
    """Its own answer."""
    purpose: str
    priority: float
    round: int = 0


class Assignment(NamedTuple):
    """A question asked of one annotator."""

    key: str
    question_id: str
    annotator: str
    round: int
    state: str
    task_id: int | None = None


class Project(NamedTuple):
    """An annotator's project on the server."""

    annotator: str
    project_id: int
    user_id: int
    cursor: str
    """Largest time of change that was read; the server's clock."""
    counts: str
    """What the server counted when all of it was last read."""
    importing: bool
    """An import was begun and not seen to end."""


class Version(NamedTuple):
    """One version of one answer."""

    annotation_id: str
    version: int
    key: str
    kind: str
    verdict: str | None
    answer: int | None
    seconds: float | None
    note: str
    reported: bool
    problem: str
    created_at: str
    updated_at: str
    digest: str
    raw: str


class Ruling(NamedTuple):
    """What a person decided over the rule."""

    question_id: str
    round: int
    act: str
    answer: int | None
    reason: str


class Triage(NamedTuple):
    """What the reward model says of a question."""

    question_id: str
    model: int
    probability: float
    route: str


class Problem(NamedTuple):
    """Something that is no answer and that a person should know of."""

    kind: str
    annotator: str
    key: str
    detail: str


class Journal:
    """Reads and writes the file. Every method is one transaction unless it runs inside `together`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @property
    def identity(self) -> str:
        """Tells this dataset's projects from those of any other, also of a copy."""
        return self.meta("identity")

    def meta(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Makes everything inside one transaction: all of it or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def add_candidates(self, candidates: Iterable[Candidate]) -> int:
        """Adds those that are new and returns how many."""
        before = self._db.total_changes
        self._db.executemany("INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?)", candidates)
        return self._db.total_changes - before

    def candidates(self) -> dict[str, Candidate]:
        rows = self._db.execute("SELECT * FROM candidates ORDER BY question_id")
        return {row[0]: Candidate(*row) for row in rows}

    def set_priorities(self, priorities: Iterable[tuple[float, str]]) -> None:
        """Takes pairs of priority and question id."""
        self._db.executemany("UPDATE candidates SET priority = ? WHERE question_id = ?", priorities)

    def add_assignments(self, assignments: Iterable[Assignment]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO assignments VALUES (?, ?, ?, ?, ?, ?)", assignments)

    def assignments(self, annotator: str | None = None, state: str | None = None) -> tuple[Assignment, ...]:
        rows = self._db.execute(
            "SELECT * FROM assignments WHERE (?1 IS NULL OR annotator = ?1) AND (?2 IS NULL OR state = ?2) "
            "ORDER BY rowid",
            (annotator, state),
        )
        return tuple(Assignment(*row) for row in rows)

    def mark(self, state: str, seen: Iterable[tuple[str, int | None]]) -> None:
        """Sets the state of assignments, given as key and task id."""
        self._db.executemany(
            "UPDATE assignments SET state = ?, task_id = ? WHERE key = ?", [(state, task, key) for key, task in seen]
        )

    def projects(self) -> dict[str, Project]:
        rows = self._db.execute("SELECT * FROM projects ORDER BY annotator")
        return {row[0]: Project._make((*row[:5], bool(row[5]))) for row in rows}

    def set_project(self, project: Project) -> None:
        self._db.execute("INSERT OR REPLACE INTO projects VALUES (?, ?, ?, ?, ?, ?)", project)

    def drop_project(self, annotator: str) -> None:
        self._db.execute("DELETE FROM projects WHERE annotator = ?", (annotator,))

    def versions(self) -> tuple[Version, ...]:
        """Returns all versions without their raw text, annotation by annotation in order."""
        columns = ", ".join(Version._fields[:-1])
        rows = self._db.execute(f"SELECT {columns}, '' FROM versions ORDER BY annotation_id, version")
        return tuple(Version._make(row)._replace(reported=bool(row[8])) for row in rows)

    def last_versions(self, key: str) -> dict[str, Version]:
        """Returns the last version of each annotation of a task, by annotation id."""
        rows = self._db.execute("SELECT * FROM versions WHERE key = ? ORDER BY version", (key,))
        return {row[0]: Version._make(row) for row in rows}

    def add_version(self, version: Version) -> None:
        self._db.execute(f"INSERT INTO versions VALUES ({', '.join('?' * len(version))})", version)

    def add_problem(self, problem: Problem) -> bool:
        """Records a problem once; returns whether it is new."""
        safe = Problem(*(clean(field, 2_000) for field in problem))
        name = hashlib.sha256(repr(safe).encode()).hexdigest()[:32]
        before = self._db.total_changes
        self._db.execute("INSERT OR IGNORE INTO problems VALUES (?, ?, ?, ?, ?)", (name, *safe))
        return self._db.total_changes > before

    def problems(self) -> tuple[Problem, ...]:
        rows = self._db.execute("SELECT kind, annotator, key, detail FROM problems ORDER BY rowid")
        return tuple(Problem(*row) for row in rows)

    def add_ruling(self, ruling: Ruling) -> None:
        self._db.execute("INSERT INTO rulings VALUES (NULL, ?, ?, ?, ?, ?)", ruling)

    def rulings(self) -> tuple[Ruling, ...]:
        rows = self._db.execute("SELECT question_id, round, act, answer, reason FROM rulings ORDER BY number")
        return tuple(Ruling(*row) for row in rows)

    def set_triage(self, verdicts: Iterable[Triage]) -> None:
        """Replaces what an earlier model said."""
        with self.together():
            self._db.execute("DELETE FROM triage")
            self._db.executemany("INSERT INTO triage VALUES (?, ?, ?, ?)", verdicts)

    def triage(self) -> dict[str, Triage]:
        return {row[0]: Triage(*row) for row in self._db.execute("SELECT * FROM triage ORDER BY question_id")}

    def set_purposes(self, purposes: Iterable[tuple[str, str]]) -> None:
        """Takes pairs of purpose and question id."""
        self._db.executemany("UPDATE candidates SET purpose = ? WHERE question_id = ?", purposes)

    def reopen(self, question_id: str, reason: str) -> int:
        """Begins another round of a question and returns its number."""
        with self.together():
            self._db.execute("UPDATE candidates SET round = round + 1 WHERE question_id = ?", (question_id,))
            row = self._db.execute("SELECT round FROM candidates WHERE question_id = ?", (question_id,)).fetchone()
            self.add_ruling(Ruling(question_id, int(row[0]), "reopen", None, reason))
        return int(row[0])


@contextmanager
def open_journal(folder: Path, write: bool = True) -> Iterator[Journal]:
    """Gives the journal of a folder, for this process alone where it writes.

    Raises:
        LabelStudioError: another process works with it, or it is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / ".working", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if write:
            _take(lock, folder)
        connection = sqlite3.connect(folder / "journal.sqlite3", isolation_level=None, timeout=30.0)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(SCHEMA)
            yield _identified(Journal(connection))
        except sqlite3.DatabaseError as error:
            raise LabelStudioError(f"{folder / 'journal.sqlite3'} cannot be used: {error}") from error
        finally:
            connection.close()
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LabelStudioError(f"another process works with {folder}; try again when it is done") from None


def _identified(journal: Journal) -> Journal:
    if not journal.identity:
        journal._db.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (secrets.token_hex(4),))  # noqa: SLF001
        journal.set_meta("format", FORMAT)
    if journal.meta("format") != FORMAT:
        raise LabelStudioError(f"the journal has format {journal.meta('format')}, this version reads {FORMAT}")
    return journal


def keys_of(assignments: Sequence[Assignment]) -> tuple[str, ...]:
    """Returns their keys."""
    return tuple(assignment.key for assignment in assignments)
