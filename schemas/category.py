"""A category seen in one image, and what questions may do with it there."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 2


class Category(Record):
    """One category of one image. One that is neither countable nor selectable is never named in a question."""

    image_id: str
    category: str
    """Singular noun."""
    instance_count: int = Field(ge=0)
    countable: bool
    """A person would come to the same number: nothing tiny, nothing vague, nothing left out by the source."""
    selectable: bool = False
    """One of it may be chosen by its place: a clear winner stays the winner even where a small one is overlooked."""
    reason: str = ""
    """The drop reason where it is not countable, else empty."""


CATEGORY_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("category", pa.string()),
        ("instance_count", pa.int32()),
        ("countable", pa.bool_()),
        ("selectable", pa.bool_()),
        ("reason", pa.string()),
    ]
)
