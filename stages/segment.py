"""Annotations of one image to instances with masks.

In: an admitted image and what the annotation file says of it. Out: instances sorted by id, and a drop for each
annotation that gives none: crowd regions, malformed or empty masks, masks outside the picture or made for another
size, objects annotated twice. Annotations in = instances + drops.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Attribute, Instance
from schemas.segmentation import Segmentation as Segmentation
from schemas.segmentation import annotation_drop_id
from schemas.source_annotation import ImageAnnotations, SourceAnnotation
from stages.doubt import TrustConfig
from stages.masks import BoolMask, box_xyxy_of, centroid_xy_of, mask_to_rle
from stages.segmenters.annotations import SOURCE, BadMask, read_mask
from stages.segmenters.one_mask import OneMaskConfig
from stages.segmenters.opening import AnnotationsConfig, SegmenterConfig
from stages.spans import spans_of

VERSION = 1


class SegmentConfig(BaseModel):
    """Where masks come from, and what counts as an instance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segmenter: SegmenterConfig = AnnotationsConfig()
    boxes_of_annotations: bool = False
    """Whether a segmenter is asked for the boxes of the annotation file, whose categories it then takes."""
    one_mask: OneMaskConfig = OneMaskConfig()
    trust: TrustConfig = TrustConfig()
    duplicate_iou: float = Field(default=0.9, gt=0, le=1)
    """Two masks of one category that overlap more than this are one object annotated twice; the larger is kept."""
    min_cell_share: float = Field(default=0.3, gt=0, le=1)
    """A cell of the coarse grid is covered when at least this share of it is mask."""
    border_px: int = Field(default=1, ge=0)
    """A mask that ends this close to the picture's border counts as touching it: hand-drawn outlines stop short."""


class _Found(NamedTuple):
    """An annotation that gave a mask."""

    order: int
    """Position in the source."""
    instance: Instance
    mask: BoolMask


def segment(image: Image, annotations: ImageAnnotations, config: SegmentConfig) -> Segmentation:
    """Returns the instances of one image and a drop for each annotation that is none."""
    drops: dict[int, Drop] = {}
    found: list[_Found] = []
    for index, annotation in enumerate(annotations.annotations):
        try:
            mask = _mask_of(image, annotations, annotation)
            found.append(_Found(index, _to_instance(image, annotation, mask, config), mask))
        except BadMask as bad:
            drops[index] = _drop(image, annotation, bad.reason, str(bad))
    kept: list[_Found] = []
    for candidate in sorted(found, key=lambda one: (-one.instance.area, one.instance.instance_id, one.order)):
        twin = _twin_of(candidate, kept, config.duplicate_iou)
        if twin is None:
            kept.append(candidate)
        else:
            annotation = annotations.annotations[candidate.order]
            drops[candidate.order] = _drop(image, annotation, DropReason.DUPLICATE_INSTANCE, twin)
    instances = sorted((one.instance for one in kept), key=lambda instance: instance.instance_id)
    return Segmentation(tuple(instances), tuple(drops[index] for index in sorted(drops)))


def _mask_of(image: Image, annotations: ImageAnnotations, annotation: SourceAnnotation) -> BoolMask:
    """Returns the non-empty mask of an annotation; raises BadMask with the reason where there is none."""
    stated = (annotations.width, annotations.height)
    if annotation.problem:
        raise BadMask(DropReason.BAD_ANNOTATION, annotation.problem)
    if annotation.category is None:
        raise BadMask(DropReason.UNKNOWN_CATEGORY, "the annotation names no category")
    if stated not in ((0, 0), (image.width, image.height)):
        detail = f"the annotations are for {stated[0]}x{stated[1]}, the picture is {image.width}x{image.height}"
        raise BadMask(DropReason.ANNOTATION_SIZE_MISMATCH, detail)
    if annotation.is_crowd:
        raise BadMask(DropReason.CROWD_REGION, f"a crowd of {annotation.category}: its members are not told apart")
    if annotation.box_xywh is not None:
        _check_box(annotation.box_xywh, image)
    mask = read_mask(annotation, image.height, image.width)
    if not mask.any():
        raise BadMask(DropReason.EMPTY_MASK, "the mask covers no pixel of the picture")
    return mask


def _check_box(box_xywh: tuple[float, float, float, float], image: Image) -> None:
    x, y, width, height = box_xywh
    if x >= image.width or y >= image.height or x + width <= 0 or y + height <= 0:
        detail = f"box {x:g},{y:g} {width:g}x{height:g} lies outside the picture of {image.width}x{image.height}"
        raise BadMask(DropReason.OUTSIDE_IMAGE, detail)


def _to_instance(image: Image, annotation: SourceAnnotation, mask: BoolMask, config: SegmentConfig) -> Instance:
    rle = mask_to_rle(mask)
    x0, y0, x1, y1 = box_xyxy_of(mask)
    border = config.border_px
    pairs = sorted(dict(annotation.attributes).items())
    return Instance(
        instance_id=instance_id_of(image.image_id, annotation.category or "", rle.counts),
        image_id=image.image_id,
        category=annotation.category or "",
        box_xyxy=(x0, y0, x1, y1),
        mask=rle,
        area=int(np.count_nonzero(mask)),
        centroid_xy=centroid_xy_of(mask),
        depth=annotation.depth,
        visible_fraction=annotation.visible_fraction,
        truncated=min(x0, y0, image.width - x1, image.height - y1) <= border,
        attributes=tuple(Attribute(key=key, value=value, confidence=1.0) for key, value in pairs),
        spans=spans_of(mask, config.min_cell_share),
        source=SOURCE,
    )


def instance_id_of(image_id: str, category: str, counts: str) -> str:
    """Returns the id of an instance: a hash of its image, category and mask."""
    return hashlib.sha256(f"{image_id}\n{category}\n{counts}".encode()).hexdigest()[:32]


def _twin_of(candidate: _Found, kept: Sequence[_Found], duplicate_iou: float) -> str | None:
    """Returns in words which kept instance is the same object, or None."""
    for other in kept:
        if other.instance.category != candidate.instance.category:
            continue
        if candidate.instance.area < duplicate_iou * other.instance.area:
            continue
        shared = int(np.count_nonzero(candidate.mask & other.mask))
        iou = shared / (candidate.instance.area + other.instance.area - shared)
        if iou > duplicate_iou:
            return f"mask IoU {iou:.3f} with {other.instance.instance_id} is above {duplicate_iou}"
    return None


def _drop(image: Image, annotation: SourceAnnotation, reason: DropReason, detail: str) -> Drop:
    drop_id = annotation_drop_id(image.image_id, annotation.category, annotation.annotation_key)
    return Drop(stage="segment", id=drop_id, parent_id=image.image_id, reason=reason, detail=detail)
