"""One object in one image: category, mask, box, attributes."""

import pyarrow as pa
from pydantic import Field

from schemas.mask import RLE_TYPE, Rle
from schemas.record import Record

SCHEMA_VERSION = 1


class Attribute(Record):
    """A property of an instance, with how sure its source is."""

    key: str
    """colour, size, material, or a number to be perceived: digit, points, pips."""
    value: str
    """One word; a number in decimal digits."""
    confidence: float = Field(ge=0, le=1)


class Span(Record):
    """One run of a mask on the coarse grid (`SPAN_GRID` cells along each side of the image)."""

    y: int
    """Grid row, 0 at the top."""
    x0: int
    """First covered grid column."""
    x1: int
    """One past the last covered grid column."""


SPAN_GRID = 96
"""Cells along each side of the grid that spans are measured on."""


class Instance(Record):
    """One object. Geometry is in pixels of the oriented image, x right, y down, boxes half-open."""

    instance_id: str
    """Hash of image id, category and mask: the same object gets the same id in every run."""
    image_id: str
    category: str
    """Singular noun."""
    box_xyxy: tuple[float, float, float, float]
    mask: Rle
    area: int = Field(gt=0)
    """Visible pixels of the mask."""
    centroid_xy: tuple[float, float]
    depth: float | None
    """Smaller is nearer to the viewer; None where the source does not know."""
    visible_fraction: float | None
    """Visible share of the whole object in [0, 1]; None where the source does not know."""
    truncated: bool
    """The mask touches the picture's border."""
    attributes: tuple[Attribute, ...]
    """At most one per key, sorted by key."""
    spans: tuple[Span, ...]
    """The mask on the coarse grid, sorted by (y, x0); what contact between instances is computed from."""
    source: str
    """Back-end and version that found it."""


INSTANCE_SCHEMA = pa.schema(
    [
        ("instance_id", pa.string()),
        ("image_id", pa.string()),
        ("category", pa.string()),
        ("box_xyxy", pa.list_(pa.float64(), 4)),
        ("mask", RLE_TYPE),
        ("area", pa.int64()),
        ("centroid_xy", pa.list_(pa.float64(), 2)),
        ("depth", pa.float64()),
        ("visible_fraction", pa.float64()),
        ("truncated", pa.bool_()),
        (
            "attributes",
            pa.list_(pa.struct([("key", pa.string()), ("value", pa.string()), ("confidence", pa.float64())])),
        ),
        ("spans", pa.list_(pa.struct([("y", pa.int16()), ("x0", pa.int16()), ("x1", pa.int16())]))),
        ("source", pa.string()),
    ]
)
