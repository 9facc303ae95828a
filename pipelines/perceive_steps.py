"""The step from pictures to instances where a segmenter looks: read a few, ask it once for them, judge each."""

import functools
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np

from pipelines.errors import UserError
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.picture_reader import read_pixels
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Instance
from schemas.segmentation import annotation_drop_id
from schemas.source_annotation import ImageAnnotations
from schemas.view_instance import ViewInstance
from stages.perceive import Ask, Eyes, Perception, open_eyes, perceive
from stages.segment import SegmentConfig
from stages.segmenters.opening import PerceivingConfig
from stages.segmenters.protocol import EVERYTHING, Found, Pixels, Prompts, SegmenterError

Item = TypeVar("Item")


class _Asked(NamedTuple):
    """One image, what to look for, and what of the annotation file cannot be looked for."""

    image: Image
    prompts: Prompts
    drops: tuple[Drop, ...] = ()


def segment_by_looking(job: Job, config: PerceivingConfig) -> Outcome:
    """Pictures to instances. A picture that shows nothing sure goes no further.

    Raises:
        UserError: the segmenter cannot be opened.
    """
    ledger = Ledger(job.stage)
    eyes = eyes_of(config, job.config.segment.boxes_of_annotations)
    instances: list[Instance] = []
    views: list[ViewInstance] = []
    for batch in _batches(_asked(job), getattr(config, "images_at_once", 1)):
        ledger.take("images", len(batch))
        pictures = [ledger.attempt(one.image.image_id, partial(read_pixels, job, one.image)) for one in batch]
        found = _look_together(eyes, batch, pictures)
        for one, picture, masks in zip(batch, pictures, found, strict=True):
            seen = None
            if picture is not None:
                look = partial(_perceive, eyes, one, picture, Ask(one.prompts, masks), job.config.segment)
                seen = ledger.attempt(one.image.image_id, look)
            if seen is None:
                ledger.fail("images")
                continue
            ledger.take("masks", seen.masks + len(one.drops))
            ledger.keep("masks", len(seen.instances))
            ledger.drop("masks", [*one.drops, *seen.drops])
            if seen.refused is None:
                ledger.keep("images")
            else:
                ledger.drop("images", [seen.refused])
            instances.extend(seen.instances)
            views.extend(ViewInstance.of(name, row) for name, rows in seen.views.items() for row in rows)
    return job.finish(ledger, {"segments": instances, "views": views})


@functools.lru_cache(maxsize=1)
def eyes_of(config: PerceivingConfig, prompted: bool) -> Eyes:
    """Returns the open eyes of a configuration; one pair per process.

    Raises:
        UserError: they cannot be opened.
    """
    try:
        return open_eyes(config, prompted)
    except SegmenterError as error:
        raise UserError(str(error)) from None


def _look_together(
    eyes: Eyes, batch: Sequence[_Asked], pictures: Sequence[Pixels | None]
) -> Sequence[list[Found] | None]:
    """Returns the masks of a batch that the segmenter saw in one go; None where each is to be looked at by itself.

    A batch that fails is no verdict on its pictures: each is tried alone then, and fails or not by itself.
    """
    apart: list[list[Found] | None] = [None] * len(batch)
    if len(batch) == 1 or any(picture is None for picture in pictures):
        return apart
    try:
        shown = [picture for picture in pictures if picture is not None]
        return list(eyes.segmenter.find(shown, [one.prompts for one in batch]))
    except (RuntimeError, ValueError, MemoryError):
        return apart


def _perceive(eyes: Eyes, asked: _Asked, pixels: Pixels, ask: Ask, config: SegmentConfig) -> Perception:
    return perceive(asked.image, pixels, eyes, ask, config)


def _asked(job: Job) -> Iterator[_Asked]:
    config = job.config.segment
    if not config.boxes_of_annotations:
        nouns = Prompts(nouns=getattr(config.segmenter, "nouns", ()))
        for image in job.records("admit/images", Image):
            yield _Asked(image, nouns if nouns.nouns else EVERYTHING)
        return
    stated = {row.uri: row for row in job.records("annotate-import/source_annotations", ImageAnnotations)}
    for image in job.records("admit/images", Image):
        yield _boxes_of(image, stated.get(image.uri))


def _boxes_of(image: Image, stated: ImageAnnotations | None) -> _Asked:
    """Returns the boxes of an image's annotations with their categories; a drop for each that has none."""
    boxes, names, drops = [], [], []
    for one in stated.annotations if stated is not None else ():
        problem = _no_box(one.problem, one.category, one.is_crowd, one.box_xywh)
        if problem is not None or one.category is None or one.box_xywh is None:
            drop_id = annotation_drop_id(image.image_id, one.category, one.annotation_key)
            reason, detail = problem or (DropReason.BAD_ANNOTATION, "the annotation has no box")
            drops.append(Drop(stage="segment", id=drop_id, parent_id=image.image_id, reason=reason, detail=detail))
            continue
        x, y, width, height = one.box_xywh
        boxes.append((x, y, x + width, y + height))
        names.append(one.category)
    at = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return _Asked(image, Prompts(boxes=at, names=tuple(names)), tuple(drops))


def _no_box(
    problem: str, category: str | None, is_crowd: bool, box: tuple[float, float, float, float] | None
) -> tuple[DropReason, str] | None:
    if problem:
        return DropReason.BAD_ANNOTATION, problem
    if category is None:
        return DropReason.UNKNOWN_CATEGORY, "the annotation names no category"
    if is_crowd:
        return DropReason.CROWD_REGION, f"a crowd of {category}: its members are not told apart"
    if box is None or box[2] <= 0 or box[3] <= 0:
        return DropReason.BAD_ANNOTATION, "the annotation has no box to ask about"
    return None


def _batches(items: Iterator[Item], size: int) -> Iterator[Sequence[Item]]:
    while batch := list(islice(items, size)):
        yield batch
