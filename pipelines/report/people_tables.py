"""Tables about people: where questions stand and why, and how far people agree, by style, hops and annotator."""

from collections.abc import Iterator

import duckdb

from pipelines.people.agreement import alpha_of_labels, label_of
from pipelines.report.rows import rows_of
from pipelines.report.section import Grid

_STANDING = """
SELECT purpose, rule, count(*), count(*) FILTER (standing = 'confirmed'), count(*) FILTER (standing = 'rejected'),
    count(*) FILTER (standing = 'open'), sum(votes)::BIGINT
FROM people GROUP BY ALL ORDER BY ALL
"""
_CAUSES = """
SELECT CASE WHEN decided_by = 'adjudication' THEN 'a person ruled so'
    WHEN decided_by = 'reward model' THEN 'the reward model, unseen'
    WHEN reason LIKE 'skipped%' THEN 'skipped'
    WHEN reason LIKE 'answers differ%' THEN 'annotators differ'
    WHEN reason LIKE 'people answered%' THEN 'another number than its own'
    WHEN reason LIKE 'ambiguous%' OR reason LIKE 'wrong_image%' OR reason LIKE 'unanswerable%'
    THEN split_part(reason, ' ', 1) ELSE 'undecided' END AS cause, count(*) AS questions
FROM people WHERE standing = 'rejected' GROUP BY cause ORDER BY questions DESC, cause
"""
_LABELS = """
SELECT question_id, annotator, verdict, a.answer, purpose, style, hop_count
FROM annotations a JOIN questions USING (question_id) WHERE kind = 'answer'
"""


def people_grids(connection: duckdb.DuckDBPyConnection) -> Iterator[Grid]:
    """Yields what there is to tell; nothing where no question went to people."""
    standing = rows_of(connection, _STANDING)
    if not standing:
        return
    headings = ("sent as", "rule", "questions", "confirmed", "rejected", "open", "labels")
    yield Grid("Where questions stand", headings, standing)
    yield Grid("Why questions were rejected", ("cause", "questions"), rows_of(connection, _CAUSES))
    note = (
        "Krippendorff's alpha, and the interval of 95% of resamples. Labels stop when a question is decided, so "
        "audited questions, which everybody answers, are the ones to go by."
    )
    yield Grid("Agreement", ("of", "alpha", "interval", "questions"), list(_agreement(connection)), note)


def _agreement(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str | int | float, ...]]:
    groups: dict[str, list[tuple[str, str, str]]] = {"all questions": []}
    by_question: dict[str, set[str]] = {}
    for question, annotator, verdict, answer, purpose, style, hops in rows_of(connection, _LABELS):
        item = (str(question), str(annotator), label_of(str(verdict), answer))
        by_question.setdefault(item[0], set()).add(item[1])
        audited = ("audited questions",) if purpose == "audit" else ()
        for group in ("all questions", *audited, f"style {style}", f"{hops} hops"):
            groups.setdefault(group, []).append(item)
    everything = groups["all questions"]
    for name in sorted({annotator for _, annotator, _ in everything}):
        groups[f"questions of {name}"] = [item for item in everything if name in by_question[item[0]]]
    for group, items in sorted(groups.items()):
        alpha = alpha_of_labels(items)
        if alpha is not None:
            yield group, round(alpha.alpha, 3), f"{alpha.low:.3f} to {alpha.high:.3f}", alpha.units
