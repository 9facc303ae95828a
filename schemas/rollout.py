"""One attempt by one model at one question."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 2


class View(StrEnum):
    """What the solver is shown beside the question."""

    BLIND = "blind"
    """Nothing."""
    CAPTION = "caption"
    """A description by the generator."""
    CATEGORIES = "categories"
    """The kinds of things in the picture, with their numbers."""
    CROP = "crop"
    """The one thing that the last hop lands on, cut out."""
    FULL = "full"
    """The picture."""


class Scored(StrEnum):
    """What an attempt is worth. One without a readable answer says nothing of the question."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNSCORED = "unscored"


class Rollout(Record):
    """One attempt."""

    question_id: str
    image_id: str
    view: View
    model: str
    attempt: int = Field(ge=0)
    """Counts the attempts of one view, from 0."""
    temperature: float
    response: str
    """As the model wrote it."""
    answer: int | None
    """The number it commits to; None where there is none."""
    outcome: Scored
    reason: str = ""
    """Why it is unscored."""
    request_key: str = ""
    """The reply it came with."""
    prompt_hash: str = ""


ROLLOUT_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("view", pa.string()),
        ("model", pa.string()),
        ("attempt", pa.int32()),
        ("temperature", pa.float64()),
        ("response", pa.string()),
        ("answer", pa.int64()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("request_key", pa.string()),
        ("prompt_hash", pa.string()),
    ]
)
