"""A category seen in one image, and whether its instances may be counted there."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class Category(Record):
    """One category of one image. Only a countable one is ever named in a question."""

    image_id: str
    category: str
    """Singular noun."""
    instance_count: int = Field(ge=0)
    countable: bool
    reason: str = ""
    """The drop reason where it is not countable, else empty."""


CATEGORY_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("category", pa.string()),
        ("instance_count", pa.int32()),
        ("countable", pa.bool_()),
        ("reason", pa.string()),
    ]
)
