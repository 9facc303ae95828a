"""What is kept of a picture's looks, to find its copies; and which pictures were found to be copies."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class Thumbnail(Record):
    """A picture's looks."""

    image_id: str
    grey: bytes
    """64 x 64 grey values, row by row from the top left."""


class AlikeImages(Record):
    """Two images that show the same, whatever was done to one of them."""

    image_id: str
    other_id: str
    """The greater of the two ids."""
    likeness: float = Field(ge=-1, le=1)
    """Correlation of detail where they lie over one another best."""


THUMBNAIL_SCHEMA = pa.schema([("image_id", pa.string()), ("grey", pa.binary())])
ALIKE_SCHEMA = pa.schema([("image_id", pa.string()), ("other_id", pa.string()), ("likeness", pa.float64())])
