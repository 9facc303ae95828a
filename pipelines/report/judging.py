"""What the judges said, and how that stands to what people answered."""

import duckdb

from pipelines.report.rows import rows_of
from pipelines.report.section import Block, Chart, ChartKind, Grid, Point, Section

_CURVE = "Judges against people, by score"
_BINS = 5
_LEAST = 5
"""Questions that a point of the curve must stand for."""


def judging(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns the outcomes by judge; None where no judge has spoken."""
    found = rows_of(
        connection,
        """
        SELECT judge, count(*), count(*) FILTER (outcome = 'pass'), count(*) FILTER (outcome = 'fail'),
            count(*) FILTER (outcome NOT IN ('pass', 'fail'))
        FROM verdicts GROUP BY judge ORDER BY judge
        """,
    )
    if not found:
        return None
    blocks: list[Block] = [Grid("Verdicts by judge", ("judge", "verdicts", "pass", "fail", "no verdict"), found)]
    people = rows_of(connection, "FROM judge_vs_people()")
    if people:
        headings = ("judge", "outcome", "questions", "people agree with the answer", "people disagree")
        blocks.append(Grid("Judges against people", headings, people))
    curve = _calibration(connection)
    if curve:
        blocks.insert(0, Chart(_CURVE, "score of the judge, scaled to 0..1", "people agree", curve, ChartKind.LINE))
    lead = "Silence is its own outcome: no verdict never ships and never counts as a fail."
    return Section("judging", "Judges", lead, tuple(blocks))


def _calibration(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    """Returns, by judge and fifth of its scores, how often most people gave the stored answer.

    Rubrics score 1 to 100, solve rates are shares: scores above 1 are taken as hundredths.
    """
    found = rows_of(
        connection,
        f"""
        WITH scored AS (
            SELECT judge, CASE WHEN max(score) OVER (PARTITION BY judge) > 1 THEN score / 100 ELSE score END AS share,
                (v.most_given IS NOT DISTINCT FROM q.answer)::INT AS agree
            FROM verdicts JOIN votes v USING (question_id)
            JOIN (SELECT question_id, answer FROM questions) q USING (question_id) WHERE score IS NOT NULL
        )
        SELECT avg(share), avg(agree), judge FROM scored
        GROUP BY judge, least(floor(share * {_BINS}), {_BINS - 1}) HAVING count(*) >= {_LEAST} ORDER BY judge, 1
        """,
    )
    return [Point(float(share), float(agree), judge) for share, agree, judge in found]
