"""Connected pieces of a mask, without a library that only does this."""

import numpy as np
from numpy.typing import NDArray

from stages.masks import BoolMask


def largest_component(mask: BoolMask) -> BoolMask:
    """Returns the largest piece of a ``(H, W)`` mask, 4-connected; the first one in reading order where sizes tie.

    Runs of each row are joined with the runs they touch in the row above (union by the smaller label), so the work is
    proportional to the runs, not to the pixels.
    """
    rows, starts, ends = _runs(mask)
    if len(rows) < 2:
        return mask.copy()
    labels = _join(rows, starts, ends)
    sizes = np.bincount(labels, weights=ends - starts)
    if np.count_nonzero(sizes) == 1:
        return mask.copy()
    chosen = labels == int(sizes.argmax())
    piece = np.zeros(mask.shape, dtype=np.int8)
    np.add.at(piece, (rows[chosen], starts[chosen]), 1)
    inside = ends[chosen] < mask.shape[1]
    np.add.at(piece, (rows[chosen][inside], ends[chosen][inside]), -1)
    return piece.cumsum(axis=1) > 0


def _runs(mask: BoolMask) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns row, first and one past the last column of every run, in reading order."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return rows, starts, ends


def _join(rows: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    row, start, end = rows.tolist(), starts.tolist(), ends.tolist()
    above = 0
    for i in range(len(row)):
        while above < i and (row[above] < row[i] - 1 or (row[above] == row[i] - 1 and end[above] <= start[i])):
            above += 1
        j = above
        while j < i and row[j] == row[i] - 1 and start[j] < end[i]:
            a, b = root(i), root(j)
            parent[max(a, b)] = min(a, b)
            j += 1
    return np.array([root(i) for i in range(len(row))], dtype=np.int64)
