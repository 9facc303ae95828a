"""Rendered scenes for the benchmarks: the renderer's own layouts and masks, with or without the paint."""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import stages.rendering.scene as renderer
from benchmarks.plan import Plan
from pipelines.config import load_profile
from pipelines.options import RunOptions
from pipelines.scenes import SUPPORTS, RenderConfig, write_scenes
from pipelines.segmenter_option import with_segmenter
from schemas.image import Image
from schemas.scene import Scene
from schemas.source_annotation import ImageAnnotations, SourceAnnotation
from stages.describe import DescribeConfig, describe
from stages.masks import mask_to_rle
from stages.segment import SegmentConfig, segment
from tests.makers import make_image

LAYOUT = RenderConfig(width=256, height=192, oversampling=1)
"""A quarter of the pixels, one sample each: margins are shares of the picture, so nothing else changes."""


def unpainted_scene(name: str) -> Scene:
    """Returns what the factory knows of a rendered scene, through `segment` and `describe`, without painting it."""
    image = make_image(width=LAYOUT.width, height=LAYOUT.height, image_id=hashlib.sha256(name.encode()).hexdigest())
    return described_scene(image, _without_paint(name).things)


def described_scene(image: Image, things: Sequence[renderer.RenderedThing]) -> Scene:
    """Returns what the factory knows of an image whose things and masks are known exactly."""
    stated = ImageAnnotations(
        uri=image.uri,
        width=image.width,
        height=image.height,
        licence="",
        supports=SUPPORTS,
        annotations=tuple(_annotation(number, thing) for number, thing in enumerate(things)),
    )
    return _described(image, stated)


def _without_paint(name: str) -> renderer.RenderedScene:
    paint: tuple[Any, Any] = renderer._compose, renderer.draw_background
    nothing = np.zeros((1, 1, 3), dtype=np.float32)
    renderer._compose = lambda *_: nothing
    renderer.draw_background = lambda *_: nothing
    try:
        return renderer.render_scene(name, LAYOUT)
    finally:
        renderer._compose, renderer.draw_background = paint


def _annotation(number: int, thing: renderer.RenderedThing) -> SourceAnnotation:
    rle = mask_to_rle(thing.mask)
    looks: dict[str, object] = {
        "colour": thing.colour,
        "size": thing.size,
        "material": thing.material,
        **thing.measures,
    }
    if thing.digit is not None:
        looks["digit"] = thing.digit
    return SourceAnnotation(
        annotation_key=str(number),
        category=thing.category,
        segmentation=json.dumps({"size": [rle.height, rle.width], "counts": rle.counts}),
        attributes=tuple(sorted((key, str(value)) for key, value in looks.items())),
        depth=round(thing.depth, 6),
        visible_fraction=round(thing.visible_fraction, 6),
    )


def _described(image: Image, stated: ImageAnnotations) -> Scene:
    segmentation = segment(image, stated, SegmentConfig())
    unseen = np.zeros((1, 1, 3), dtype=np.uint8)  # colours are stated
    description = describe(image, unseen, segmentation, SUPPORTS, DescribeConfig())
    return Scene(
        image=image,
        instances=description.instances,
        categories=description.categories,
        supports=frozenset(SUPPORTS),
    )


@functools.cache
def painted_source(plan: Plan) -> tuple[Path, Path, int]:
    """Returns the image folder, the annotation file and the number of scenes; rendered once per run."""
    count = 12 if plan.quick else 60
    annotations = write_scenes(plan.scratch / "scenes", count, 0, RenderConfig())
    return annotations.parent / "images", annotations, count


def painted_options(plan: Plan, out: Path) -> RunOptions:
    """Returns a run of the default profile over the painted scenes."""
    images, annotations, _ = painted_source(plan)
    config = with_segmenter(load_profile("default"), None, None, annotated=True)
    return RunOptions(out=out, config=config, source=images, annotations=annotations)
