"""How people answered: agreement beyond chance, votes for the stored answer, and how every annotator does."""

import duckdb

from pipelines.people.agreement import Alpha, alpha_of_rows
from pipelines.report.people_tables import people_grids
from pipelines.report.rows import duration, percent, rows_of
from pipelines.report.section import Block, Chart, Figure, Figures, Grid, Point, Section
from schemas.annotation import Annotation, Purpose

_COUNTED = "annotations WHERE counts AND purpose <> 'gold'"


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
    ((seconds,),) = rows_of(connection, f"SELECT median(seconds) FROM {_COUNTED}")
    figures = [
        Figure("questions answered", f"{questions:,}"),
        Figure("answers", f"{answers:,}", f"{answers / questions:.1f} per question"),
        Figure("everybody gave the stored answer", f"{unanimous:,}", percent(unanimous, questions)),
        Figure("nobody did", f"{questions - agreeing:,}", percent(questions - agreeing, questions)),
        *_alphas(connection),
    ]
    if seconds is not None:
        figures.append(Figure("time per answer", duration(seconds), "median"))
    blocks: tuple[Block, ...] = (
        Figures(tuple(figures)),
        _spread(connection),
        _annotators(connection),
        *people_grids(connection),
    )
    lead = (
        "Everybody answers blind: nothing on the screen tells the stored answer, and nobody sees another's. Alpha is "
        "Krippendorff's, 1 for full agreement and 0 for chance; audited questions are answered by everybody."
    )
    return Section("people", "People", lead, blocks)


def _alphas(connection: duckdb.DuckDBPyConnection) -> list[Figure]:
    """Returns the agreement on audited questions, and on all; either only where it is defined."""
    found = connection.execute(
        f"SELECT a FROM annotations a WHERE annotation_id IN (SELECT annotation_id FROM {_COUNTED})"
    )
    rows = [row for (one,) in found.fetchall() if (row := Annotation.model_validate(one)).counts]
    audited = alpha_of_rows([row for row in rows if row.purpose is Purpose.AUDIT])
    figures = [_alpha("alpha, audited", audited)] if audited else []
    every = alpha_of_rows(rows)
    return [*figures, _alpha("alpha, all", every)] if every else figures


def _alpha(label: str, alpha: Alpha) -> Figure:
    return Figure(label, f"{alpha.alpha:.2f}", f"{alpha.low:.2f} to {alpha.high:.2f}, {alpha.units:,} questions")


def _spread(connection: duckdb.DuckDBPyConnection) -> Chart:
    spread = rows_of(
        connection,
        "SELECT agreeing || ' of ' || votes, count(*) FROM votes GROUP BY votes, agreeing ORDER BY votes, agreeing",
    )
    points = [Point(x, float(y)) for x, y in spread]
    return Chart("Agreement with the stored answer", "people who gave it", "questions", points)


def _annotators(connection: duckdb.DuckDBPyConnection) -> Grid:
    rows = rows_of(
        connection,
        f"""
        SELECT annotator, count(*), count(answer), round(100 * count(*) FILTER (agrees) / nullif(count(answer), 0), 1),
            round(median(seconds), 1), count(*) FILTER (reported)
        FROM {_COUNTED} GROUP BY annotator ORDER BY annotator
        """,
    )
    headings = ("annotator", "votes", "with a number", "% the stored one", "median seconds", "problems reported")
    return Grid("Annotators", headings, rows)
