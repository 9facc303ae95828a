"""Doubt: is a scene seen surely enough to be asked about?

A wrong answer mostly comes from one thing overlooked, taken together with its neighbour, or misnamed, anywhere in the
picture. So the signs of that are looked for everywhere: masks that may hold two things, unsure names, cells that show a
thing no mask explains. What the signs miss, the views of the picture may still tell, question by question.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from pydantic import Field

from schemas.record import Record
from stages.masks import BoolMask
from stages.segmenters.crops import Reading
from stages.segmenters.one_mask import Thing
from stages.segmenters.protocol import Evidence, Floats
from stages.segmenters.singles import shrunk


class TrustConfig(Record):
    """What must be sure. The defaults were chosen on calibration scenes; docs/perception.md tells what they do."""

    min_single: float = Field(default=0.973, ge=0, le=1)
    """Least chance of any mask that it holds one thing, not two taken for one."""
    min_category: float = Field(default=0.8, ge=0, le=1)
    """Least confidence of any thing's category."""
    min_attribute: float = Field(default=0.9, ge=0, le=1)
    """An attribute below this confidence is not known."""
    max_unexplained: float = Field(default=0.0005, ge=0, le=1)
    """Greatest share of the picture whose cells show a thing that no mask covers."""
    views: tuple[str, ...] = ("flip", "pad", "bright")
    """Harmless views in which every question is answered again."""


class Seen(NamedTuple):
    """A thing with what is said of it."""

    thing: Thing
    readings: Mapping[str, Reading]
    """By attribute, category among them."""
    head: float = inf
    """Log odds that the mask holds one thing, by the crop classifier alone."""
    single: float = 1.0
    """Chance that the mask holds one thing, by all signs; 1 where nothing says."""


def doubt_of(seen: Sequence[Seen], evidence: Evidence | None, trust: TrustConfig) -> str | None:
    """Returns what is doubtful about the scene, the first that is found, or None."""
    for one in seen:
        category = one.readings["category"]
        if one.single < trust.min_single:
            return f"mask {one.thing.order} holds one thing with a chance of {one.single:.3f}, below {trust.min_single}"
        if category.confidence < trust.min_category:
            return f"a {category.value} is sure to {category.confidence:.3f}, less than {trust.min_category}"
    unexplained = 0.0 if evidence is None else unexplained_by(seen, evidence.thing)
    if unexplained > trust.max_unexplained:
        return f"{unexplained:.2%} of the picture shows a thing without a mask, above {trust.max_unexplained:.2%}"
    return None


def unexplained_by(seen: Sequence[Seen], foreground: Floats) -> float:
    """Returns the share of cells ``(h, w)`` that show a thing and lie neither in a mask nor beside one."""
    height, width = foreground.shape
    covered: Floats = np.zeros((height, width), dtype=np.float32)
    for one in seen:
        covered = np.maximum(covered, shrunk(one.thing.mask, height, width))
    near = _grown(covered > 0.05)
    return float(np.count_nonzero((foreground > 0.5) & ~near) / foreground.size)


def _grown(cells: BoolMask) -> BoolMask:
    padded = np.pad(cells, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
