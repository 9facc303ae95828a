"""Naming a thing from its mask: the crop the classifier sees, and what its logits say.

In: a picture and masks of it, from any segmenter. Out: per mask and attribute a value and a calibrated confidence. The
classifier knows the things of rendered scenes. How large a thing is it is not asked: that is computed from the mask's
extent and the proportions of its category.
"""

from collections.abc import Mapping, Sequence
from math import exp, inf, log
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from stages.masks import BoolMask, box_xyxy_of

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 48
"""Side of a crop, pixels."""
_MARGIN = 1.16
"""Side of the window about a thing, in its longer sides."""
_BEYOND = 128
"""What the window shows beyond the picture."""
_STRAY = 0.005
"""Share of a mask beyond each end of its extent."""
ABSENT = "none"
"""The value of an attribute that a thing does not have: no digit, no points, no pips."""
SIZE_HEAD = "size"
SINGLE_HEAD = "single"


class Reading(NamedTuple):
    """One attribute of one thing."""

    value: str
    """One of the attribute's vocabulary; `ABSENT` where the thing has none."""
    confidence: float
    """Probability that the value is right, in [0, 1], as measured on held-out scenes."""


def cut_crops(picture: Pixels, masks: Sequence[BoolMask]) -> Floats:
    """Returns ``(n, 4, 48, 48)``: the square about each mask, RGB 0..255 and the mask as a share 0..1.

    Raises:
        ValueError: a mask is empty or not of the picture's size.
    """
    crops = np.zeros((len(masks), 4, SIDE, SIDE), dtype=np.float32)
    for crop, mask in zip(crops, masks, strict=True):
        if mask.shape != picture.shape[:2] or not mask.any():
            raise ValueError(f"a mask of {mask.shape} and {mask.sum()} pixels, for a picture of {picture.shape[:2]}")
        crop[:] = _cut(picture, mask)
    return crops


def read_heads(logits: Mapping[str, Floats], card: Mapping[str, Any]) -> list[dict[str, Reading]]:
    """Returns for each crop the reading of every head; ``card["crops"]`` holds vocabularies and temperatures."""
    heads = card["crops"]["heads"]
    count = len(next(iter(logits.values()))) if logits else 0
    rows: list[dict[str, Reading]] = [{} for _ in range(count)]
    for head, about in heads.items():
        scaled = logits[head].astype(np.float64) / about["temperature"]
        odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        share = odds / odds.sum(axis=1, keepdims=True)
        for row, best, values in zip(rows, share.argmax(axis=1), share, strict=True):
            row[head] = Reading(about["values"][int(best)], float(values[best]))
    return rows


def read_single(logits: Mapping[str, Floats], count: int) -> list[float]:
    """Returns for each crop the log odds that its mask holds one thing, not two; infinite where no head says."""
    said = logits.get(SINGLE_HEAD)
    return [inf] * count if said is None else [float(odds) for odds in said[:, 0]]


def read_size(category: str, mask: BoolMask, card: Mapping[str, Any]) -> Reading | None:
    """Returns how large a thing is among its kind; None where the card has no proportions of its category.

    Three readings of a thing's scale, each in those of its category at scale one: width, height, root of the area. The
    median of the three, or the area's where that is larger: of a thing partly hidden no reading is too large, and a
    ragged edge makes only the width or the height too large. Confidence falls towards the border between two sizes.
    """
    about = card["crops"][SIZE_HEAD]
    proportions = about["proportions"].get(category)
    if proportions is None:
        return None
    width, height, root, bottom = extent_of(mask)
    readings = sorted(np.array([width, height, root]) / np.array(proportions))
    scale = max(readings[1], root / proportions[2]) / (1 + about["perspective"] * (bottom - about["level"]))
    away = {name: abs(log(scale / value)) for name, value in about["scales"].items()}
    first, second = sorted(away, key=away.__getitem__)[:2]
    return Reading(first, 1 / (1 + exp(-about["sharpness"] * (away[second] - away[first]))))


def extent_of(mask: BoolMask) -> tuple[float, float, float, float]:
    """Returns width, height, root of the area and lower end of a mask, in heights of the picture.

    The ends leave out one pixel in two hundred, so that a stray one changes nothing.
    """
    area = int(np.count_nonzero(mask))
    spans = []
    for axis in (0, 1):
        passed = np.cumsum(np.count_nonzero(mask, axis=axis)) / area
        spans.append((int(np.searchsorted(passed, _STRAY)), int(np.searchsorted(passed, 1 - _STRAY)) + 1))
    (x0, x1), (y0, y1) = spans
    unit = mask.shape[0]
    return (x1 - x0) / unit, (y1 - y0) / unit, area**0.5 / unit, y1 / unit


def _cut(picture: Pixels, mask: BoolMask) -> Floats:
    x0, y0, x1, y1 = box_xyxy_of(mask)
    side = max(8, round(max(x1 - x0, y1 - y0) * _MARGIN) + 2)
    left, top = int(x0 + x1 - side) // 2, int(y0 + y1 - side) // 2
    rgb = _window(picture, left, top, side, _BEYOND)
    share = _window(mask.astype(np.uint8) * np.uint8(255), left, top, side, 0)
    shown = np.asarray(_small(rgb), dtype=np.float32).transpose(2, 0, 1)
    return np.concatenate([shown, np.asarray(_small(share), dtype=np.float32)[None] / 255])


def _window(array: NDArray[np.uint8], left: int, top: int, side: int, beyond: int) -> NDArray[np.uint8]:
    """Returns the square window of a picture or mask, filled where it reaches beyond."""
    height, width = array.shape[:2]
    out = np.full((side, side, *array.shape[2:]), beyond, dtype=np.uint8)
    rows = slice(max(top, 0), min(top + side, height))
    columns = slice(max(left, 0), min(left + side, width))
    out[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = array[rows, columns]
    return out


def _small(window: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(window).resize((SIDE, SIDE), PIL.Image.Resampling.BILINEAR)
