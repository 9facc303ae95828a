"""What a judge said of one question. Silence is its own outcome."""

from enum import StrEnum

import pyarrow as pa

from schemas.record import Record

SCHEMA_VERSION = 1


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
    """second_executor, certificates or text_rules; later the name of a model judge."""
    outcome: Outcome
    reason: str


VERDICT_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("judge", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
    ]
)
