"""Whether two pictures show the same, also after compressing, resizing, turning, mirroring, cropping or recolouring.

A *thumbnail* is all that is kept of a picture: 64 x 64 grey values. Of two pictures that may show the same, one whole
is laid over a region of the other, moved a little, and compared point by point; only that decides. Which pairs and
regions are worth it: `stages.prints`.
"""

from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
"""Pixels of each side of a thumbnail, whatever the picture's shape."""
_SCALES = (1.0, 0.92, 0.84, 0.76, 0.68)
"""Regions that a copy may have been cut out as: shares of each side, independent of one another."""
_STEP = 0.04
"""Between the places of regions of one size."""
ALIKE = 0.78
"""Correlation of detail from which two pictures show the same. Measured: `docs/selection.md`."""
_WORTH_MOVING = 0.3
"""Correlation before moving, below which moving a region a little would not help."""
_GRID = 32
"""Points along each side that are compared."""
COARSE = 3
"""Waves along each axis that are left out of the comparison: scenes on like backgrounds share those."""
_MOVES = (0.03, 0.015, 0.0075)
"""Shares of a side that a region's edges are moved by, in rounds."""
_FLAT = 2.0
"""Standard deviation of grey values below which a picture shows too little to be recognised."""

TILTS = (0.0, 4.5, -4.5)
FORMS = 8 * len(TILTS)

Thumbnail = NDArray[np.uint8]
"""``(SIDE, SIDE)`` grey."""
Floats = NDArray[np.floating[Any]]


def thumbnail_of(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Returns the thumbnail of ``(H, W, 3)`` RGB pixels."""
    grey = Image.fromarray(pixels).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=3.0))


class Span(NamedTuple):
    """Part of one side, as shares of it."""

    start: float
    end: float


@cache
def spans() -> tuple[Span, ...]:
    """Returns the parts of a side that regions are made of; the whole comes first."""
    found = []
    for scale in _SCALES:
        places = round((1 - scale) / _STEP) + 1 if scale < 1 else 1
        for place in range(places):
            start = (1 - scale) * place / max(1, places - 1)
            found.append(Span(start, start + scale))
    return tuple(found)


def turned(thumbnail: Thumbnail, form: int) -> Thumbnail:
    """Returns a thumbnail in one of its forms: four quarter turns, mirrored or not, level or tilted to either side.

    A tilted one is cut down to what the picture surely covers.
    """
    tilt, turn = divmod(form, 8)
    return faced(tilted(thumbnail, TILTS[tilt]) if tilt else thumbnail, turn)


def faced(pictures: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Returns ``(..., SIDE, SIDE)`` pictures turned left by a quarter `turn` times; from 4 on mirrored first."""
    flipped = pictures[..., :, ::-1] if turn >= 4 else pictures
    return np.ascontiguousarray(np.rot90(flipped, turn % 4, axes=(-2, -1)))


def tilted(thumbnail: Thumbnail, degrees: float) -> Thumbnail:
    """Returns what a thumbnail surely covers after it was tilted, at full size."""
    cut = SIDE * np.sin(np.radians(abs(degrees))) / 2 + 1
    large = Image.fromarray(thumbnail).rotate(degrees, Image.Resampling.BICUBIC)
    box = (cut, cut, SIDE - cut, SIDE - cut)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box))


def is_flat(thumbnail: Thumbnail) -> bool:
    """Whether a picture shows too little to be recognised: an empty sheet is like every other."""
    return float(thumbnail.std()) < _FLAT


def likeness(whole: Thumbnail, other: Thumbnail, region: int) -> float:
    """Returns how well a picture, turned already, fits a region of another one, from -1 to 1.

    What is compared is detail: grey values without their coarsest waves. The region's edges are moved to where it fits
    best, in ever smaller steps.
    """
    count = len(spans())
    rows, columns = spans()[region // count], spans()[region % count]
    wanted = _detail(_resampled(whole, (Span(0, 1),), (Span(0, 1),)))[0, 0]
    best, rows, columns = _best_fit(wanted, other, (rows,), (columns,))
    if best < _WORTH_MOVING:
        return best
    for move in _MOVES:
        found = _best_fit(wanted, other, _moved(rows, move), _moved(columns, move))
        if found[0] > best:
            best, rows, columns = found
    return best


def _moved(span: Span, move: float) -> tuple[Span, ...]:
    steps = (-move, 0.0, move)
    return tuple(Span(max(0.0, span.start + a), min(1.0, span.end + b)) for a in steps for b in steps)


def _best_fit(
    wanted: Floats, other: Thumbnail, rows: tuple[Span, ...], columns: tuple[Span, ...]
) -> tuple[float, Span, Span]:
    fits = np.einsum("rcij,ij->rc", _detail(_resampled(other, rows, columns)), wanted)
    row, column = np.unravel_index(int(fits.argmax()), fits.shape)
    return float(fits[row, column]), rows[int(row)], columns[int(column)]


def _resampled(thumbnail: Thumbnail, rows: tuple[Span, ...], columns: tuple[Span, ...]) -> Floats:
    """Returns ``(R, C, GRID, GRID)``: every pair of row and column spans, at the grid's size."""
    down, across = _cells(rows), _cells(columns)
    cut = down @ thumbnail.astype(np.float32) @ across.T
    shape = (len(rows), _GRID, len(columns), _GRID)
    resampled: Floats = cut.reshape(shape).transpose(0, 2, 1, 3)
    return resampled


@lru_cache(maxsize=512)
def _cells(parts: tuple[Span, ...]) -> Floats:
    """Returns ``(len(parts) * GRID, SIDE)``: the mean over each of a part's cells, as weights of pixels."""
    ends = np.concatenate([np.linspace(part.start, part.end, _GRID + 1) for part in parts]) * SIDE
    covered = np.clip(ends[:, None] - np.arange(SIDE), 0, 1).reshape(len(parts), _GRID + 1, SIDE)
    weights = np.diff(covered, axis=1)
    widths = weights.sum(axis=2, keepdims=True)
    cells: Floats = (weights / widths).reshape(-1, SIDE).astype(np.float32)
    return cells


def _detail(pictures: Floats) -> Floats:
    """Returns pictures without their coarse waves, each of length 1; a flat one is all zeros."""
    waves = _coarse_waves()
    fine = pictures - waves.T @ (waves @ pictures @ waves.T) @ waves
    lengths = np.sqrt((fine**2).sum(axis=(-2, -1), keepdims=True))
    unit: Floats = np.where(lengths > 1e-3, fine / np.maximum(lengths, 1e-3), 0)
    return unit


@cache
def _coarse_waves() -> Floats:
    places = (np.arange(_GRID) + 0.5) / _GRID
    waves = np.cos(np.pi * np.arange(COARSE)[:, None] * places)
    unit: Floats = (waves / np.linalg.norm(waves, axis=1, keepdims=True)).astype(np.float32)
    return unit
