"""Whether two pictures show the same, also after compressing, resizing, turning, mirroring, cropping or recolouring.

A *thumbnail* is all that is kept of a picture: 64 x 64 grey values. From it come *prints*, 63 signs of low
frequencies (a discrete cosine transform of the region, Zauner's pHash without its median): of the whole picture in
its turned, mirrored and tilted forms, and of some hundred regions of it. Where a print of one picture's whole is close
to a print of a region of the other, the two are laid over one another, moved a little, and compared point by point;
only that decides. All regions of a picture cost one product of matrices, since each is a product of a row and a
column part.
"""

from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
"""Pixels of each side of a thumbnail, whatever the picture's shape."""
_WAVES = 8
"""Frequencies along each axis."""
_SCALES = (1.0, 0.92, 0.84, 0.76, 0.68)
"""Regions that a copy may have been cut out as: shares of each side, independent of one another."""
_STEP = 0.04
"""Between the places of regions of one size."""
CLOSE = 11
"""Signs of 63 in which the prints of a copy may differ; what is within is compared point by point."""
ALIKE = 0.78
"""Correlation of detail from which two pictures show the same. Measured: `docs/selection.md`."""
_WORTH_MOVING = 0.3
"""Correlation before moving, below which moving a region a little would not help."""
_GRID = 32
"""Points along each side that are compared."""
_COARSE = 3
"""Waves along each axis that are left out of the comparison: scenes on like backgrounds share those."""
_MOVES = (0.03, 0.015, 0.0075)
"""Shares of a side that a region's edges are moved by, in rounds."""
_FLAT = 2.0
"""Standard deviation of grey values below which a picture shows too little to be recognised."""

_TILTS = (0.0, 4.5, -4.5)
FORMS = 8 * len(_TILTS)

Thumbnail = NDArray[np.uint8]
"""``(SIDE, SIDE)`` grey."""
Floats = NDArray[np.floating[Any]]
Prints = NDArray[np.uint64]


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


def prints_of(thumbnails: NDArray[np.uint8]) -> Prints:
    """Returns ``(N, R)`` prints of all regions of ``(N, SIDE, SIDE)`` thumbnails; the whole picture is region 0."""
    matrix = _waves_of(spans())  # (S * 8, SIDE)
    count = len(spans())
    grey = thumbnails.astype(np.float32) - 128
    waves = matrix @ grey @ matrix.T
    by_region = waves.reshape(len(grey), count, _WAVES, count, _WAVES).transpose(0, 1, 3, 2, 4)
    return _signs(by_region.reshape(len(grey), count * count, _WAVES, _WAVES))


def turned_prints_of(thumbnails: NDArray[np.uint8]) -> Prints:
    """Returns ``(N, FORMS)`` prints of the whole picture in all the forms of `turned`."""
    matrix = _waves_of((Span(0, 1),))
    level = [np.stack([_tilted(one, tilt) if tilt else one for one in thumbnails]) for tilt in _TILTS]
    forms = np.stack([_faced(pictures, turn) for pictures in level for turn in range(8)], axis=1)
    return _signs(matrix @ (forms.astype(np.float32) - 128) @ matrix.T)


def turned(thumbnail: Thumbnail, form: int) -> Thumbnail:
    """Returns a thumbnail in one of its forms: four quarter turns, mirrored or not, level or tilted to either side.

    A tilted one is cut down to what the picture surely covers.
    """
    tilt, turn = divmod(form, 8)
    return _faced(_tilted(thumbnail, _TILTS[tilt]) if tilt else thumbnail, turn)


def _faced(pictures: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    flipped = pictures[..., :, ::-1] if turn >= 4 else pictures
    return np.ascontiguousarray(np.rot90(flipped, turn % 4, axes=(-2, -1)))


def _tilted(thumbnail: Thumbnail, degrees: float) -> Thumbnail:
    cut = SIDE * np.sin(np.radians(abs(degrees))) / 2 + 1
    large = Image.fromarray(thumbnail).rotate(degrees, Image.Resampling.BICUBIC)
    box = (cut, cut, SIDE - cut, SIDE - cut)
    return np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box))


def _waves_of(parts: tuple[Span, ...]) -> Floats:
    """Returns ``(len(parts) * 8, SIDE)``: low cosine waves over each part, zero outside."""
    rows = []
    for part in parts:
        edges = np.clip((np.arange(SIDE + 1) / SIDE - part.start) / (part.end - part.start), 0, 1)
        for wave in range(_WAVES):
            # The integral of cos(pi * wave * x) over each pixel: parts need not end at whole pixels.
            area = edges if wave == 0 else np.sin(np.pi * wave * edges) / (np.pi * wave)
            rows.append(np.diff(area))
    found: Floats = np.asarray(rows, dtype=np.float32)
    return found


def _signs(waves: Floats) -> Prints:
    """Returns the signs of ``(..., 8, 8)`` waves as 64-bit numbers; the mean, which says nothing, is left out."""
    flat = waves.reshape(*waves.shape[:-2], _WAVES * _WAVES)
    bits = np.packbits(flat[..., 1:] > 0, axis=-1)
    return np.ascontiguousarray(bits).view(">u8")[..., 0].astype(np.uint64)


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


@lru_cache(maxsize=4096)
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
    waves = np.cos(np.pi * np.arange(_COARSE)[:, None] * places)
    unit: Floats = (waves / np.linalg.norm(waves, axis=1, keepdims=True)).astype(np.float32)
    return unit
