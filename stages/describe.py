"""Instances of one image to described instances and to the categories that may be counted there.

In: the image, its pixels, what segmenting gave, what the source supports. Out: the instances, with a measured colour
where the source states none; one category record per category seen, also where all its instances were lost; a drop for
each category that a person could not count from the picture. Instances of such categories stay.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from schemas.category import Category
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Attribute, Instance
from schemas.segmentation import Segmentation, lost_categories
from stages.colours import name_colour
from stages.masks import BoolMask, rle_to_mask

VERSION = 2

EASILY_CONFUSED = tuple(
    "apple,backpack,banana,bench,bottle,bowl,broccoli,carrot,cell phone,chair,cup,donut,fork,handbag,keyboard,knife,"
    "mouse,orange,oven,remote,spoon,suitcase,toaster,tv,vase,wine glass".split(",")
)
"""Small ones are taken for something else, or for nothing: a bag for a coat, a cooker for a worktop."""
LOOKALIKES = (
    ("microwave", "oven", "toaster"),
    ("keyboard", "laptop", "tv"),
    ("bus", "car", "truck"),
    ("bicycle", "motorcycle"),
    ("backpack", "handbag", "suitcase"),
    ("cup", "wine glass"),
    ("bed", "bench", "chair", "couch"),
)
"""Groups in which people and annotators call the same thing by different names."""


class DescribeConfig(BaseModel):
    """Which categories have colours, and which can be counted in a photo.

    The photo rules hold for instances whose visible fraction is unknown; a source that states it knows all its objects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_area_share: float = Field(default=0.003, ge=0, le=1)
    """A photo's category with an instance below this share of the image has probably more that nobody outlined."""
    easily_confused: tuple[str, ...] = EASILY_CONFUSED
    min_confused_share: float = Field(default=0.01, ge=0, le=1)
    """The same limit for categories that people mix up with others or that a photo holds more of than are outlined."""
    lookalikes: tuple[tuple[str, ...], ...] = LOOKALIKES
    """Where two of a group are in one picture, there must be one of each, or none of them is named."""
    max_instances: int = Field(default=12, gt=0)
    built_in: tuple[str, ...] = ("bed", "bench", "couch", "oven", "refrigerator", "sink")
    """Things that come in rows: two that adjoin, such as a double sink, are one to some people."""
    min_gap: float = Field(default=0.03, ge=0)
    """Least distance of two built-in things, in picture diagonals."""
    max_overlap: float = Field(default=0.6, gt=0, le=1)
    """Above this share of the smaller box, two things melt into one another, and the hidden one is a guess."""
    min_truncated_share: float = Field(default=0.02, ge=0, le=1)
    """An instance cut off by the border that shows less than this share of the image is easily overlooked."""
    erosion_px: int = Field(default=2, ge=0)
    """Ring of a mask that is not looked at for its colour: outlines are drawn by hand."""
    min_colour_pixels: int = Field(default=150, gt=0)
    colourless_categories: tuple[str, ...] = ("person",)
    uncountable_categories: tuple[tuple[str, str], ...] = (
        ("dining table", "has no clear limits"),
        ("book", "looks like a box, a leaflet or a magazine"),
    )
    """Singular noun and why people disagree about its number."""


class Description(NamedTuple):
    """The described instances, the categories, and a drop per category that cannot be counted."""

    instances: tuple[Instance, ...]
    categories: tuple[Category, ...]
    drops: tuple[Drop, ...]


def describe(
    image: Image,
    pixels: NDArray[np.uint8],
    segmentation: Segmentation,
    supports: Sequence[str],
    config: DescribeConfig,
) -> Description:
    """Returns the instances with colours, and what may be counted in this image."""
    coloured = "colour" in supports
    instances = tuple(
        _with_colour(instance, pixels, config) if coloured else instance for instance in segmentation.instances
    )
    lost = lost_categories(segmentation.drops)
    names = sorted({instance.category for instance in instances} | set(lost))
    categories, drops = [], []
    for name in names:
        members = [instance for instance in instances if instance.category == name]
        verdict = (
            _judge_lost(lost.get(name))
            or _judge_members(name, members, image, config)
            or _judge_lookalikes(name, instances, config)
        )
        reason, detail = verdict or (None, "")
        categories.append(
            Category(
                image_id=image.image_id,
                category=name,
                instance_count=len(members),
                countable=reason is None,
                selectable=reason is None or reason in _STILL_SELECTABLE,
                reason=reason.value if reason else "",
            )
        )
        if reason:
            drop_id = f"{image.image_id}:{name}"
            drops.append(Drop(stage="describe", id=drop_id, parent_id=image.image_id, reason=reason, detail=detail))
    return Description(instances, tuple(categories), tuple(drops))


_Verdict = tuple[DropReason, str]
_Rule = Callable[[str, Sequence[Instance], Image, DescribeConfig], str]


def _judge_lost(lost: Counter[DropReason] | None) -> _Verdict | None:
    """Returns why a category is not countable where the source has annotations of it that gave no instance."""
    if not lost:
        return None
    told = ", ".join(f"{number} x {reason.value}" for reason, number in sorted(lost.items()))
    if DropReason.CROWD_REGION in lost:
        return DropReason.CATEGORY_HAS_CROWD, f"annotations without an instance: {told}"
    return DropReason.CATEGORY_INCOMPLETE, f"annotations without an instance: {told}"


