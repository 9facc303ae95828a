"""What came back from a model: the raw body first of all, and what it cost. Or which way it failed, never both."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.model_request import ModelRole
from schemas.record import Record

SCHEMA_VERSION = 1


class ErrorKind(StrEnum):
    """Why there is no answer. None of these says anything about the question: each is "no verdict"."""

    TIMEOUT = "timeout"
    """No answer within the call's or the row's deadline."""
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    CONNECTION = "connection"
    """Refused, reset or cut off."""
    BAD_BODY = "bad_body"
    """The server said 200 and sent no chat completion."""
    TOO_LARGE = "too_large"
    """The body had more bytes than a reply may have, or came compressed so that nobody could know."""
    REFUSED = "refused"
    """The server does not accept this request (4xx): asking again would not help."""
    UNAVAILABLE = "unavailable"
    """No server of this role is up."""
    BUDGET = "budget"
    """The budget of the run is spent; nothing was sent."""
    PRIVACY = "privacy"
    """The pictures may not leave this machine and the server is elsewhere; nothing was sent."""
    NO_PICTURE = "no_picture"
    """A picture of the request cannot be read; nothing was sent."""


class ModelReply(Record):
    """One reply to one request."""

    request_key: str
    """Content hash of what was asked, and of which model."""
    job: str
    role: ModelRole
    subject_id: str = ""
    prompt_hash: str = ""
    model: str
    endpoint: str = ""
    """Which server answered, by its name: no credentials, no query."""
    texts: tuple[str, ...] = ()
    """The answers, as the model wrote them; empty after an error."""
    finish_reasons: tuple[str, ...] = ()
    """One per text: stop, length, content_filter..."""
    raw: str = ""
    """The body as it was received, before anything read it; "" where the answers came in several bodies."""
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    usage_known: bool = True
    """False where the server did not say how many tokens it used."""
    money: float = Field(default=0.0, ge=0)
    """By the prices of the configuration, in its currency."""
    seconds: float = Field(default=0.0, ge=0)
    """From sending the last attempt to its last byte."""
    attempts: int = Field(default=1, ge=0)
    """How often it was sent; 0 where nothing was sent."""
    degraded: tuple[str, ...] = ()
    """What was asked for and the server cannot do: json_schema, logprobs, stop, seed, n."""
    error: ErrorKind | None = None
    error_detail: str = ""

    @model_validator(mode="after")
    def _answers_or_error(self) -> "ModelReply":
        if bool(self.texts) == (self.error is not None):
            raise ValueError("a reply has answers or an error, and never both")
        if len(self.texts) != len(self.finish_reasons):
            raise ValueError(f"{len(self.texts)} texts but {len(self.finish_reasons)} finish reasons")
        return self

    @property
    def text(self) -> str:
        """The first answer; "" after an error. Look at `error` first: nothing said is no verdict."""
        return self.texts[0] if self.texts else ""

    @property
    def is_cut_off(self) -> bool:
        """Whether an answer ran into the limit of tokens, so that its end is missing."""
        return "length" in self.finish_reasons


MODEL_REPLY_SCHEMA = pa.schema(
    [
        ("request_key", pa.string()),
        ("job", pa.string()),
        ("role", pa.string()),
        ("subject_id", pa.string()),
        ("prompt_hash", pa.string()),
        ("model", pa.string()),
        ("endpoint", pa.string()),
        ("texts", pa.list_(pa.string())),
        ("finish_reasons", pa.list_(pa.string())),
        ("raw", pa.string()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("usage_known", pa.bool_()),
        ("money", pa.float64()),
        ("seconds", pa.float64()),
        ("attempts", pa.int32()),
        ("degraded", pa.list_(pa.string())),
        ("error", pa.string()),
        ("error_detail", pa.string()),
    ]
)
