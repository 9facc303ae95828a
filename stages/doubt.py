"""Doubt: is a scene seen surely enough to be asked about?

A wrong answer mostly comes from one thing overlooked, invented, merged or misnamed, anywhere in the picture. So the
signs of that are looked for everywhere: weak masks, unsure names, cells that show a thing no mask explains, masks where
no cell shows one, and views of the same picture that show other things.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import PIL.Image
from pydantic import Field

from schemas.record import Record
from stages.masks import BoolMask
from stages.segmenters.crops import Reading
from stages.segmenters.one_mask import Thing
from stages.segmenters.protocol import Evidence, Floats


class TrustConfig(Record):
    """What must be sure. The defaults were chosen on calibration scenes; docs/perception.md tells what they do."""

    min_mask: float = Field(default=0.2, ge=0, le=1)
    """Least quality times stability of any thing's mask."""
    min_category: float = Field(default=0.8, ge=0, le=1)
    """Least confidence of any thing's category."""
    min_attribute: float = Field(default=0.9, ge=0, le=1)
    """An attribute below this confidence is not known."""
    max_unexplained: float = Field(default=0.003, ge=0, le=1)
    """Greatest share of the picture whose cells show a thing that no mask covers."""
    min_shown: float = Field(default=0.4, ge=0, le=1)
    """Least mean probability of a thing under any mask."""
    max_spread: float = Field(default=0.5, ge=0)
    """Greatest spread of where a mask's cells say that its centre is, in units of the root of its area: cells of two
    things taken for one point to two places."""
    min_again: float = Field(default=0.15, ge=0, le=1)
    """Least IoU of a mask with what its own places answer when asked again; 0 does not ask again."""
    views: tuple[str, ...] = ("flip", "crop")
    """Harmless views that must show the same things."""
    view_iou: float = Field(default=0.6, ge=0, le=1)
    """Least IoU of a thing with itself in a view."""


class Seen(NamedTuple):
    """A thing with what is said of it."""

    thing: Thing
    readings: Mapping[str, Reading]
    """By attribute, category among them."""
    again: float = 1.0
    """Least IoU with what its own places answer; 1 where nobody asked."""


def doubt_of(seen: Sequence[Seen], evidence: Evidence | None, trust: TrustConfig) -> str | None:
    """Returns what is doubtful about the scene, the first that is found, or None."""
    for one in seen:
        mask = one.thing.found.quality * one.thing.found.stability
        category = one.readings["category"]
        if mask < trust.min_mask:
            return f"mask {one.thing.order} is trusted with {mask:.2f}, less than {trust.min_mask}"
        if one.again < trust.min_again:
            return f"a place of mask {one.thing.order} answers with IoU {one.again:.2f}, less than {trust.min_again}"
        if category.confidence < trust.min_category:
            return f"a {category.value} is sure to {category.confidence:.3f}, less than {trust.min_category}"
    if evidence is None:
        return None
    unexplained, least = explained(seen, evidence.thing)
    if unexplained > trust.max_unexplained:
        return f"{unexplained:.2%} of the picture shows a thing without a mask, above {trust.max_unexplained:.2%}"
    if least < trust.min_shown:
        return f"under one mask the cells show a thing with {least:.2f} on average, less than {trust.min_shown}"
    spread = max((spread_of(one.thing.mask, evidence) for one in seen), default=0.0)
    if spread > trust.max_spread:
        return f"the cells of one mask point to centres {spread:.2f} of its size apart, more than {trust.max_spread}"
    return None


def spread_of(mask: BoolMask, evidence: Evidence) -> float:
    """Returns how far apart the centres lie that the cells of a mask point to, in units of the root of its area.

    It is the distance from their median that one in ten exceeds; 0 for a mask of no whole cell.
    """
    _, height, width = evidence.way.shape
    rows, columns = np.nonzero(_shrunk(mask, height, width) > 0.5)
    if not len(rows):
        return 0.0
    x, y = columns + evidence.way[0, rows, columns], rows + evidence.way[1, rows, columns]
    away = np.hypot(x - np.median(x), y - np.median(y)) / np.sqrt(len(rows))
    return float(np.quantile(away, 0.9))


def explained(seen: Sequence[Seen], foreground: Floats) -> tuple[float, float]:
    """Returns the share of cells that show a thing outside all masks, and the least mean probability under a mask."""
    height, width = foreground.shape
    covered = np.zeros((height, width), dtype=np.float32)
    least = 1.0
    for one in seen:
        small = _shrunk(one.thing.mask, height, width)
        covered = np.maximum(covered, small)
        least = min(least, float((small * foreground).sum() / max(float(small.sum()), 1e-6)))
    near = _grown(covered > 0.05)
    return float(np.count_nonzero((foreground > 0.5) & ~near) / foreground.size), least


def match_views(
    seen: list[Seen], views: Mapping[str, Sequence[Seen]], trust: TrustConfig
) -> tuple[list[Seen], str | None]:
    """Returns the things with the confidence that all views leave them, and how a view differs, None where none does.

    A reading that a view contradicts keeps its value with no confidence; one that it confirms keeps the smaller one.
    """
    for name, others in views.items():
        if len(others) != len(seen):
            return seen, f"the view {name} shows {len(others)} things, the plain picture {len(seen)}"
        agreed = []
        for one in seen:
            twin = max(others, key=lambda other: iou_of(one.thing.mask, other.thing.mask))
            iou = iou_of(one.thing.mask, twin.thing.mask)
            if iou < trust.view_iou:
                return seen, f"in the view {name} mask {one.thing.order} has IoU {iou:.2f}, less than {trust.view_iou}"
            if twin.readings["category"].value != one.readings["category"].value:
                values = one.readings["category"].value, twin.readings["category"].value
                return seen, f"a {values[0]} is a {values[1]} in the view {name}"
            agreed.append(
                one._replace(
                    readings={key: _agreed(value, twin.readings.get(key)) for key, value in one.readings.items()}
                )
            )
        seen = agreed
    return seen, None


def iou_of(one: BoolMask, other: BoolMask) -> float:
    """Returns the IoU of two masks; 0 where both are empty."""
    either = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / either if either else 0.0


def _agreed(reading: Reading, other: Reading | None) -> Reading:
    same = other is not None and other.value == reading.value
    return Reading(reading.value, min(reading.confidence, other.confidence) if same and other is not None else 0.0)


def _shrunk(mask: BoolMask, height: int, width: int) -> Floats:
    image = PIL.Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).resize((width, height), PIL.Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _grown(cells: BoolMask) -> BoolMask:
    padded = np.pad(cells, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
