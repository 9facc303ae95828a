"""What a judge said of one question. Silence is its own outcome."""

from enum import StrEnum

import pyarrow as pa

from schemas.record import Record

SCHEMA_VERSION = 2


class Outcome(StrEnum):
    """Tri-state: no verdict never ships and never counts as a fail."""

    PASS = "pass"
    FAIL = "fail"
    NO_VERDICT = "no_verdict"


class Verdict(Record):
    """One judge's outcome for one question."""

    question_id: str
    image_id: str
    judge: str
    """second_executor, certificates or text_rules; blind, solve, or rubric: with the axis, where a model says it."""
    outcome: Outcome
    reason: str
    model: str = ""
    """The model behind it; empty where code judged."""
    score: float | None = None
    """Solve rate in [0, 1], or the rubric's 1 to 100; None where nothing is measured."""
    text_sha256: str = ""
    """Of the text that a model judged: only that text may ship."""


VERDICT_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("judge", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("model", pa.string()),
        ("score", pa.float64()),
        ("text_sha256", pa.string()),
    ]
)
