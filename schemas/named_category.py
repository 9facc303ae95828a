"""A kind of thing that a model sees in a picture, after its name was made canonical."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class NamedCategory(Record):
    """One kind in one picture."""

    image_id: str
    category: str
    """Canonical singular noun."""
    at_least: int = Field(ge=0)
    """How many the model can point at."""
    sure: float = Field(ge=0, le=1)
    """The model's own confidence."""
    said: tuple[str, ...]
    """The names it used, sorted."""
    instance_count: int = Field(default=0, ge=0)
    """How many segmenting found; 0 before that."""


NAMED_CATEGORY_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("category", pa.string()),
        ("at_least", pa.int32()),
        ("sure", pa.float64()),
        ("said", pa.list_(pa.string())),
        ("instance_count", pa.int32()),
    ]
)
