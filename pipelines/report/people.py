"""How people answered: votes per question, and how often they agree with the stored answer."""

import duckdb

from pipelines.report.rows import percent, rows_of
from pipelines.report.section import Chart, Figure, Figures, Point, Section


def people(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns how people answered; None where nobody has."""
    ((questions, answers, unanimous, agreeing),) = rows_of(
        connection,
        """
        SELECT count(*), coalesce(sum(votes), 0), count(*) FILTER (agreeing = votes), count(*) FILTER (agreeing > 0)
        FROM votes
        """,
    )
    if not questions:
        return None
    figures = Figures(
        (
            Figure("questions answered", f"{questions:,}"),
            Figure("answers", f"{answers:,}", f"{answers / questions:.1f} per question"),
            Figure("everybody gave the stored answer", f"{unanimous:,}", percent(unanimous, questions)),
            Figure("nobody did", f"{questions - agreeing:,}", percent(questions - agreeing, questions)),
        )
    )
    spread = rows_of(
        connection,
        "SELECT agreeing || ' of ' || votes, count(*) FROM votes GROUP BY votes, agreeing ORDER BY votes, agreeing",
    )
    chart = Chart(
        "Agreement with the stored answer", "people who gave it", "questions", [Point(x, y) for x, y in spread]
    )
    lead = "Everybody answers blind: nothing on the screen tells the stored answer, and nobody sees another's."
    return Section("people", "People", lead, (figures, chart))
