"""Convex solids given by planes (boxes, pyramids, dice), and the sphere; edges catch the light through a bevel."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import combinations, product
from math import pi, sqrt

import numpy as np

from stages.rendering.film import Faces, Film, Rays
from stages.rendering.palette import Floats


class Convex:
    """The set of points with ``normals @ p <= offsets``."""

    def __init__(
        self, normals: Sequence[Sequence[float]], offsets: Sequence[float], tints: Sequence[str], bevel: float
    ) -> None:
        """Takes F planes with a tint each; within `bevel` of an edge the normals of both faces blend."""
        planes = np.array(normals, dtype=np.float32)
        length = np.linalg.norm(planes, axis=1, keepdims=True)
        self.planes = planes / length
        self.offsets = np.array(offsets, dtype=np.float32) / length[:, 0]
        self.tints: tuple[str, ...] = tuple(tints)
        self.bevel = bevel

    def trace(self, rays: Rays, film: Film) -> None:
        """See `Shape.trace`."""
        x, y, z = rays.origin
        enter = np.full(x.shape, -np.inf, dtype=np.float32)
        leave = np.full(x.shape, np.inf, dtype=np.float32)
        face = np.zeros(x.shape, dtype=np.int16)
        for index, (plane, offset) in enumerate(zip(self.planes, self.offsets, strict=True)):
            speed = float(plane @ rays.forward)
            gap = offset - (plane[0] * x + plane[1] * y + plane[2] * z)
            if abs(speed) < 1e-6:
                enter = np.where(gap < 0, np.float32(np.inf), enter)
                continue
            t = gap / speed
            if speed > 0:
                np.minimum(leave, t, out=leave)
            else:
                later = t > enter
                np.copyto(enter, t, where=later)
                np.copyto(face, np.int16(index), where=later)
        film.keep((slice(None), slice(None)), enter, enter < leave, face)

    def normals(self, points: Floats, faces: Faces) -> Floats:
        """See `Shape.normals`."""
        if self.bevel <= 0:
            return self.planes[faces]
        gaps = self.offsets - points @ self.planes.T
        weights = np.square(np.clip(1 - gaps / self.bevel, 0, 1))
        weights[np.arange(len(faces)), faces] = 1
        return (weights @ self.planes).astype(np.float32)

    def samples(self) -> Floats:
        """See `Shape.samples`."""
        corners = self._corners
        clouds = [corners]
        for plane, offset in zip(self.planes, self.offsets, strict=True):
            own = corners[np.abs(corners @ plane - offset) < 1e-4]
            if len(own) >= 3:
                mix = _face_weights(len(own))
                clouds.append((mix @ own).astype(np.float32))
        return np.concatenate(clouds)

    @cached_property
    def _corners(self) -> Floats:
        corners = []
        for triple in combinations(range(len(self.planes)), 3):
            matrix = self.planes[list(triple)]
            if abs(np.linalg.det(matrix)) < 1e-4:
                continue
            point = np.linalg.solve(matrix, self.offsets[list(triple)])
            if np.all(self.planes @ point <= self.offsets + 1e-4):
                corners.append(point)
        return np.array(corners, dtype=np.float32)


class Sphere:
    """The unit sphere; a part's matrix makes it an ellipsoid."""

    def __init__(self, tint: str = "body") -> None:
        """Takes its one tint."""
        self.tints: tuple[str, ...] = (tint,)

    def trace(self, rays: Rays, film: Film) -> None:
        """See `Shape.trace`."""
        x, y, z = rays.origin
        dx, dy, dz = rays.forward
        a = float(rays.forward @ rays.forward)
        b = x * dx + y * dy + z * dz
        root = b * b - a * (x * x + y * y + z * z - 1)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        film.keep((slice(None), slice(None)), t.astype(np.float32), root > 0, 0)

    def normals(self, points: Floats, faces: Faces) -> Floats:
        """See `Shape.normals`."""
        return points

    def samples(self) -> Floats:
        """See `Shape.samples`."""
        index = np.arange(1500, dtype=np.float32) + 0.5
        y = 1 - 2 * index / 1500
        radius, angle = np.sqrt(1 - y * y), index * (pi * (3 - sqrt(5)))
        return np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=1).astype(np.float32)


@lru_cache(maxsize=64)
def cuboid(size: tuple[float, float, float], tints: Sequence[str] | str = "body", bevel: float = 0.04) -> Convex:
    """Returns a box standing on the origin; faces in order right, left, top, bottom, front, back."""
    w, h, d = size
    planes = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    offsets = [w / 2, w / 2, h, 0, d / 2, d / 2]
    return Convex(planes, offsets, [tints] * 6 if isinstance(tints, str) else tints, bevel)


@lru_cache(maxsize=8)
def rounded_cube(side: float, cut: float) -> Convex:
    """Returns a cube standing on the origin with its edges and corners cut off; face 4 is the front."""
    half = side / 2
    planes: list[tuple[float, ...]] = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    reach = [half] * 6
    for direction in product((-1, 0, 1), repeat=3):
        axes = sum(map(abs, direction))
        if axes >= 2:
            planes.append(direction)
            reach.append(axes * half - cut * (1.0 if axes == 2 else 1.75))
    offsets = [r + plane[1] * half for plane, r in zip(planes, reach, strict=True)]
    return Convex(planes, offsets, ["body"] * len(planes), cut * 1.1)


@lru_cache(maxsize=8)
def pyramid(side: float, height: float) -> Convex:
    """Returns a square pyramid standing on the origin."""
    planes = [(0, -1, 0), (height, side / 2, 0), (-height, side / 2, 0), (0, side / 2, height), (0, side / 2, -height)]
    return Convex(planes, [0] + [height * side / 2] * 4, ["body"] * 5, 0.035)


def _face_weights(corners: int) -> Floats:
    """Returns convex weights ``(N, corners)`` spread over a face with few corners."""
    generator = np.random.Generator(np.random.PCG64(corners))
    draws = generator.gamma(0.6, size=(300, corners)).astype(np.float32)
    return (draws / draws.sum(axis=1, keepdims=True)).astype(np.float32)