def _judge_members(name: str, members: Sequence[Instance], image: Image, config: DescribeConfig) -> _Verdict | None:
    """Returns why a category is not countable, or None. Where the source knows every object, all are."""
    if all(instance.visible_fraction is not None for instance in members):
        return None
    for reason, rule in _RULES:
        detail = rule(name, members, image, config)
        if detail:
            return reason, detail
    return None


def _judge_lookalikes(name: str, instances: Sequence[Instance], config: DescribeConfig) -> _Verdict | None:
    """Returns why a category may be mixed up with another one that is in the picture too."""
    if all(instance.visible_fraction is not None for instance in instances):
        return None
    for group in config.lookalikes:
        present = Counter(instance.category for instance in instances if instance.category in group)
        if name in group and len(present) > 1 and max(present.values()) > 1:
            told = ", ".join(f"{number} x {other}" for other, number in sorted(present.items()))
            return DropReason.CATEGORY_NOT_COUNTABLE, f"easily taken for one another: {told}"
    return None


def _named_uncountable(name: str, _: Sequence[Instance], __: Image, config: DescribeConfig) -> str:
    return next((f"{name}: {why}" for noun, why in config.uncountable_categories if noun == name), "")


def _too_many(_: str, members: Sequence[Instance], __: Image, config: DescribeConfig) -> str:
    over = len(members) > config.max_instances
    return f"{len(members)} instances, more than {config.max_instances}" if over else ""


def _some_tiny(name: str, members: Sequence[Instance], image: Image, config: DescribeConfig) -> str:
    share = min(instance.area for instance in members) / (image.width * image.height)
    limit = config.min_confused_share if name in config.easily_confused else config.min_area_share
    return f"the smallest covers {share:.2%} of the image, less than {limit:.2%}" if share < limit else ""


def _cut_off(_: str, members: Sequence[Instance], image: Image, config: DescribeConfig) -> str:
    shares = [instance.area / (image.width * image.height) for instance in members if instance.truncated]
    least = min(shares, default=1.0)
    small = least < config.min_truncated_share
    return f"one cut off by the border covers {least:.2%}, less than {config.min_truncated_share:.2%}" if small else ""


def _some_adjoin(name: str, members: Sequence[Instance], image: Image, config: DescribeConfig) -> str:
    if name not in config.built_in:
        return ""
    diagonal = math.hypot(image.width, image.height)
    gaps = [_gap(one.box_xyxy, other.box_xyxy) / diagonal for one, other in combinations(members, 2)]
    close = min(gaps, default=math.inf) < config.min_gap
    return f"two adjoin ({min(gaps):.1%} of the diagonal apart), one to some people" if close else ""


def _gap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Returns the empty distance between two boxes, pixels."""
    return math.hypot(max(one[0] - other[2], other[0] - one[2], 0.0), max(one[1] - other[3], other[1] - one[3], 0.0))


def _some_tangled(_: str, members: Sequence[Instance], __: Image, config: DescribeConfig) -> str:
    most = max((_overlap(one.box_xyxy, other.box_xyxy) for one, other in combinations(members, 2)), default=0.0)
    over = most > config.max_overlap
    return f"{most:.0%} of one box lies in another of them, above {config.max_overlap:.0%}" if over else ""


_STILL_SELECTABLE = frozenset({DropReason.CATEGORY_TRUNCATED})
"""Reasons that forbid counting only: what is cut off by the border can still be the nearest or the leftmost one."""

_RULES: tuple[tuple[DropReason, _Rule], ...] = (
    (DropReason.CATEGORY_NOT_COUNTABLE, _named_uncountable),
    (DropReason.CATEGORY_CROWDED, _too_many),
    (DropReason.CATEGORY_HAS_TINY_INSTANCES, _some_tiny),
    (DropReason.CATEGORY_TRUNCATED, _cut_off),
    (DropReason.CATEGORY_CROWDED, _some_tangled),
    (DropReason.CATEGORY_CROWDED, _some_adjoin),
)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Returns the shared area as a share of the smaller box."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(0.0, width) * max(0.0, height) / min(areas)


def _with_colour(instance: Instance, pixels: NDArray[np.uint8], config: DescribeConfig) -> Instance:
    """Returns a photo's instance with its measured colour, where it has one and colour words make sense for it."""
    stated = instance.visible_fraction is not None or any(one.key == "colour" for one in instance.attributes)
    if stated or instance.category in config.colourless_categories:
        return instance
    inner = _erode(rle_to_mask(instance.mask), config.erosion_px)
    if np.count_nonzero(inner) < config.min_colour_pixels:
        return instance
    name = name_colour(pixels[inner])
    if name is None:
        return instance
    colour = Attribute(key="colour", value=name.term, confidence=name.confidence)
    attributes = tuple(sorted((*instance.attributes, colour), key=lambda attribute: attribute.key))
    return instance.model_copy(update={"attributes": attributes})


def _erode(mask: BoolMask, steps: int) -> BoolMask:
    """Returns the mask without its outermost ``steps`` pixels; the picture's border is no edge."""
    inner = mask
    for _ in range(steps):
        padded = np.pad(inner, 1, mode="edge")
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inner
