"""Finding everything with a segmenter that answers points: a coarse grid first, then only where nothing was found.

The grids of `segment_anything` ask about every cell alike, so a large thing is decoded dozens of times. Here a point
that lies in a mask already found is not asked about, and where the model says which cells show a thing at all, the
ground is not asked about either. In: a function that decodes a batch of points. Out: masks without copies, best first.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.record import Record
from stages.segmenters.protocol import Floats, Found, stability_of

Decode = Callable[[NDArray[np.float64]], tuple[Floats, Floats]]
"""Points ``(n, 2)``, x and y in [0, 1] of the picture, to logits ``(n, k, h, w)`` and predicted IoU ``(n, k)``."""


class GridConfig(Record):
    """How densely to ask, and what to believe."""

    sides: tuple[int, ...] = (8, 16, 32)
    """Points along each side of the successive grids."""
    batch: int = Field(default=64, ge=1)
    """Points decoded together: bounds the memory."""
    min_quality: float = Field(default=0.88, ge=0, le=1)
    min_stability: float = Field(default=0.95, ge=0, le=1)
    copy_iou: float = Field(default=0.7, gt=0, le=1)
    """Above this IoU two answers are the same mask."""
    rival_share: float = Field(default=1.0, gt=0, le=1)
    """Above this share of the smaller of two masks in the other only the better one stays; 1: parts beside wholes."""
    min_ground: float = Field(default=0.35, ge=0, le=1)
    """Least probability of a thing, where the model gives one, at a point that is asked about."""
    most: int = Field(default=256, ge=1)
    """Masks kept per picture, the best."""


class Probe(NamedTuple):
    """One picture, ready to be asked about."""

    decode: Decode
    thing: Floats | None = None
    """``(h, w)``: probability that a cell shows a thing at all, over the picture; None where the model does not say."""
    cover_xy: tuple[float, float] = (1.0, 1.0)
    """Shares of the logits' columns and rows that the picture covers; the rest is padding."""
    first: NDArray[np.float64] | None = None
    """``(n, 2)``: points to ask about before any grid, whatever else is found."""

    def reach_of(self, logits: Floats) -> tuple[float, float]:
        """Returns `Found.reach_xy` of logits ``(..., h, w)``."""
        return self.cover_xy[0] * logits.shape[-1], self.cover_xy[1] * logits.shape[-2]


def find_everything(probe: Probe, config: GridConfig) -> list[Found]:
    """Returns the masks of a picture above the thresholds, without copies, best first."""
    kept: list[Found] = []
    if probe.first is not None and len(probe.first):
        kept = _without_copies(_good(probe, probe.first, config), config)[: config.most]
    for side in config.sides:
        points = _open_points(side, probe, kept, config)
        for start in range(0, len(points), config.batch):
            batch = points[start : start + config.batch]
            if start:
                batch = batch[~_covered(batch, kept)]
            if len(batch):
                kept = _without_copies([*kept, *_good(probe, batch, config)], config)[: config.most]
    return kept


def best_answers(logits: Floats, quality: Floats, cover_xy: tuple[float, float] = (1.0, 1.0)) -> list[Found]:
    """Returns for each prompt the one of its masks ``(n, k, h, w)`` with the best predicted IoU ``(n, k)``."""
    best = quality.argmax(axis=1)
    chosen = logits[np.arange(len(best)), best]
    stability = stability_of(chosen)
    reach_xy = (cover_xy[0] * logits.shape[3], cover_xy[1] * logits.shape[2])
    return [
        Found(chosen[i], reach_xy, float(np.clip(quality[i, k], 0, 1)), float(stability[i])) for i, k in enumerate(best)
    ]


def _without_copies(found: list[Found], config: GridConfig) -> list[Found]:
    return without_copies(found, config.copy_iou, config.rival_share)


def without_copies(found: list[Found], copy_iou: float, rival_share: float = 1.0) -> list[Found]:
    """Returns the masks best first, none with more than the given IoU or share of the smaller one with a better one."""
    if not found:
        return []
    order = sorted(range(len(found)), key=lambda i: (-found[i].quality * found[i].stability, i))
    flat = np.stack([found[i].cells.ravel() for i in order]).astype(np.float32)
    areas = flat.sum(axis=1)
    shared = flat @ flat.T
    iou = shared / np.maximum(areas[:, None] + areas[None, :] - shared, 1)
    inside = shared / np.maximum(np.minimum(areas[:, None], areas[None, :]), 1)
    rivals = (iou > copy_iou) | (inside > rival_share)
    kept: list[int] = []
    for i in range(len(order)):
        if areas[i] and not any(rivals[i, j] for j in kept):
            kept.append(i)
    return [found[order[i]] for i in kept]


def _good(probe: Probe, points: NDArray[np.float64], config: GridConfig) -> list[Found]:
    """Returns the answers to a batch of points that are above the thresholds: all masks of a point, as parts nest."""
    logits, quality = probe.decode(points)
    stability = stability_of(logits)
    good = (quality >= config.min_quality) & (stability >= config.min_stability)
    reach_xy = probe.reach_of(logits)
    return [
        Found(logits[n, k], reach_xy, float(np.clip(quality[n, k], 0, 1)), float(stability[n, k]))
        for n, k in np.argwhere(good)
    ]


def _open_points(side: int, probe: Probe, kept: list[Found], config: GridConfig) -> NDArray[np.float64]:
    """Returns the centres of a grid's cells that lie in no mask yet and may show a thing; ``(n, 2)`` in [0, 1]."""
    ticks = (np.arange(side) + 0.5) / side
    points: NDArray[np.float64] = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    points = points[~_covered(points, kept)]
    if probe.thing is not None:
        rows, columns = _cells_at(points, (probe.thing.shape[1], probe.thing.shape[0]), probe.thing.shape)
        points = points[probe.thing[rows, columns] >= config.min_ground]
    return points


def _covered(points: NDArray[np.float64], kept: list[Found]) -> NDArray[np.bool_]:
    covered = np.zeros(len(points), dtype=np.bool_)
    for found in kept:
        rows, columns = _cells_at(points, found.reach_xy, found.logits.shape)
        covered |= found.logits[rows, columns] > 0
    return covered


def _cells_at(
    points: NDArray[np.float64], reach_xy: tuple[float, float], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    columns = np.clip((points[:, 0] * reach_xy[0]).astype(np.int64), 0, shape[1] - 1)
    rows = np.clip((points[:, 1] * reach_xy[1]).astype(np.int64), 0, shape[0] - 1)
    return rows, columns
