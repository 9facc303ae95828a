"""Annotations of a file as the segmenter: COCO dictionaries to records, records to masks.

The dictionaries come from outside and are believed in nothing. What is malformed about one is kept in words
(`SourceAnnotation.problem`), so that its category is known to be incomplete in that image.
"""

import json
import math
from collections.abc import Mapping

import numpy as np

from schemas.drop import Drop, DropReason
from schemas.mask import Rle
from schemas.source_annotation import SourceAnnotation
from stages.masks import BoolMask, rle_to_mask
from stages.polygons import polygons_to_mask

SOURCE = "annotations/1"
"""Back-end and version, as instances name it."""

_OUTLINE_REACH = 4
"""A polygon's coordinates may lie at most this many image sizes outside the picture."""


class BadMask(ValueError):
    """A segmentation that is no mask, with the reason to drop it for."""

    def __init__(self, reason: DropReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def to_source_annotation(
    raw: Mapping[str, object], category_names: Mapping[int, str], uri: str = ""
) -> SourceAnnotation | Drop:
    """Returns the record of one raw COCO annotation; a drop where its category is unknown."""
    key = _key_of(raw)
    category_id = raw.get("category_id")
    known = isinstance(category_id, int) and not isinstance(category_id, bool) and category_id in category_names
    if not known:
        detail = f"category_id {category_id!r} is not among the file's {len(category_names)} categories"
        return Drop(stage="segment", id=key, parent_id=uri, reason=DropReason.UNKNOWN_CATEGORY, detail=detail)
    category = category_names[category_id]  # type: ignore[index]  # an int, as known says
    try:
        return SourceAnnotation(
            annotation_key=key,
            category=category,
            segmentation=_segmentation_of(raw),
            box_xywh=_box_of(raw),
            is_crowd=_flag_of(raw, "iscrowd"),
            attributes=_attributes_of(raw),
            depth=_number_of(raw, "depth", -math.inf, math.inf),
            visible_fraction=_number_of(raw, "visible_fraction", 0.0, 1.0),
        )
    except ValueError as error:
        return SourceAnnotation(annotation_key=key, category=category, problem=str(error))


def read_mask(annotation: SourceAnnotation, height: int, width: int) -> BoolMask:
    """Returns the ``(H, W)`` mask of an annotation, cut off at the picture's border; it may be empty.

    Raises:
        BadMask: there is no segmentation, it is malformed, or it was made for another size.
    """
    if annotation.segmentation is None:
        raise BadMask(DropReason.EMPTY_MASK, "the annotation has no segmentation, and a box is no mask")
    try:
        segmentation = json.loads(annotation.segmentation)
    except ValueError:
        raise BadMask(DropReason.BAD_POLYGON, "the segmentation is not JSON") from None
    if isinstance(segmentation, dict):
        return _mask_of_rle(segmentation, height, width)
    if isinstance(segmentation, list):
        return polygons_to_mask(_read_polygons(segmentation, height, width), height, width)
    raise BadMask(DropReason.BAD_POLYGON, f"a segmentation is a list or an object, not {segmentation!r:.40}")


def _read_polygons(rows: list[object], height: int, width: int) -> list[list[float]]:
    if not rows:
        raise BadMask(DropReason.BAD_POLYGON, "the list of polygons is empty")
    reach = _OUTLINE_REACH * max(height, width)
    polygons = []
    for index, row in enumerate(rows):
        if not isinstance(row, list) or not all(_is_number(value) for value in row):
            raise BadMask(DropReason.BAD_POLYGON, f"polygon {index} is not a list of finite numbers")
        if len(row) < 6 or len(row) % 2:
            raise BadMask(DropReason.BAD_POLYGON, f"polygon {index} has {len(row)} numbers, not an even 6 or more")
        far = max(abs(value) for value in row)
        if far > reach:
            raise BadMask(DropReason.BAD_POLYGON, f"polygon {index} reaches {far:g}, the picture is {width}x{height}")
        polygons.append([float(value) for value in row])
    return polygons


def _mask_of_rle(rle: dict[str, object], height: int, width: int) -> BoolMask:
    size, counts = rle.get("size"), rle.get("counts")
    if size != [height, width]:
        raise BadMask(DropReason.BAD_RLE, f"RLE is for {size!r:.40} (height, width), the picture is {[height, width]}")
    try:
        if isinstance(counts, str):
            return rle_to_mask(Rle(height=height, width=width, counts=counts))
        return _mask_of_runs(counts, height, width)
    except ValueError as error:
        raise BadMask(DropReason.BAD_RLE, str(error)) from None


def _mask_of_runs(runs: object, height: int, width: int) -> BoolMask:
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise ValueError("RLE counts are neither a string nor a list of run lengths")
    if sum(runs) != height * width:
        raise ValueError(f"RLE runs cover {sum(runs)} pixels, the picture has {height}x{width}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape((height, width), order="F")


def _key_of(raw: Mapping[str, object]) -> str:
    key = raw.get("id")
    return str(key) if isinstance(key, (int, str)) else ""


def _segmentation_of(raw: Mapping[str, object]) -> str | None:
    segmentation = raw.get("segmentation")
    return None if segmentation is None else json.dumps(segmentation, separators=(",", ":"))


def _box_of(raw: Mapping[str, object]) -> tuple[float, float, float, float] | None:
    box = raw.get("bbox")
    if box is None:
        return None
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(_is_number(value) for value in box):
        raise ValueError(f"bbox {box!r:.60} is not four finite numbers (x, y, width, height)")
    x, y, width, height = (float(value) for value in box)
    if width < 0 or height < 0:
        raise ValueError(f"bbox {box!r:.60} has a negative width or height")
    return (x, y, width, height)


def _flag_of(raw: Mapping[str, object], key: str) -> bool:
    value = raw.get(key, 0)
    if value not in (0, 1):
        raise ValueError(f"{key} {value!r:.40} is neither 0 nor 1")
    return bool(value)


def _attributes_of(raw: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    attributes = raw.get("attributes")
    if attributes is None:
        return ()
    if not isinstance(attributes, Mapping):
        raise ValueError(f"attributes {attributes!r:.40} is not an object")
    for key, value in attributes.items():
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
            raise ValueError(f"attribute {key} is {value!r:.40}, not a word or a whole number")
    return tuple(sorted((str(key), str(value)) for key, value in attributes.items()))


def _number_of(raw: Mapping[str, object], key: str, low: float, high: float) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if not _is_number(value) or not low <= value <= high:  # type: ignore[operator]  # a number, as checked
        raise ValueError(f"{key} {value!r:.40} is not a number from {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
