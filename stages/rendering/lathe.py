"""Turned things: a profile revolved about the y axis, hit exactly, one conical band per profile segment.

A profile is a list of ``(radius, height)`` points; walking along it, the outside is on the right hand, so an outer wall
runs upwards, a lid inwards, and the inner wall of a mug downwards.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from math import cos, pi, radians, sin

import numpy as np

from stages.rendering.film import Faces, Film, Rays
from stages.rendering.palette import Floats

Profile = Sequence[tuple[float, float]]
_SEAM = 1e-4
_CREASE_COSINE = 0.64


class Lathe:
    """A surface of revolution with smooth normals, except where the profile turns by more than 50 degrees."""

    def __init__(
        self, profile: Profile, tints: str | Sequence[str] = "body", keep_x_above: float | None = None
    ) -> None:
        """Takes the profile, one tint per segment (or one for all), and an optional cut: only x above it stays."""
        self.points = np.array(profile, dtype=np.float32)
        count = len(profile) - 1
        self.tints: tuple[str, ...] = (tints,) * count if isinstance(tints, str) else tuple(tints)
        if len(self.tints) != count:
            raise ValueError(f"{len(self.tints)} tints for a profile of {count} segments")
        self.keep_x_above = keep_x_above

    @cached_property
    def _segment_normals(self) -> tuple[Floats, Floats]:
        """Normals (radial, upward) at the start and the end of each segment, ``(S, 2)`` each."""
        steps = np.diff(self.points, axis=0)
        flat = np.stack([steps[:, 1], -steps[:, 0]], axis=1)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
        start, end = flat.copy(), flat.copy()
        pairs = list(pairwise(range(len(flat))))
        if np.allclose(self.points[0], self.points[-1]):
            pairs.append((len(flat) - 1, 0))
        for before, after in pairs:
            if float(flat[before] @ flat[after]) > _CREASE_COSINE:
                end[before] = start[after] = flat[before] + flat[after]
        return start, end

    def trace(self, rays: Rays, film: Film) -> None:
        """See `Shape.trace`."""
        dx, dy, dz = (float(v) for v in rays.forward)
        for face, ((r0, y0), (r1, y1)) in enumerate(pairwise(self.points.tolist())):
            window = rays.window_of_ring((y0, y1), max(r0, r1))
            x, y, z = rays.at(window)
            if x.size == 0:
                continue
            if abs(y1 - y0) < 1e-6:
                if (r0 - r1) * dy >= 0:
                    continue
                t = (y0 - y) / dy
                square = (x + t * dx) ** 2 + (z + t * dz) ** 2
                hit = (square <= max(r0, r1) ** 2) & (square >= min(r0, r1) ** 2)
            else:
                slope = (r1 - r0) / (y1 - y0)
                q = slope * y + (r0 - slope * y0)
                m = slope * dy
                a = dx * dx + dz * dz - m * m
                a = a if abs(a) > 1e-6 else 1e-6
                b = x * dx + z * dz - m * q
                root = b * b - a * (x * x + z * z - q * q)
                hit = root > 0
                root = np.sqrt(np.maximum(root, 0))
                t = (-b - root) / a if y1 > y0 else (root - b) / a
                height = y + t * dy
                hit &= (height >= min(y0, y1) - _SEAM) & (height <= max(y0, y1) + _SEAM)
            if self.keep_x_above is not None:
                hit &= x + t * dx > self.keep_x_above
            film.keep(window, t.astype(np.float32), hit, face)

    def normals(self, points: Floats, faces: Faces) -> Floats:
        """See `Shape.normals`."""
        start, end = self._segment_normals
        radius = np.maximum(np.hypot(points[:, 0], points[:, 2]), 1e-6)
        first = self.points[:-1][faces]
        step = self.points[1:][faces] - first
        along = (radius - first[:, 0]) * step[:, 0] + (points[:, 1] - first[:, 1]) * step[:, 1]
        share = np.clip(along / np.maximum((step * step).sum(axis=1), 1e-9), 0, 1)[:, None]
        blend = start[faces] * (1 - share) + end[faces] * share
        out = np.empty_like(points)
        out[:, 0] = blend[:, 0] * points[:, 0] / radius
        out[:, 1] = blend[:, 1]
        out[:, 2] = blend[:, 0] * points[:, 2] / radius
        return out

    def samples(self) -> Floats:
        """See `Shape.samples`."""
        steps = np.linspace(0, 1, 4, endpoint=False, dtype=np.float32)[:, None, None]
        rings = (self.points[:-1] * (1 - steps) + self.points[1:] * steps).reshape(-1, 2)
        rings = np.concatenate([rings, self.points[-1:]])
        angles = np.linspace(0, 2 * pi, 40, endpoint=False, dtype=np.float32)
        x, z = np.outer(rings[:, 0], np.cos(angles)), np.outer(rings[:, 0], np.sin(angles))
        y = np.broadcast_to(rings[:, 1:], x.shape)
        points = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
        return points if self.keep_x_above is None else points[points[:, 0] > self.keep_x_above]


def arc(
    centre: tuple[float, float], radius: float, degrees: tuple[float, float], steps: int
) -> list[tuple[float, float]]:
    """Returns profile points on a circle, angles measured from the outward direction towards up."""
    angles = [radians(degrees[0] + (degrees[1] - degrees[0]) * i / steps) for i in range(steps + 1)]
    return [(max(centre[0] + radius * cos(angle), 0.0), centre[1] + radius * sin(angle)) for angle in angles]


def curve(points: Profile, steps: int = 4) -> list[tuple[float, float]]:
    """Returns a smooth profile (Catmull-Rom) through the points."""
    padded = [points[0], *points, points[-1]]
    out: list[tuple[float, float]] = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for i in range(steps):
            t = i / steps
            weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
            values = [0.5 * sum(w * p[k] for w, p in zip(weights, (p0, p1, p2, p3), strict=True)) for k in (0, 1)]
            out.append((max(values[0], 0.0), values[1]))
    return [*out, points[-1]]
