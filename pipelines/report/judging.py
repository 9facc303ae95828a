"""What the judges said, and how that stands to what people answered."""

import duckdb

from pipelines.report.rows import rows_of
from pipelines.report.section import Block, Grid, Section


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
    lead = "Silence is its own outcome: no verdict never ships and never counts as a fail."
    return Section("judging", "Judges", lead, tuple(blocks))
