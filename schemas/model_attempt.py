"""One sending of a request to one server: what it came to and what it took. The ledger of model calls."""

import pyarrow as pa
from pydantic import Field

from schemas.model_reply import ErrorKind
from schemas.model_request import ModelRole
from schemas.record import Record

SCHEMA_VERSION = 1


class ModelAttempt(Record):
    """One attempt."""

    request_key: str
    job: str
    role: ModelRole
    subject_id: str
    """What the first row to ask this was asking about."""
    model: str
    endpoint: str
    attempt: int = Field(ge=1)
    started: float
    """Seconds since the epoch."""
    seconds: float = Field(ge=0)
    error: ErrorKind | None = None
    """None for a whole, readable answer."""
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    usage_known: bool
    """False where an answer came, or may have come, and its tokens are not known: then the bill may be higher."""
    money: float = Field(default=0.0, ge=0)


MODEL_ATTEMPT_SCHEMA = pa.schema(
    [
        ("request_key", pa.string()),
        ("job", pa.string()),
        ("role", pa.string()),
        ("subject_id", pa.string()),
        ("model", pa.string()),
        ("endpoint", pa.string()),
        ("attempt", pa.int32()),
        ("started", pa.float64()),
        ("seconds", pa.float64()),
        ("error", pa.string()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("usage_known", pa.bool_()),
        ("money", pa.float64()),
    ]
)
