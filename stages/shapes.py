"""Masks to outlines that a page can draw: closed polygons on a grid of whole pixels, as an SVG path.

Outlines are contours of the mask at one half (contourpy), thinned by Douglas and Peucker's rule to what the eye sees.
"""

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.masks import BoolMask

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
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    field = np.pad(np.asarray(grey, dtype=np.float64) / 255, 1)
    lines = contourpy.contour_generator(z=field).lines(0.5)
    limit = np.array(size, dtype=np.float64)
    # Sample (i, j) is the centre of pixel (i - 1, j - 1).
    return [np.clip(np.asarray(line) - 0.5, 0, limit) for line in lines]


def _thinned(ring: Line) -> Line:
    """Returns the ring with only the corners that matter; at least a triangle."""
    points = ring[:-1]
    far = int(np.argmax(((points - points[0]) ** 2).sum(axis=1)))
    halves = (_simplified(points[: far + 1]), _simplified(np.vstack([points[far:], points[:1]])))
    kept = np.vstack([halves[0][:-1], halves[1][:-1]])
    return kept if len(kept) >= 3 else points


def _simplified(points: Line) -> Line:
    """Douglas and Peucker: a stretch becomes a straight line where no point is farther than the tolerance from it."""
    keep = np.zeros(len(points), dtype=np.bool_)
    keep[[0, -1]] = True
    stack = [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        offset = _distances(points[first + 1 : last], points[first], points[last])
        worst = int(np.argmax(offset))
        if offset[worst] > TOLERANCE:
            middle = first + 1 + worst
            keep[middle] = True
            stack += [(first, middle), (middle, last)]
    return points[keep]


def _distances(points: Line, start: Line, end: Line) -> NDArray[np.float64]:
    along = end - start
    length = float(np.hypot(*along))
    away = points - start
    if length == 0:
        return np.asarray(np.hypot(away[:, 0], away[:, 1]))
    return np.asarray(np.abs(away[:, 0] * along[1] - away[:, 1] * along[0]) / length)


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
