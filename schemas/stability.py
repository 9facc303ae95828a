"""How an answer holds under harmless views of its picture."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class Stability(Record):
    """The views of one question's picture, and how many of them give its answer."""

    question_id: str
    image_id: str
    views: int = Field(ge=1)
    agreeing: int = Field(ge=0)
    stability: float = Field(ge=0, le=1)
    """Share of the views that give the stored answer."""


STABILITY_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("views", pa.int32()),
        ("agreeing", pa.int32()),
        ("stability", pa.float64()),
    ]
)
