"""Makers of records with defaults: a test states only what it is about. Masks are drawn from boxes."""

from collections.abc import Mapping, Sequence

import numpy as np

from schemas.category import Category
from schemas.image import Image
from schemas.instance import Attribute, Instance
from schemas.scene import Scene
from stages.masks import BoolMask, centroid_xy_of, mask_to_rle
from stages.segment import instance_id_of
from stages.spans import spans_of

Box = tuple[int, int, int, int]


def make_image(name: str = "picture", width: int = 192, height: int = 192, **changes: object) -> Image:
    """Returns an image whose id is spelt by ``name``: hexadecimal, 64 characters."""
    fields: dict[str, object] = {
        "image_id": name.encode().hex()[:64].ljust(64, "0"),
        "uri": f"{name}.png",
        "width": width,
        "height": height,
        "format": "PNG",
        "mode": "RGB",
        "file_sha256": "f" * 64,
        "file_bytes": 1000,
        "licence": "unknown",
        "split": "train",
    }
    return Image.model_validate(fields | changes)


def draw_boxes(*boxes_xyxy: Box, width: int = 192, height: int = 192) -> BoolMask:
    """Returns the ``(H, W)`` union of half-open boxes."""
    mask = np.zeros((height, width), dtype=np.bool_)
    for x0, y0, x1, y1 in boxes_xyxy:
        mask[y0:y1, x0:x1] = True
    return mask


def make_instance(
    category: str = "cup",
    box_xyxy: Box = (10, 10, 40, 40),
    attributes: Mapping[str, str | tuple[str, float]] | None = None,
    image: Image | None = None,
    **changes: object,
) -> Instance:
    """Returns an instance that fills its box. Attributes are ``{"colour": "red"}`` or ``{"colour": ("red", 0.7)}``."""
    image = image or make_image()
    mask = draw_boxes(box_xyxy, width=image.width, height=image.height)
    rle = mask_to_rle(mask)
    pairs = {key: (value, 1.0) if isinstance(value, str) else value for key, value in (attributes or {}).items()}
    x0, y0, x1, y1 = box_xyxy
    fields: dict[str, object] = {
        "instance_id": instance_id_of(image.image_id, category, rle.counts),
        "image_id": image.image_id,
        "category": category,
        "box_xyxy": box_xyxy,
        "mask": rle,
        "area": int(mask.sum()),
        "centroid_xy": centroid_xy_of(mask),
        "depth": None,
        "visible_fraction": None,
        "truncated": x0 == 0 or y0 == 0 or x1 == image.width or y1 == image.height,
        "attributes": tuple(Attribute(key=key, value=pairs[key][0], confidence=pairs[key][1]) for key in sorted(pairs)),
        "spans": spans_of(mask, 0.3),
        "source": "test/1",
    }
    return Instance.model_validate(fields | changes)


def make_scene(
    *instances: Instance, supports: Sequence[str] = ("colour", "size", "depth"), image: Image | None = None
) -> Scene:
    """Returns a scene of instances made on the same image; each of their categories is countable."""
    image = image or make_image()
    names = [instance.category for instance in instances]
    return Scene(
        image=image,
        instances=tuple(sorted(instances, key=lambda instance: instance.instance_id)),
        categories=tuple(
            Category(image_id=image.image_id, category=name, instance_count=names.count(name), countable=True)
            for name in sorted(set(names))
        ),
        supports=frozenset(supports),
    )
