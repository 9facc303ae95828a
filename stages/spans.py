"""Masks on the coarse grid of `SPAN_GRID` cells a side, as runs. Integer arithmetic: the same on every machine."""

import numpy as np
from numpy.typing import NDArray

from schemas.instance import SPAN_GRID, Span
from stages.masks import BoolMask


def spans_of(mask: BoolMask, min_cell_share: float, grid: int = SPAN_GRID) -> tuple[Span, ...]:
    """Returns the covered cells of a ``(H, W)`` mask as runs sorted by (y, x0).

    A cell is covered when at least ``min_cell_share`` of its area is mask; where none is, the fullest cell is (the
    first of equals, row by row). Cells need not hold whole pixels. Empty for an empty mask.
    """
    height, width = mask.shape
    covered_area = _shrink(_shrink(mask.astype(np.int64), grid).T, grid).T
    covered = covered_area >= min_cell_share * height * width
    covered &= covered_area > 0
    if not covered.any() and covered_area.any():
        covered.flat[int(covered_area.argmax())] = True
    edges = np.diff(covered.astype(np.int8), axis=1, prepend=0, append=0)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return tuple(Span(y=y, x0=x0, x1=x1) for (y, x0), (_, x1) in pairs)


def _shrink(values: NDArray[np.int64], cells: int) -> NDArray[np.int64]:
    """Returns the sums of axis 0 over ``cells`` equal stretches, in units of 1/cells of a row."""
    size = values.shape[0]
    whole, part = np.divmod(np.arange(cells + 1) * size, cells)
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    rows = np.concatenate([values, np.zeros_like(values[:1])])
    at_boundary = sums[whole] * cells + rows[whole] * part[:, None]
    areas: NDArray[np.int64] = at_boundary[1:] - at_boundary[:-1]
    return areas
