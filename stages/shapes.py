"""Masks to outlines that a page can draw: closed polygons on a grid of whole pixels, as an SVG path.

Outlines are contours of the mask at one half (contourpy), thinned by Douglas and Peucker's rule to what the eye sees.
"""

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.masks import BoolMask, box_xyxy_of

Line = NDArray[np.float64]
"""``(n, 2)`` points ``x, y`` in pixels of the picture as drawn."""

TOLERANCE = 0.7
"""Pixels that an outline may be off by."""
_LEAST_AREA = 3.0
"""Square pixels; smaller specks are left out, unless there is nothing else."""


def path_of(mask: BoolMask, size: tuple[int, int]) -> str:
    """Returns the mask's outline on a picture of ``size`` (width, height) as an SVG path, to be filled even-odd.

    Empty where the mask is.
    """
    if not mask.any():
        return ""
    rings = [ring for ring in _rings(mask, size) if len(ring) > 3]
    large = [ring for ring in rings if _area(ring) >= _LEAST_AREA]
    chosen = large or sorted(rings, key=_area)[-1:]
    return "".join(_path(_thinned(ring)) for ring in chosen) or _dot(mask, size)


def box_path(box_xyxy: tuple[float, float, float, float], scale: float) -> str:
    """Returns a box as an SVG path; ``scale`` is the drawn picture's size relative to the box's."""
    x0, y0, x1, y1 = (round(value * scale) for value in box_xyxy)
    return f"M{x0} {y0}h{max(1, x1 - x0)}v{max(1, y1 - y0)}h{-max(1, x1 - x0)}z"


def _rings(mask: BoolMask, size: tuple[int, int]) -> list[Line]:
    """Returns the closed contours on the drawn picture. A rim of background closes those that meet the border."""
    height, width = mask.shape
    across, down = width / size[0], height / size[1]
    x0, y0, x1, y1 = box_xyxy_of(mask)
    # Only the part of the drawn picture that the mask is on, in its whole pixels: a mask is small, a picture is not.
    left, top = int(x0 / across), int(y0 / down)
    right, bottom = min(size[0], int(x1 / across) + 1), min(size[1], int(y1 / down) + 1)
    part = (left * across, top * down, min(width, right * across), min(height, bottom * down))
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(
        (right - left, bottom - top), Image.Resampling.BOX, box=part
    )
    field = np.pad(np.asarray(grey, dtype=np.float64) / 255, 1)
    lines = contourpy.contour_generator(z=field).lines(0.5)
    limit = np.array(size, dtype=np.float64)
    # Sample (i, j) is the centre of pixel (i - 1, j - 1).
    return [np.clip(np.asarray(line) + (left - 0.5, top - 0.5), 0, limit) for line in lines]


def _thinned(ring: Line) -> Line:
    """Returns the ring with only the corners that matter; at least a triangle."""
    points = ring[:-1]
    far = int(np.argmax(((points - points[0]) ** 2).sum(axis=1)))
    halves = (_simplified(points[: far + 1]), _simplified(np.vstack([points[far:], points[:1]])))
    kept = np.vstack([halves[0][:-1], halves[1][:-1]])
    return kept if len(kept) >= 3 else points


def _simplified(points: Line) -> Line:
    """Douglas and Peucker: a stretch becomes a straight line where no point is farther than the tolerance from it.

    All stretches are looked at together, and each that bends too much is cut at its farthest point, until none does.
    """
    kept: NDArray[np.intp] = np.unique([0, len(points) - 1])
    while len(kept) > 1:
        lengths = np.diff(kept)
        starts, ends = (np.repeat(points[which], lengths, axis=0) for which in (kept[:-1], kept[1:]))
        offset = _distances(points[:-1], starts, ends)
        worst = np.maximum.reduceat(offset, kept[:-1])
        farthest = np.flatnonzero((offset == np.repeat(worst, lengths)) & (offset > TOLERANCE))
        if not farthest.size:
            break
        _, first = np.unique(np.searchsorted(kept, farthest, side="right"), return_index=True)
        kept = np.union1d(kept, farthest[first])
    return points[kept]


def _distances(points: Line, starts: Line, ends: Line) -> NDArray[np.float64]:
    """Returns the distance of each point from its own line; from its start where that is the end too."""
    along, away = ends - starts, points - starts
    length = np.hypot(along[:, 0], along[:, 1])
    across = np.abs(away[:, 0] * along[:, 1] - away[:, 1] * along[:, 0])
    still = length == 0
    return np.asarray(np.where(still, np.hypot(away[:, 0], away[:, 1]), across / np.where(still, 1.0, length)))


def _path(ring: Line) -> str:
    """Returns the ring in whole pixels, by steps from point to point: short to write down."""
    whole = np.rint(ring).astype(int)
    steps = np.diff(whole, axis=0)
    steps = steps[(steps != 0).any(axis=1)]
    return f"M{whole[0][0]} {whole[0][1]}l" + " ".join(f"{x} {y}" for x, y in steps.tolist()) + "z"


def _dot(mask: BoolMask, size: tuple[int, int]) -> str:
    """Returns a square for a mask too small for a contour."""
    rows, columns = np.nonzero(mask)
    x = round(float(columns.mean()) * size[0] / mask.shape[1])
    y = round(float(rows.mean()) * size[1] / mask.shape[0])
    return f"M{max(0, x - 2)} {max(0, y - 2)}h4v4h-4z"


def _area(ring: Line) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))) / 2
