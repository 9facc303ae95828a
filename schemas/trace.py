"""One written way to an answer, step by step, as a model went it."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field

from schemas.record import Record
from schemas.rollout import Scored

SCHEMA_VERSION = 1


class TraceKind(StrEnum):
    """What a path is good for."""

    BEST = "best"
    """The best of a question's right paths: what a reasoning model is trained on."""
    GOOD = "good"
    """Right, well scored, and not the best."""
    FLAWED = "flawed"
    """Wrong at the end or on the way, with the cause: what a summary model learns to doubt."""
    UNSCORED = "unscored"
    """Nobody could score it: no use is made of it."""


class WrittenStep(Record):
    """One step."""

    title: str
    content: str
    next_action: str
    """continue or summary."""
    instance_ids: tuple[str, ...]
    """The instances it rests on, as the model says."""
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]
    """Their boxes, pixels, half-open, same order."""
    retries: int = Field(ge=0)
    """Answers that could not be used before this one."""


class Trace(Record):
    """One path."""

    trace_id: str
    """Hash of the question and the number of the path."""
    question_id: str
    image_id: str
    path: int = Field(ge=0)
    steps: tuple[WrittenStep, ...]
    answer: int | None
    """The number that the steps lead to, as a model that sees only them says."""
    outcome: Scored
    score: int | None
    """1 to 100, by the judge; None where it said nothing usable."""
    first_bad_step: int | None
    """Counting from 1; None where the judge found none."""
    kind: TraceKind
    cause: str
    """What is wrong with it; empty for a good one."""
    model: str
    judge_model: str
    prompt_hash: str
    config_hash: str
    seed: int


_STEP = pa.struct(
    [
        ("title", pa.string()),
        ("content", pa.string()),
        ("next_action", pa.string()),
        ("instance_ids", pa.list_(pa.string())),
        ("boxes_xyxy", pa.list_(pa.list_(pa.float64(), 4))),
        ("retries", pa.int32()),
    ]
)
TRACE_SCHEMA = pa.schema(
    [
        ("trace_id", pa.string()),
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("path", pa.int32()),
        ("steps", pa.list_(_STEP)),
        ("answer", pa.int64()),
        ("outcome", pa.string()),
        ("score", pa.int32()),
        ("first_bad_step", pa.int32()),
        ("kind", pa.string()),
        ("cause", pa.string()),
        ("model", pa.string()),
        ("judge_model", pa.string()),
        ("prompt_hash", pa.string()),
        ("config_hash", pa.string()),
        ("seed", pa.int64()),
    ]
)
