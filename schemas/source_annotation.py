"""What an annotation file says of one image, before anything is believed: the geometry is still text."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.record import Record

SCHEMA_VERSION = 1


class SourceAnnotation(Record):
    """One annotation of an untrusted source."""

    annotation_key: str
    """The source's own id as text."""
    category: str | None
    """Singular noun; None where the source names none."""
    segmentation: str | None = None
    """JSON text: a list of polygons, or an object with size and counts (RLE). None where the source has no mask."""
    box_xywh: tuple[float, float, float, float] | None = None
    """Pixels, origin at the top left."""
    is_crowd: bool = False
    """The region covers several objects that the source did not tell apart."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Key and value, at most one per key, sorted by key; numbers in decimal digits."""
    depth: float | None = None
    """Smaller is nearer to the viewer."""
    visible_fraction: float | None = None
    """Visible share of the whole object in [0, 1]."""
    problem: str = ""
    """What is malformed about it, in words. Segmenting drops it, and its category is not counted in that image."""


class ImageAnnotations(Record):
    """All annotations of one image. Its table row holds the annotations as one JSON column."""

    uri: str
    width: int = Field(ge=0)
    """Pixels, as the annotation file states; 0 where it does not."""
    height: int = Field(ge=0)
    """Pixels, as the annotation file states; 0 where it does not."""
    licence: str
    supports: tuple[str, ...]
    """Facts this source can state: attribute keys, and "depth"."""
    annotations: tuple[SourceAnnotation, ...]

    @property
    def payload(self) -> str:
        """The annotations as JSON text, the form of the table column."""
        rows = [annotation.model_dump() for annotation in self.annotations]
        return json.dumps(rows, separators=(",", ":"))

    @model_validator(mode="before")
    @classmethod
    def _read_payload(cls, values: Any) -> Any:  # noqa: ANN401 - whatever pydantic was given
        if isinstance(values, Mapping) and "payload" in values:
            rest = {key: value for key, value in values.items() if key != "payload"}
            return {**rest, "annotations": json.loads(values["payload"])}
        return values


IMAGE_ANNOTATIONS_SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("licence", pa.string()),
        ("supports", pa.list_(pa.string())),
        ("payload", pa.string()),
    ]
)
