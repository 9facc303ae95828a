"""Polygons to masks, pixel for pixel as ``pycocotools`` draws them (`rleFrPoly` of the COCO API, maskApi.c)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.masks import BoolMask

_SCALE = 5
"""The outline is walked on a grid this many times finer than the pixels."""


def polygons_to_mask(polygons: Sequence[Sequence[float]], height: int, width: int) -> BoolMask:
    """Returns the union of polygons, each a flat ``[x0, y0, x1, y1, ...]`` in pixels, as a ``(H, W)`` mask.

    What lies outside is cut off. Coordinates must be finite and within some image sizes of the picture: the walk costs
    time and memory in proportion to the outline's length.
    """
    mask = np.zeros((height, width), dtype=np.bool_)
    for polygon in polygons:
        mask |= _fill(polygon, height, width)
    return mask


def _fill(polygon: Sequence[float], height: int, width: int) -> BoolMask:
    """Returns one polygon's mask: column-major pixels toggle at each crossing of the outline."""
    u, v = _walk(np.asarray(polygon, dtype=np.float64).reshape(-1, 2))
    crossing = np.flatnonzero(u[1:] != u[:-1]) + 1
    column = np.where(u[crossing] < u[crossing - 1], u[crossing], u[crossing] - 1)
    x = (column + 0.5) / _SCALE - 0.5
    kept = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    y = (np.minimum(v[crossing], v[crossing - 1])[kept] + 0.5) / _SCALE - 0.5
    y = np.ceil(np.clip(y, 0, height))
    toggles = x[kept].astype(np.int64) * height + y.astype(np.int64)
    toggled = np.bincount(toggles, minlength=height * width + 1)[: height * width]
    inside: BoolMask = np.cumsum(toggled) % 2 == 1
    return inside.reshape((height, width), order="F")


def _walk(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns fine-grid points densely along the closed outline, in order."""
    fine = np.trunc(_SCALE * points + 0.5).astype(np.int64)
    starts, ends = fine, np.roll(fine, -1, axis=0)
    pieces = [_line(start, end) for start, end in zip(starts, ends, strict=True)]
    return np.concatenate([u for u, _ in pieces]), np.concatenate([v for _, v in pieces])


def _line(start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the grid points from ``start`` to ``end``; drawn from the smaller end of the longer axis, then turned."""
    steep = abs(end[0] - start[0]) < abs(end[1] - start[1])
    along, across = (1, 0) if steep else (0, 1)
    turned = bool(start[along] > end[along])
    low, high = (end, start) if turned else (start, end)
    length = int(high[along] - low[along])
    steps = np.arange(length + 1)
    slope = (high[across] - low[across]) / length if length else 0.0
    main = low[along] + steps
    other = np.trunc(low[across] + slope * steps + 0.5).astype(np.int64)
    if turned:
        main, other = main[::-1], other[::-1]
    return (other, main) if steep else (main, other)
