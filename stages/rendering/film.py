"""Parallel rays through a window of samples, and the depth buffer they are collected in.

World axes: X to the right, Y up, Z towards the viewer; the origin is a thing's point of support on the ground. Window
coordinates ``(a, b)``: a to the right, b down, in the same unit. A ray point is ``a right + b down + t forward``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import cos, radians, sin
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.rendering.palette import Floats

Faces = NDArray[np.int16]
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Camera:
    """A distant camera looking down at the ground; parallel projection within one thing."""

    elevation_degrees: float

    @cached_property
    def axes(self) -> Floats:
        """Rows right, down, forward: an orthonormal ``(3, 3)`` basis."""
        angle = radians(self.elevation_degrees)
        rows = [[1, 0, 0], [0, -cos(angle), sin(angle)], [0, -sin(angle), -cos(angle)]]
        return np.array(rows, dtype=np.float32)

    @property
    def foreshortening(self) -> float:
        """Picture height of one unit of ground depth."""
        return sin(radians(self.elevation_degrees))


class Shape(Protocol):
    """A surface in its own coordinates, made of numbered faces with a tint each."""

    tints: tuple[str, ...]

    def trace(self, rays: "Rays", film: "Film") -> None:
        """Adds the nearest hits of the rays to the film."""

    def normals(self, points: Floats, faces: Faces) -> Floats:
        """Returns the outward normals ``(N, 3)`` at surface points ``(N, 3)`` on those faces, not normalised."""

    def samples(self) -> Floats:
        """Returns points ``(N, 3)`` spread over the whole surface."""


@dataclass(frozen=True, eq=False)
class Part:
    """A shape placed in a thing: world = matrix @ local + offset."""

    shape: Shape
    matrix: Floats
    offset: Floats

    @cached_property
    def inverse(self) -> Floats:
        """World directions to local ones, ``(3, 3)``."""
        return np.linalg.inv(self.matrix).astype(np.float32)


class Rays:
    """The rays of a window in a part's own coordinates."""

    def __init__(self, part: Part, axes: Floats, a: Floats, b: Floats) -> None:
        """Takes the camera's axes and the window's sample positions a ``(W,)`` and b ``(H,)``."""
        right, down, forward = (part.inverse @ axis for axis in axes)
        start = part.inverse @ -part.offset
        self.a, self.b = a, b
        self.forward = forward
        self.origin = tuple(a[None, :] * right[i] + (b[:, None] * down[i] + start[i]) for i in range(3))
        self._project = axes[:2] @ part.matrix
        self._shift = axes[:2] @ part.offset

    def at(self, window: Window) -> tuple[Floats, Floats, Floats]:
        """Returns the ray origins x, y, z in a part of the window."""
        x, y, z = self.origin
        return x[window], y[window], z[window]

    def window_of_ring(self, heights: tuple[float, float], radius: float) -> Window:
        """Returns the samples that may see circles of that radius about the y axis between two heights."""
        slices = []
        for row, shift, grid in zip(self._project, self._shift, (self.a, self.b), strict=True):
            reach = radius * float(np.hypot(row[0], row[2]))
            ends = sorted(float(row[1]) * height + float(shift) for height in heights)
            low, high = np.searchsorted(grid, (ends[0] - reach, ends[1] + reach))
            slices.append(slice(max(int(low) - 1, 0), int(high) + 1))
        return slices[1], slices[0]


class Film:
    """Nearest hit of every sample: ray parameter (unit: thing units, smaller is nearer) and face (-1: none)."""

    def __init__(self, height: int, width: int) -> None:
        """Starts empty."""
        self.nearest = np.full((height, width), np.inf, dtype=np.float32)
        self.face: Faces = np.full((height, width), -1, dtype=np.int16)
        self.first_face = 0

    def keep(self, window: Window, t: Floats, hit: NDArray[np.bool_], face: "int | Faces") -> None:
        """Records the hits nearer than what is there; face counts from 0 within the current part."""
        nearest = self.nearest[window]
        closer = hit & (t < nearest)
        np.copyto(nearest, t, where=closer)
        np.copyto(self.face[window], np.asarray(face + self.first_face, dtype=np.int16), where=closer)


def trace_parts(parts: tuple[Part, ...], camera: Camera, a: Floats, b: Floats) -> Film:
    """Returns the film of all parts; faces are numbered through the parts in order."""
    film = Film(b.size, a.size)
    for part in parts:
        part.shape.trace(Rays(part, camera.axes, a, b), film)
        film.first_face += len(part.shape.tints)
    return film


def faces_by_part(parts: tuple[Part, ...]) -> Iterator[tuple[Part, int, int]]:
    """Yields each part with its half-open range of face numbers."""
    first = 0
    for part in parts:
        yield part, first, first + len(part.shape.tints)
        first += len(part.shape.tints)
