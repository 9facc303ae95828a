"""A mask at rest: COCO run-length encoding with its size."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record


class Rle(Record):
    """A binary mask as COCO's compressed run-length string."""

    height: int = Field(ge=0)
    """Rows, pixels."""
    width: int = Field(ge=0)
    """Columns, pixels."""
    counts: str
    """Column-major run lengths, first run background, in COCO's 6-bit delta alphabet."""


RLE_TYPE = pa.struct([("height", pa.int32()), ("width", pa.int32()), ("counts", pa.string())])
