"""What people said: every version of every answer, and what was decided from them."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 2


class Purpose(StrEnum):
    """Why a question went to people."""

    PEOPLE = "people"
    """Routing sent it: people decide."""
    AUDIT = "audit"
    """A random share of what would be accepted without them: measures what slips through."""
    GOLD = "gold"
    """A rendered scene whose answer is proved: measures the annotator, not the question."""


class Kind(StrEnum):
    """What a version of an answer is."""

    ANSWER = "answer"
    SKIP = "skip"
    PROBLEM = "problem"
    """Not readable as an answer, so never one."""
    DELETED = "deleted"


class HumanVerdict(StrEnum):
    """What an annotator says of a question."""

    VALID = "valid"
    AMBIGUOUS = "ambiguous"
    WRONG_IMAGE = "wrong_image"
    UNANSWERABLE = "unanswerable"


class Standing(StrEnum):
    """Whether people have decided."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class Annotation(Record):
    """One version of one answer by one annotator. Later versions do not replace earlier ones, they follow them."""

    annotation_id: str
    version: int = Field(ge=0)
    counts: bool
    """This is the annotator's vote on the question: their last valid answer in its present round."""
    question_id: str
    image_id: str
    annotator: str
    round: int = Field(ge=0)
    """0, and one more each time the question was opened again."""
    purpose: Purpose
    kind: Kind
    verdict: HumanVerdict | None
    answer: int | None
    """The number; None unless the verdict is valid."""
    agrees: bool | None
    """Whether the number is the question's own; None where there is no number."""
    seconds: float | None
    """Time spent, as the browser says."""
    note: str
    reported: bool
    """The annotator reported a problem."""
    problem: str
    """Why it is no answer."""
    created_at: str
    updated_at: str
    """ISO 8601 in UTC, by the server's clock."""


class PeopleDecision(Record):
    """Where one question stands with people."""

    question_id: str
    image_id: str
    purpose: Purpose
    round: int = Field(ge=0)
    rule: str
    standing: Standing
    answer: int | None
    """The number people agree on."""
    own: int | None
    """The question's own number, which they did not see."""
    votes: int = Field(ge=0)
    """Annotators whose answers count."""
    agreeing: int = Field(ge=0)
    """Of these, how many gave the question's own number."""
    posterior: float | None
    """Probability that the question's own number is right; None where the rule does not compute it."""
    reason: str
    decided_by: str
    """rule, adjudication, or nothing while open."""


ANNOTATION_SCHEMA = pa.schema(
    [
        ("annotation_id", pa.string()),
        ("version", pa.int32()),
        ("counts", pa.bool_()),
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("annotator", pa.string()),
        ("round", pa.int32()),
        ("purpose", pa.string()),
        ("kind", pa.string()),
        ("verdict", pa.string()),
        ("answer", pa.int64()),
        ("agrees", pa.bool_()),
        ("seconds", pa.float64()),
        ("note", pa.string()),
        ("reported", pa.bool_()),
        ("problem", pa.string()),
        ("created_at", pa.string()),
        ("updated_at", pa.string()),
    ]
)
PEOPLE_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("purpose", pa.string()),
        ("round", pa.int32()),
        ("rule", pa.string()),
        ("standing", pa.string()),
        ("answer", pa.int64()),
        ("own", pa.int64()),
        ("votes", pa.int32()),
        ("agreeing", pa.int32()),
        ("posterior", pa.float64()),
        ("reason", pa.string()),
        ("decided_by", pa.string()),
    ]
)
