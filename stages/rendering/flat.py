"""Thick flat things: an outline in the x-y plane, extruded along z, with a rounded rim.

An outline is kept as a grid of signed distances (negative inside), so its rim, its side and its front share one field.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

import numpy as np

from stages.rendering.film import Faces, Film, Rays
from stages.rendering.palette import Floats

Outline = Sequence[tuple[float, float]]
_CELLS = 160
_HALF_SPAN = 0.75
_STEPS = 12
_WAVES = 11.0


@dataclass(frozen=True, eq=False)
class DistanceField:
    """Signed distance to an outline on a square grid of half width 0.75 about the origin (unit: thing units)."""

    values: Floats
    """``(160, 160)``, row 0 at y = -0.75."""
    slopes: Floats
    """``(160, 160, 2)``: its slope along x and y."""

    def at(self, x: Floats, y: Floats) -> Floats:
        """Returns distances by bilinear interpolation; outside the grid the border counts."""
        column = np.clip((x + _HALF_SPAN) * ((_CELLS - 1) / (2 * _HALF_SPAN)), 0, _CELLS - 1.001)
        row = np.clip((y + _HALF_SPAN) * ((_CELLS - 1) / (2 * _HALF_SPAN)), 0, _CELLS - 1.001)
        left, top = column.astype(np.int32), row.astype(np.int32)
        u, v = column - left, row - top
        flat, index = self.values.ravel(), top * _CELLS + left
        low = flat[index] * (1 - u) + flat[index + 1] * u
        high = flat[index + _CELLS] * (1 - u) + flat[index + _CELLS + 1] * u
        return (low * (1 - v) + high * v).astype(np.float32)

    def slope_at(self, x: Floats, y: Floats) -> Floats:
        """Returns the outward slope ``(N, 2)`` at the nearest grid points."""
        scale = (_CELLS - 1) / (2 * _HALF_SPAN)
        column = np.clip(np.rint((x + _HALF_SPAN) * scale), 0, _CELLS - 1).astype(np.int32)
        row = np.clip(np.rint((y + _HALF_SPAN) * scale), 0, _CELLS - 1).astype(np.int32)
        return self.slopes[row, column]


class Slab:
    """An outline extruded to a thickness; face 0 is the front and the back, face 1 the rim."""

    def __init__(self, field: DistanceField, thickness: float, bevel: float = 0.07, wave: float = 0.0) -> None:
        """Takes the outline's field, the full thickness, the rim's roundness, and how much the front waves."""
        self.field, self.half, self.bevel, self.wave = field, thickness / 2, bevel, wave
        self.tints: tuple[str, ...] = ("body", "body")

    def trace(self, rays: Rays, film: Film) -> None:
        """See `Shape.trace`."""
        x, y, z = rays.origin
        dx, dy, dz = (float(v) for v in rays.forward)
        side = -self.half if dz > 0 else self.half
        t = (side - z) / dz
        x, y = x + t * dx, y + t * dy
        distance = self.field.at(x, y)
        whole = (slice(None), slice(None))
        film.keep(whole, t, distance <= 0, 0)
        speed = float(np.hypot(dx, dy))
        band = np.flatnonzero((distance > 0) & (distance < speed * 2 * self.half / abs(dz)))
        if band.size == 0:
            return
        x, y = x.ravel()[band], y.ravel()[band]
        walked: Floats = np.zeros(band.size, dtype=np.float32)
        gap = distance.ravel()[band]
        for _ in range(_STEPS):
            walked = (walked + np.maximum(gap, 0.0) / speed).astype(np.float32)
            gap = self.field.at(x + walked * dx, y + walked * dy)
        depth = np.full(t.shape, np.inf, dtype=np.float32)
        reached = (gap < 0.006) & (walked * abs(dz) <= 2 * self.half)
        depth.ravel()[band[reached]] = (t.ravel()[band] + walked)[reached]
        film.keep(whole, depth, np.isfinite(depth), 1)

    def normals(self, points: Floats, faces: Faces) -> Floats:
        """See `Shape.normals`."""
        x, y = points[:, 0], points[:, 1]
        slope = self.field.slope_at(x, y)
        rise = np.clip(1 + self.field.at(x, y) / self.bevel, 0, 1)
        across = np.where(faces == 0, 0.95 * rise * rise, 1.0)
        depth = np.where(faces == 0, 1.0, np.clip(np.abs(points[:, 2]) / self.half, 0, 1) ** 3 * 0.8)
        facing = np.where(points[:, 2] >= 0, depth, -depth)
        out = np.concatenate([slope * across[:, None], facing[:, None]], axis=1).astype(np.float32)
        if self.wave:
            out[:, 0] += self.wave * np.cos(_WAVES * x) * facing
        return out

    def samples(self) -> Floats:
        """See `Shape.samples`."""
        ticks = np.linspace(-_HALF_SPAN, _HALF_SPAN, _CELLS, dtype=np.float32)
        rows, columns = np.nonzero(self.field.values[::2, ::2] <= 0)
        flat = np.stack([ticks[::2][columns], ticks[::2][rows]], axis=1)
        rim_rows, rim_columns = np.nonzero(np.abs(self.field.values) < 0.006)
        rim = np.stack([ticks[rim_columns], ticks[rim_rows]], axis=1)
        layers = [(flat, self.half), (flat, -self.half), (rim, self.half), (rim, 0.0), (rim, -self.half)]
        return np.concatenate([np.insert(xy, 2, z, axis=1) for xy, z in layers]).astype(np.float32)


def distance_field(outline: Outline, rounding: float) -> DistanceField:
    """Returns the field of a closed polygon grown by `rounding`, which rounds its corners."""
    ticks = np.linspace(-_HALF_SPAN, _HALF_SPAN, _CELLS, dtype=np.float32)
    x, y = np.meshgrid(ticks, ticks)
    nearest = np.full(x.shape, np.inf, dtype=np.float32)
    inside = np.zeros(x.shape, dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
        ex, ey = x1 - x0, y1 - y0
        share = np.clip(((x - x0) * ex + (y - y0) * ey) / max(ex * ex + ey * ey, 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - x0 - share * ex, y - y0 - share * ey))
        crosses = (y0 > y) != (y1 > y)
        if ey != 0:
            inside ^= crosses & (x < x0 + (y - y0) * (ex / ey))
    values = (np.where(inside, -nearest, nearest) - rounding).astype(np.float32)
    step = 2 * _HALF_SPAN / (_CELLS - 1)
    along_y, along_x = np.gradient(values, step)
    return DistanceField(values, np.stack([along_x, along_y], axis=-1).astype(np.float32))


@lru_cache(maxsize=8)
def star_field(points: int) -> DistanceField:
    """Returns a star with that many points, one of them straight up, reaching 0.55 from the origin."""
    inner = {4: 0.2, 5: 0.235, 6: 0.27, 7: 0.285, 8: 0.3}[points]
    outline = []
    for index in range(2 * points):
        reach = 0.53 if index % 2 == 0 else inner
        angle = pi / 2 + pi * index / points
        outline.append((reach * cos(angle), reach * sin(angle)))
    return distance_field(outline, 0.02)


@lru_cache(maxsize=1)
def heart_field() -> DistanceField:
    """Returns a heart 1.0 wide, its tip down, about the origin."""
    outline = []
    for index in range(56):
        t = 2 * pi * index / 56
        x = 16 * sin(t) ** 3
        y = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)
        outline.append((x * 0.0293, y * 0.0293 + 0.06))
    return distance_field(outline, 0.02)


@lru_cache(maxsize=1)
def pennant_field() -> DistanceField:
    """Returns a waving rectangle 0.8 wide and 0.52 high about the origin."""
    ticks = [-0.4 + 0.8 * index / 24 for index in range(25)]
    top = [(x, 0.26 + 0.03 * sin(_WAVES * x)) for x in ticks]
    bottom = [(x, -0.26 + 0.03 * sin(_WAVES * x)) for x in reversed(ticks)]
    return distance_field([*top, *bottom], 0.005)
