"""How much of a group of questions is answered without their pictures."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record
from schemas.rollout import View
from schemas.verdict import Outcome

SCHEMA_VERSION = 1


class Audit(Record):
    """One group in one view."""

    style: str
    hop_count: int = Field(ge=0)
    """0: all hop counts together."""
    view: View
    questions: int = Field(ge=0)
    attempts: int = Field(ge=0)
    unscored: int = Field(ge=0)
    """Attempts without a readable answer; they count for nothing."""
    accuracy: float = Field(ge=0, le=1)
    """Of the scored attempts."""
    low: float
    """Of its 95% interval."""
    high: float
    chance: float = Field(ge=0, le=1)
    """What always giving the group's most frequent answer earns."""
    outcome: Outcome


AUDIT_SCHEMA = pa.schema(
    [
        ("style", pa.string()),
        ("hop_count", pa.int32()),
        ("view", pa.string()),
        ("questions", pa.int64()),
        ("attempts", pa.int64()),
        ("unscored", pa.int64()),
        ("accuracy", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("chance", pa.float64()),
        ("outcome", pa.string()),
    ]
)
