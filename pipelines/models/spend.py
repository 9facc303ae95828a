"""What a dataset's model calls took: per job and model, in all, and per accepted question. Read from the attempts."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from pipelines.models.reply_store import FILE, reply_folder

_SELECT = """
select json_extract(attempt, '$.job') as job,
       json_extract(attempt, '$.model') as model,
       sum(json_extract(attempt, '$.error') is null),
       count(*),
       sum(json_extract(attempt, '$.input_tokens')),
       sum(json_extract(attempt, '$.output_tokens')),
       sum(not json_extract(attempt, '$.usage_known')),
       sum(json_extract(attempt, '$.money')),
       sum(json_extract(attempt, '$.seconds'))
from attempts group by job, model order by job, model
"""
_TIMES = """
select json_extract(attempt, '$.endpoint') as endpoint,
       json_extract(attempt, '$.started') as started,
       json_extract(attempt, '$.started') + json_extract(attempt, '$.seconds')
from attempts order by endpoint, started
"""
_PER_SUBJECT = """
select json_extract(attempt, '$.job') as job,
       json_extract(attempt, '$.subject_id') as subject,
       sum(json_extract(attempt, '$.error') is null),
       sum(json_extract(attempt, '$.input_tokens') + json_extract(attempt, '$.output_tokens')),
       sum(json_extract(attempt, '$.money'))
from attempts group by job, subject
"""


class Spend(NamedTuple):
    """What one job took of one model."""

    job: str
    model: str
    answers: int
    """Attempts that gave an answer."""
    attempts: int
    input_tokens: int
    output_tokens: int
    unknown: int
    """Attempts that may have been billed without the server saying how much."""
    money: float
    seconds: float
    """Of all attempts, one after the other; they overlap."""


class SubjectSpend(NamedTuple):
    """What one job took for one image, question or candidate."""

    job: str
    subject_id: str
    answers: int
    tokens: int
    money: float


def spend_of(root: Path) -> tuple[Spend, ...]:
    """Returns what each job took of each model, ordered by both; nothing where no model was asked."""
    return tuple(Spend(*row) for row in _rows(root, _SELECT))


def spend_by_subject(root: Path) -> tuple[SubjectSpend, ...]:
    """Returns what each job took for each subject that was the first to ask."""
    return tuple(SubjectSpend(*row) for row in _rows(root, _PER_SUBJECT))


def busy_seconds(root: Path) -> float:
    """Returns for how long servers were at work: per server the time with anything under way, added up.

    For servers of one's own this is the time that their GPUs were taken.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for endpoint, started, ended in _rows(root, _TIMES):
        spans.setdefault(endpoint, []).append((started, ended))
    return sum(_covered(each) for each in spans.values())


def total(spends: Iterable[Spend]) -> Spend:
    """Returns the sums over jobs and models."""
    columns = list(zip(*(row[2:] for row in spends), strict=True)) or [(0,)] * (len(Spend._fields) - 2)
    return Spend("all", "", *map(sum, columns))


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Returns the length of the union of spans that are sorted by their start."""
    covered, reached = 0.0, float("-inf")
    for start, end in spans:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _rows(root: Path, statement: str) -> list[tuple]:  # type: ignore[type-arg]
    path = reply_folder(root) / FILE
    if not path.is_file():
        return []
    with closing(sqlite3.connect(path, timeout=60)) as database:
        return database.execute(statement).fetchall()
