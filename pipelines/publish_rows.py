"""What there is to publish: accepted questions with their images, in the order of the release, one batch in memory."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from pipelines.store import Dataset
from schemas.decision import Decision
from schemas.image import Image
from schemas.question import Question
from stages.publish import Accepted

STAGE = "publish"
BATCH_ROWS = 100
MEMORY = "128MB"
"""Of the query engine; rows and pictures come on top."""

_TABLES = ("images", "instances", "questions", "decisions", "drops")
_ACCEPTED = """
    FROM decisions d
    LEFT JOIN questions q ON q.question_id = d.question_id
    LEFT JOIN images i ON i.image_id = d.image_id
    WHERE d.route = 'accept'
"""


class Funnel(NamedTuple):
    """How many were left at each station, and why the others went."""

    images: int
    questions: int
    accepted: int
    drops: tuple[tuple[str, str, int], ...]
    """Stage, reason, count; without this stage's own."""


def open_tables(dataset: Dataset, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Returns a connection with one view per table that publishing and showing read.

    Sorting more than `MEMORY` writes to the folder ``spill``, which DuckDB makes when needed and removes.
    """
    connection = duckdb.connect(
        config={
            "preserve_insertion_order": False,
            "threads": 2,
            "memory_limit": MEMORY,
            "temp_directory": "" if spill is None else str(spill),
        }
    )
    for table in _TABLES:
        paths = [str(dataset.root / part.path) for part in dataset.parts(table)]
        if paths:
            listed = ", ".join(f"'{path.replace(chr(39), chr(39) * 2)}'" for path in paths)
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet([{listed}])")
        else:
            connection.register(f"{table}_empty", dataset.read(table, []))
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM {table}_empty")
    return connection


def read_funnel(connection: duckdb.DuckDBPyConnection) -> Funnel:
    """Returns the counts that the dataset card tells."""
    images, questions, accepted = (
        int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
        for rows in ("images", "questions", "decisions WHERE route = 'accept'")
    )
    drops = connection.execute(
        f"SELECT stage, reason, count(*) FROM drops WHERE stage <> '{STAGE}' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return Funnel(images, questions, accepted, tuple((str(a), str(b), int(c)) for a, b, c in drops))


def content_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Returns a digest of everything a release is made from, whatever parts it lies in."""
    row = connection.execute(
        f"SELECT count(*), sum(hash(d)::HUGEINT), sum(hash(q)::HUGEINT), sum(hash(i)::HUGEINT) {_ACCEPTED}"
    ).fetchone()
    text = json.dumps([duckdb.__version__, [str(value) for value in row or ()], read_funnel(connection)])
    return hashlib.sha256(text.encode()).hexdigest()


def accepted_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Accepted]:
    """Yields the accepted questions by split, image and question id.

    Raises:
        ValueError: a decision names a question or an image that is not there, or a question is accepted twice.
    """
    ordered = connection.query(f"SELECT d, q, i {_ACCEPTED} ORDER BY i.split, d.image_id, d.question_id")
    last = ""
    for batch in ordered.to_arrow_reader(BATCH_ROWS):
        for row in batch.to_pylist():
            decision = Decision.model_validate(row["d"])
            _check_found(decision, row, last)
            last = decision.question_id
            yield Accepted(Question.model_validate(row["q"]), Image.model_validate(row["i"]), decision)


def _check_found(decision: Decision, row: dict[str, Any], last: str) -> None:
    for key, what in (("q", f"question {decision.question_id}"), ("i", f"image {decision.image_id}")):
        if row[key] is None or row[key]["image_id"] is None:
            raise ValueError(f"question {decision.question_id} is accepted, but {what} is not in the dataset")
    if decision.question_id == last:
        raise ValueError(f"question {decision.question_id} is accepted twice")
