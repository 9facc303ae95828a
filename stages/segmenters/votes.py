"""Where to ask: one point for each place that cells name as the centre of their thing.

The encoder says of every cell whether it shows a thing and which way that thing's centre lies. Cells of one thing point
to one place, so the places with many votes are the things, and one prompt each finds them: a tenth of the prompts of a
grid. A thing may have its centre outside itself (a ring), so the prompt is the voting cell nearest to the place.
"""

import numpy as np
from numpy.typing import NDArray

from stages.segmenters.protocol import Evidence, Floats

_LEAST = 6
"""Votes that make a place a candidate; a cell is a 4096th of the picture."""
_NEAR = 2.5
"""Cells from a place within which a vote is one for it."""
_FIRM, _FIRM_SHARE = 1.5, 0.2
"""How far from the place a vote for it may lie: cells, and more for larger masks, in roots of their area."""
_MOST = 64
"""Places in one picture."""


def thing_points(evidence: Evidence, min_thing: float = 0.5) -> NDArray[np.float64]:
    """Returns points ``(n, 2)``, x and y in [0, 1] of the picture, one for each thing voted for; most votes first."""
    height, width = evidence.thing.shape
    rows, columns = np.nonzero(evidence.thing > min_thing)
    x, y = columns + evidence.way[0, rows, columns], rows + evidence.way[1, rows, columns]
    votes = _votes(x, y, height, width)
    points: list[tuple[float, float]] = []
    while votes.size and votes.max() >= _LEAST and len(points) < _MOST:
        row, column = (int(v) for v in np.unravel_index(int(votes.argmax()), votes.shape))
        for_it = np.flatnonzero(np.hypot(x - column, y - row) < _NEAR)
        reach = int(_NEAR)
        votes[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = 0
        if len(for_it) >= _LEAST:
            best = for_it[np.hypot(columns[for_it] - column, rows[for_it] - row).argmin()]
            points.append(((float(columns[best]) + 0.5) / width, (float(rows[best]) + 0.5) / height))
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def agreement_of(logits: Floats, evidence: Evidence) -> NDArray[np.float64]:
    """Returns ``(n,)``: of the cells under each mask ``(n, h, w)``, the share that names one place as their centre.

    A mask of two things taken for one holds cells that point to two places, whatever its predicted IoU says.
    """
    height, width = evidence.thing.shape
    rows, columns = np.indices((height, width))
    x, y = columns + evidence.way[0], rows + evidence.way[1]
    n, tall, wide = logits.shape
    small = (logits > 0).reshape(n, height, tall // height, width, wide // width).mean(axis=(2, 4)) >= 0.5
    shares = np.ones(n)
    for index in range(n):
        own = small[index]
        if own.any():
            away = np.hypot(x[own] - np.median(x[own]), y[own] - np.median(y[own]))
            shares[index] = np.mean(away < _FIRM + _FIRM_SHARE * np.sqrt(np.count_nonzero(own)))
    return shares


def _votes(x: NDArray[np.float64], y: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Returns ``(height, width)``: how many cells point at each cell or one beside it."""
    counts = np.zeros((height + 2, width + 2))
    at = np.clip(np.rint(y), 0, height - 1).astype(np.int64), np.clip(np.rint(x), 0, width - 1).astype(np.int64)
    np.add.at(counts, (at[0] + 1, at[1] + 1), 1)
    windows = np.lib.stride_tricks.sliding_window_view(counts, (3, 3))
    summed: NDArray[np.float64] = windows.sum(axis=(2, 3))
    return summed
