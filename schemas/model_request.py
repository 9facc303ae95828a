"""What a model is asked: content only. Where it goes, which model answers and what it may cost is the pipeline's."""

from enum import StrEnum
from typing import Literal

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.record import Record

SCHEMA_VERSION = 1


class ModelRole(StrEnum):
    """For what a model is trusted. A configuration names one model per role."""

    GENERATOR = "generator"
    JUDGE = "judge"
    SOLVER = "solver"
    PARSER = "parser"


class Part(Record):
    """One piece of a message: a text, or a picture given by its id."""

    text: str = ""
    """The text; empty for a picture."""
    image_id: str = ""
    """An image of the dataset, or a picture that the caller made and announces under an id; empty for a text."""
    box_xyxy: tuple[float, float, float, float] | None = None
    """Only this region of the picture: pixels, half-open. None for all of it."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Part":
        if bool(self.text) == bool(self.image_id):
            raise ValueError("a part is either a text or a picture")
        if self.box_xyxy is not None and not self.image_id:
            raise ValueError("a text has no box")
        return self


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...] = Field(min_length=1)


class Sampling(Record):
    """How an answer is drawn. What a server cannot do is left out and noted, see `pipelines.models.probe`."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 takes the likeliest token each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=1024, gt=0)
    """Most tokens of one answer."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int = Field(default=0, ge=0, le=20)
    """How many alternatives per token to report; 0 asks for none."""


class ModelRequest(Record):
    """One request. Two equal ones are one question to the model, asked and paid once (`pipelines.models.keys`)."""

    job: str = Field(pattern=r"^[a-z][a-z0-9_.-]*$")
    """What the answer is for: identify, describe, synthesize, paraphrase, judge..."""
    role: ModelRole
    messages: tuple[Message, ...] = Field(min_length=1)
    sampling: Sampling = Sampling()
    n: int = Field(default=1, ge=1, le=64)
    """How many answers to draw."""
    draw: int = Field(default=0, ge=0)
    """Which of several independent draws of the same request this is. With n answers it covers draw to draw + n - 1."""
    json_schema: str | None = None
    """JSON Schema text that each answer must follow; None for free text."""
    prompt_hash: str
    """Content hash of the prompt file behind the messages: where an answer came from, not part of what was asked."""
    subject_id: str = ""
    """The image, question or candidate that the answer is about. Not part of what was asked either."""
    allow_remote_images: bool = True
    """False where the domain forbids its pictures to leave: then only servers on this machine are asked."""

    @property
    def image_ids(self) -> tuple[str, ...]:
        """The pictures that the request shows, each once, in order."""
        parts = (part for message in self.messages for part in message.parts)
        return tuple(dict.fromkeys(part.image_id for part in parts if part.image_id))


def text_message(role: Literal["system", "user", "assistant"], text: str) -> Message:
    """Returns a message of one text."""
    return Message(role=role, parts=(Part(text=text),))


_PART_TYPE = pa.struct([("text", pa.string()), ("image_id", pa.string()), ("box_xyxy", pa.list_(pa.float64(), 4))])
_SAMPLING_TYPE = pa.struct(
    [
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("max_tokens", pa.int32()),
        ("seed", pa.int64()),
        ("stop", pa.list_(pa.string())),
        ("top_logprobs", pa.int32()),
    ]
)
MODEL_REQUEST_SCHEMA = pa.schema(
    [
        ("job", pa.string()),
        ("role", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("parts", pa.list_(_PART_TYPE))]))),
        ("sampling", _SAMPLING_TYPE),
        ("n", pa.int32()),
        ("draw", pa.int32()),
        ("json_schema", pa.string()),
        ("prompt_hash", pa.string()),
        ("subject_id", pa.string()),
        ("allow_remote_images", pa.bool_()),
    ]
)
