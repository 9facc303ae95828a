"""What is known of the models themselves: judges before planted defects, what leaks, what the cheap screen loses."""

import duckdb

from pipelines.report.rows import count_of, rows_of
from pipelines.report.section import Block, Cell, Grid, Section
from schemas.screening import Screening
from schemas.verdict import Outcome
from stages.intervals import wilson
from stages.screen import screen_recall


def models(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns what the planted defects, the audit and the screen say; None where no model was asked."""
    found = (_judges(connection), _audits(connection), _screen(connection), _traces(connection))
    blocks: list[Block] = [block for block in found if block is not None]
    if not blocks:
        return None
    lead = (
        "Every batch that a judge sees holds defects planted by code; a judge that misses too many has no verdicts. "
        "Intervals are Wilson's at 95%."
    )
    return Section("models", "What the models are worth", lead, tuple(blocks))


def _judges(connection: duckdb.DuckDBPyConnection) -> Grid | None:
    rows = rows_of(
        connection,
        """
        SELECT model, kind, count(*), count(*) FILTER (caught), mode(named)
        FROM calibration GROUP BY model, kind ORDER BY model, kind = 'clean', kind
        """,
    )
    told: list[tuple[Cell, ...]] = []
    for model, kind, cases, caught, named in rows:
        right = wilson(caught, cases)
        what = "left alone" if kind == "clean" else "caught"
        told.append((model, kind, cases, f"{right.share:.0%} {what}", f"{right.low:.0%} to {right.high:.0%}", named))
    headings = ("judge", "planted", "cases", "right", "interval", "usually called")
    note = "clean: questions that code has proved; what is not left alone there is a false alarm."
    return Grid("Judges against planted defects", headings, told, note) if told else None


def _audits(connection: duckdb.DuckDBPyConnection) -> Grid | None:
    rows = rows_of(
        connection,
        """
        SELECT style, CASE hop_count WHEN 0 THEN 'all' ELSE hop_count::VARCHAR END, view, questions, attempts,
            round(accuracy, 3), round(low, 3), round(high, 3), round(chance, 3), outcome
        FROM audits ORDER BY style, hop_count, view
        """,
    )
    headings = ("style", "hops", "shown", "questions", "attempts", "right", "from", "to", "chance", "gate")
    return Grid("Answered without the picture", headings, rows) if rows else None


def _screen(connection: duckdb.DuckDBPyConnection) -> Grid | None:
    if not count_of(connection, "screenings"):
        return None
    rows = [
        Screening(
            image_id=image_id,
            coarse=None if coarse is None else Outcome(coarse),
            fine=None if fine is None else Outcome(fine),
            audited=audited,
            traits=(),
            reason="",
        )
        for image_id, coarse, fine, audited in rows_of(
            connection, "SELECT image_id, coarse, fine, audited FROM screenings ORDER BY image_id"
        )
    ]
    found = screen_recall(rows)
    told: list[tuple[Cell, ...]] = [
        ("let through by the cheap model", found.passed.text),
        ("its recall against the strong one", f"{found.recall:.3f}, by {found.audited} refusals that were audited"),
        ("rich among the audited refusals", found.missed.text),
    ]
    return Grid("Screen of the pictures", ("what", "share"), told)


def _traces(connection: duckdb.DuckDBPyConnection) -> Grid | None:
    rows = rows_of(
        connection,
        """
        SELECT kind, count(*), round(avg(score), 1), round(avg(len(steps)), 1),
            sum(list_sum(list_transform(steps, lambda step: step.retries)))::BIGINT
        FROM traces GROUP BY kind ORDER BY kind
        """,
    )
    return Grid("Ways to the answer", ("kind", "paths", "mean score", "mean steps", "retries"), rows) if rows else None
