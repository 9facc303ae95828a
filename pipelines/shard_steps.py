"""The steps from files to described instances, one shard of images at a time: read, call the stage, write."""

from functools import partial
from pathlib import Path

from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.perceive_steps import segment_by_looking
from pipelines.picture_reader import read_pixels
from pipelines.scene_reader import by_image
from schemas.category import Category
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Instance
from schemas.source_annotation import ImageAnnotations
from schemas.thumbnail import Thumbnail
from stages.describe import Description
from stages.describe import describe as describe_image
from stages.ingest import DecodedImage, IngestConfig, read_image
from stages.likeness import thumbnail_of
from stages.perceive import describe_seen
from stages.segment import Segmentation
from stages.segment import segment as segment_image
from stages.segmenters.opening import AnnotationsConfig

MAX_FILE_BYTES = 1 << 28
"""A larger file is not read into memory to find out whether it is an image."""

UNKNOWN_LICENCE = "unknown"


def ingest(job: Job) -> Outcome:
    """Files to decoded and identified images."""
    ledger = Ledger(job.stage)
    stated = job.rows("annotate-import/source_annotations", ["uri", "licence"]).to_pylist()
    licences = {row["uri"]: row["licence"] for row in stated}
    kept: list[Image] = []
    thumbnails: list[Thumbnail] = []
    for uri in job.rows("list/sources")["uri"].to_pylist():
        ledger.take("files")
        licence = licences.get(uri) or UNKNOWN_LICENCE
        result = ledger.attempt(uri, partial(_read, job.source, uri, licence, job.config.ingest))
        if result is None:
            ledger.fail("files")
        elif isinstance(result, Drop):
            ledger.drop("files", [result])
        else:
            ledger.keep("files")
            kept.append(result.image)
            grey = thumbnail_of(result.pixels).tobytes()
            thumbnails.append(Thumbnail(image_id=result.image.image_id, grey=grey))
    return job.finish(ledger, {"files": kept, "thumbnails": thumbnails})


def segment(job: Job) -> Outcome:
    """Images to instances: of their annotations, or by looking. An image without any goes no further."""
    segmenter = job.config.segment.segmenter
    if not isinstance(segmenter, AnnotationsConfig):
        return segment_by_looking(job, segmenter)
    ledger = Ledger(job.stage)
    stated = {row.uri: row for row in job.records("annotate-import/source_annotations", ImageAnnotations)}
    instances: list[Instance] = []
    for image in job.images():
        ledger.take("images")
        annotations = stated.get(image.uri)
        if annotations is None or not annotations.annotations:
            ledger.drop("images", [_no_annotation(image, "the annotation file says nothing of this image")])
            continue
        given = len(annotations.annotations)
        ledger.take("annotations", given)
        result = ledger.attempt(image.image_id, partial(segment_image, image, annotations, job.config.segment))
        if result is None:
            ledger.fail("images")
            ledger.fail("annotations", given)
            continue
        ledger.keep("annotations", len(result.instances))
        ledger.drop("annotations", result.drops)
        instances.extend(result.instances)
        if result.instances:
            ledger.keep("images")
        else:
            ledger.drop("images", [_no_annotation(image, f"none of its {given} annotations gives an instance")])
    return job.finish(ledger, {"segments": instances})


def describe(job: Job) -> Outcome:
    """Instances to described instances and to the categories that may be counted in each image."""
    ledger = Ledger(job.stage)
    found = by_image(job.records("segment/segments", Instance))
    lost: dict[str, list[Drop]] = {}
    for drop in job.records("segment/drops", Drop):
        lost.setdefault(drop.parent_id, []).append(drop)
    stated = job.rows("annotate-import/source_annotations", ["uri", "supports"]).to_pylist()
    supports = {row["uri"]: row["supports"] for row in stated}
    instances: list[Instance] = []
    categories: list[Category] = []
    for image in job.images():
        if image.image_id not in found:
            continue
        members = found[image.image_id]
        ledger.take("images")
        ledger.take("instances", len(members))
        segmentation = Segmentation(tuple(members), tuple(lost.get(image.image_id, ())))
        work = partial(_describe, job, image, segmentation, tuple(supports.get(image.uri, ())))
        result = ledger.attempt(image.image_id, work)
        if result is None:
            ledger.fail("images")
            ledger.fail("instances", len(members))
            continue
        ledger.keep("images")
        ledger.keep("instances", len(result.instances))
        ledger.take("categories", len(result.categories))
        ledger.keep("categories", sum(category.countable for category in result.categories))
        ledger.drop("categories", result.drops)
        instances.extend(result.instances)
        categories.extend(result.categories)
    return job.finish(ledger, {"instances": instances, "categories": categories})


def _read(source: Path, uri: str, licence: str, config: IngestConfig) -> DecodedImage | Drop:
    path = source / uri
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        detail = f"the file has {size} bytes, more than {MAX_FILE_BYTES}"
        return Drop(stage="ingest", id=uri, parent_id=uri, reason=DropReason.TOO_LARGE, detail=detail)
    return read_image(path.read_bytes(), uri, licence, config)


def _describe(job: Job, image: Image, segmentation: Segmentation, supports: tuple[str, ...]) -> Description:
    seen = describe_seen(image, segmentation.instances)
    if seen is not None:
        return seen
    return describe_image(image, read_pixels(job, image), segmentation, supports, job.config.describe)


def _no_annotation(image: Image, detail: str) -> Drop:
    return Drop(stage="segment", id=image.image_id, parent_id=image.uri, reason=DropReason.NO_ANNOTATION, detail=detail)
