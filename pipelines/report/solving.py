"""How hard the questions are: solve rates of every model that tried them."""

import duckdb

from pipelines.report.rows import rows_of
from pipelines.report.section import Chart, Grid, Point, Section

_TENTHS = 10


def solving(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns the solve rates; None where no model tried."""
    models = rows_of(
        connection,
        """
        SELECT model, count(*) AS questions, sum(attempts) AS attempts, sum(without_answer) AS without_answer,
            round(avg(solve_rate), 3) AS mean, count(*) FILTER (solve_rate = 0) AS never,
            count(*) FILTER (solve_rate = 1) AS always
        FROM solve_rates GROUP BY model ORDER BY model
        """,
    )
    if not models:
        return None
    headings = (
        "model",
        "questions",
        "attempts",
        "without a number",
        "mean solve rate",
        "never solved",
        "always solved",
    )
    lead = (
        "A solve rate is the share of a model's attempts that gave the answer. An attempt that gave no number is left "
        "out, not counted as wrong."
    )
    return Section("solving", "How hard they are", lead, (_histogram(connection), Grid("Models", headings, models)))


def _histogram(connection: duckdb.DuckDBPyConnection) -> Chart:
    found = rows_of(
        connection,
        f"""
        SELECT model, least(floor(solve_rate * {_TENTHS}), {_TENTHS - 1})::INT AS bin, count(*)
        FROM solve_rates WHERE attempts > 0 GROUP BY ALL ORDER BY model, bin
        """,
    )
    counts = {(model, bin_): count for model, bin_, count in found}
    models = sorted({model for model, _ in counts})
    points = [
        Point(f"{bin_ / _TENTHS:.1f}", float(counts.get((model, bin_), 0)), model)
        for model in models
        for bin_ in range(_TENTHS)
    ]
    return Chart("Solve rates", "solve rate, from", "questions", points)
