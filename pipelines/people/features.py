"""What is known about a question before anybody is asked, as numbers: certificates, margins, solvers, judges."""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from pipelines.catalog import connect
from pipelines.store import Dataset
from stages.reward_model import FEATURES

_SQL = """
SELECT question_id, image_id, hop_count, margin, luck, strict::INT AS strict, len(categories) AS categories,
    coalesce(seen.number, 0) AS instances, answer, len(string_split(question, ' ')) AS words,
    list_max(list_transform(hops, lambda hop: hop.candidates)) AS widest,
    solved.solve_rate AS solve_rate, judged.judge_score AS judge_score
FROM questions
LEFT JOIN (SELECT image_id, count(*) AS number FROM instances GROUP BY ALL) seen USING (image_id)
LEFT JOIN (
    SELECT r.question_id, avg((r.answer = q.answer)::INT) AS solve_rate
    FROM rollouts r JOIN questions q USING (question_id)
    WHERE r.answer IS NOT NULL AND coalesce(r.view, 'full') = 'full' GROUP BY ALL
) solved USING (question_id)
LEFT JOIN ({scores}) judged USING (question_id)
ORDER BY question_id
"""
_NO_SCORES = "SELECT NULL::VARCHAR AS question_id, NULL::DOUBLE AS judge_score WHERE false"
_SCORES = """
    SELECT question_id, avg(score) AS judge_score FROM verdicts
    WHERE score IS NOT NULL AND starts_with(judge, 'rubric:') GROUP BY ALL
"""
"""Of 1 to 100. The solvers' verdicts have a score too: a share, of another thing."""


def read_features(dataset: Dataset) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float64]]:
    """Returns question ids, their image ids, and ``(N, F)`` features in the order of `FEATURES`, NaN where unknown."""
    with connect(dataset) as connection:
        has_scores = "score" in _columns(connection, "verdicts")
        found = connection.execute(_SQL.format(scores=_SCORES if has_scores else _NO_SCORES)).fetchnumpy()
    rows = np.column_stack([_numbers(found[name]) for name in FEATURES])
    return (
        _texts(found["question_id"]),
        _texts(found["image_id"]),
        rows.reshape(len(found["question_id"]), len(FEATURES)),
    )


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> Sequence[str]:
    cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
    return [column[0] for column in cursor.description or ()]


def _numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """Returns a column as numbers; DuckDB masks what is missing."""
    masked: Any = np.ma.masked_array  # numpy's stubs say nothing of it
    numbers = masked(column).astype(np.float64)
    return np.asarray(numbers.filled(np.nan), dtype=np.float64)


def _texts(column: NDArray[np.object_]) -> tuple[str, ...]:
    return tuple(str(value) for value in column)
