"""One mask per thing: of near-copies, parts, wholes and mergers, which are things, and whose is each pixel.

In: masks of one picture. Out: those that are things, as disjoint masks in pixels, and for each of the others the rule
that turned it away. Masks in = things + turned away. Everything is decided on the small grid; pixels come last.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.drop import DropReason
from schemas.record import Record
from stages.masks import BoolMask
from stages.segmenters.components import largest_component
from stages.segmenters.protocol import Found, to_pixels


class OneMaskConfig(Record):
    """The lines between a thing, a copy, a part and the ground. Shares and IoU are of cells of the small grid."""

    copy_iou: float = Field(default=0.7, gt=0, le=1)
    inside: float = Field(default=0.85, gt=0, le=1)
    """From this share on, a mask lies in another one."""
    merger_cover: float = Field(default=0.8, gt=0, le=1)
    """A mask whose parts, two or more beside each other, fill this share of it is several things taken for one."""
    min_part_share: float = Field(default=0.15, ge=0, le=1)
    """A part of less than this share of the whole is a detail, and no reason to take the whole for a merger."""
    min_area_share: float = Field(default=0.0006, ge=0, le=1)
    """Of the picture."""
    max_area_share: float = Field(default=0.6, gt=0, le=1)
    """A larger mask is the ground or the whole picture."""
    min_left: float = Field(default=0.6, gt=0, le=1)
    """Least share of a mask that remains when better ones have taken their pixels."""
    scene: bool = True
    """Whether each pixel belongs to one thing at most; False keeps parts beside their wholes."""


class Thing(NamedTuple):
    """A mask that is a thing."""

    found: Found
    mask: BoolMask
    """``(H, W)``, one connected piece."""
    order: int
    """Position among the masks given."""
    part_of: int | None = None
    """Position of the whole it lies in; None for what stands by itself."""


class TurnedAway(NamedTuple):
    """A mask that is none, and the rule."""

    order: int
    reason: DropReason
    detail: str


def things_of(
    found: list[Found], height: int, width: int, config: OneMaskConfig
) -> tuple[list[Thing], list[TurnedAway]]:
    """Returns the things of a picture, best first, and what was turned away."""
    if not found:
        return [], []
    sizes = _Overlaps(found)
    away: dict[int, TurnedAway] = {}
    best_first = sorted(range(len(found)), key=lambda i: (-found[i].quality * found[i].stability, i))
    kept: list[int] = []
    for i in best_first:
        refused = _by_size(i, sizes, config) or _copy_of(i, kept, sizes, config)
        if refused is None:
            kept.append(i)
        else:
            away[i] = refused
    wholes: dict[int, int] = {}
    if config.scene:
        for turned in _nested(kept, sizes, config):
            away[turned.order] = turned
    else:
        wholes = {i: j for i in kept if (j := _whole_of(i, kept, sizes, config)) is not None}
    kept = [i for i in kept if i not in away]
    things = _cut(found, kept, (height, width), config, away)
    things = [thing._replace(part_of=wholes.get(thing.order)) for thing in things]
    return things, [away[i] for i in sorted(away)]


class _Overlaps:
    """Areas and shared areas of masks on their small grid."""

    def __init__(self, found: list[Found]) -> None:
        flat = np.stack([one.cells.ravel() for one in found]).astype(np.float32)
        self.flat = flat
        self.total = flat.shape[1]
        self.areas: NDArray[np.float32] = flat.sum(axis=1)
        self.shared: NDArray[np.float32] = flat @ flat.T

    def iou(self, i: int, j: int) -> float:
        return float(self.shared[i, j] / max(self.areas[i] + self.areas[j] - self.shared[i, j], 1))

    def inside(self, i: int, j: int) -> float:
        """Returns the share of ``i`` that lies in ``j``."""
        return float(self.shared[i, j] / max(self.areas[i], 1))


def _by_size(i: int, sizes: _Overlaps, config: OneMaskConfig) -> TurnedAway | None:
    share = float(sizes.areas[i] / sizes.total)
    if share == 0:
        return TurnedAway(i, DropReason.EMPTY_MASK, "the mask covers no cell")
    if share < config.min_area_share:
        detail = f"{share:.3%} of the picture is less than {config.min_area_share:.3%}"
        return TurnedAway(i, DropReason.TINY_INSTANCE, detail)
    if share > config.max_area_share:
        detail = f"{share:.0%} of the picture is more than {config.max_area_share:.0%}"
        return TurnedAway(i, DropReason.GROUND_MASK, detail)
    return None


def _copy_of(i: int, kept: list[int], sizes: _Overlaps, config: OneMaskConfig) -> TurnedAway | None:
    for j in kept:
        iou = sizes.iou(i, j)
        if iou > config.copy_iou:
            return TurnedAway(i, DropReason.DUPLICATE_INSTANCE, f"IoU {iou:.2f} with mask {j}, above {config.copy_iou}")
    return None


def _whole_of(i: int, kept: list[int], sizes: _Overlaps, config: OneMaskConfig) -> int | None:
    """Returns the smallest larger mask that holds this one."""
    holders = [j for j in kept if j != i and sizes.areas[j] > sizes.areas[i] and sizes.inside(i, j) >= config.inside]
    return min(holders, key=lambda j: (float(sizes.areas[j]), j), default=None)


def _nested(kept: list[int], sizes: _Overlaps, config: OneMaskConfig) -> list[TurnedAway]:
    """Returns wholes that are several things taken for one, and parts of the wholes that remain."""
    away: list[TurnedAway] = []
    standing = list(kept)
    for j in sorted(kept, key=lambda j: -float(sizes.areas[j])):
        parts = [i for i in standing if i != j and sizes.inside(i, j) >= config.inside]
        large = [i for i in parts if sizes.areas[i] >= config.min_part_share * sizes.areas[j]]
        apart = [i for i in large if not any(sizes.inside(i, k) >= config.inside for k in large if k != i)]
        filled = float((sizes.flat[apart].max(axis=0) * sizes.flat[j]).sum() / sizes.areas[j]) if apart else 0.0
        if len(apart) > 1 and filled >= config.merger_cover:
            detail = f"masks {', '.join(map(str, sorted(apart)))} fill {filled:.0%} of it"
            away.append(TurnedAway(j, DropReason.MERGED_MASK, detail))
            standing.remove(j)
    for i in list(standing):
        whole = _whole_of(i, standing, sizes, config)
        if whole is not None:
            detail = f"{sizes.inside(i, whole):.0%} of it lies in mask {whole}"
            away.append(TurnedAway(i, DropReason.PART_OF_WHOLE, detail))
    return away


def _cut(
    found: list[Found], kept: list[int], size: tuple[int, int], config: OneMaskConfig, away: dict[int, TurnedAway]
) -> list[Thing]:
    """Returns the masks in pixels, each in one piece; where a scene is wanted, a pixel is the better mask's."""
    taken = np.zeros(size, dtype=np.bool_)
    things = []
    for i in kept:
        whole = to_pixels(found[i], *size)
        own = largest_component(whole & ~taken if config.scene else whole)
        left = int(np.count_nonzero(own)) / max(int(np.count_nonzero(whole)), 1)
        if left < config.min_left:
            detail = f"{left:.0%} of it is left in one piece beside better masks, less than {config.min_left:.0%}"
            away[i] = TurnedAway(i, DropReason.OVERLAPPED_MASK, detail)
            continue
        taken |= own
        things.append(Thing(found[i], own, i))
    return things
