"""One thing rasterised in its own window: where it covers pixels, and the surface behind every sample."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from stages.masks import BoolMask
from stages.rendering.film import Camera, Faces, faces_by_part, trace_parts
from stages.rendering.models import Model
from stages.rendering.palette import Floats


@dataclass(frozen=True, eq=False)
class Sprite:
    """A rasterised model; window pixel (0, 0) lies at `left`, `top` from the support point's pixel."""

    model: Model
    camera: Camera
    pixels_per_unit: float
    left: int
    top: int
    oversampling: int
    """Samples per pixel along each axis."""
    hits: NDArray[np.int32]
    """``(M,)`` flat indices of the samples that hit, in the oversampled window."""
    faces: Faces
    """``(M,)`` face of each hit, numbered through the parts."""
    points: Floats
    """``(M, 3)`` hit points, thing units, world axes."""
    coverage: Floats
    """``(H, W)`` share of each pixel covered, 0..1."""

    @cached_property
    def solid(self) -> BoolMask:
        """Pixels at least half covered: the thing's outline when nothing stands before it."""
        return self.coverage >= 0.5

    @cached_property
    def normals(self) -> Floats:
        """Unit normals ``(M, 3)`` at the hits, world axes."""
        out = np.empty_like(self.points)
        for part, first, last in faces_by_part(self.model.parts):
            own = np.flatnonzero((self.faces >= first) & (self.faces < last))
            local = ((self.points[own] - part.offset) @ part.inverse.T).astype(np.float32)
            out[own] = part.shape.normals(local, self.faces[own] - np.int16(first)) @ part.inverse
        length = np.sqrt(np.einsum("ij,ij->i", out, out))
        return out / np.maximum(length, np.float32(1e-9))[:, None]

    @cached_property
    def panel_pixels(self) -> BoolMask:
        """Pixels any of whose samples lie on the model's panel."""
        height, width = self.coverage.shape
        out = np.zeros((height, width), dtype=np.bool_)
        if self.model.panel is None:
            return out
        u, v, ahead = self.model.panel.coordinates(self.points)
        on = self.hits[(u * u + v * v <= 1.05) & (ahead > -0.5 * self.model.panel.radius)]
        row, column = np.divmod(on, width * self.oversampling)
        out[row // self.oversampling, column // self.oversampling] = True
        return out


def rasterise(model: Model, camera: Camera, pixels_per_unit: float, oversampling: int) -> Sprite:
    """Returns the sprite of a model at that scale, its support point at the corner of a pixel."""
    cloud = np.concatenate([p.shape.samples() @ p.matrix.T + p.offset for p in model.parts])
    extent = cloud @ camera.axes[:2].T * pixels_per_unit
    left, top = (floor(float(v)) - 2 for v in extent.min(axis=0))
    width, height = (ceil(float(v)) + 2 - first for v, first in zip(extent.max(axis=0), (left, top), strict=True))
    a, b = (
        ((np.arange(size * oversampling, dtype=np.float32) + 0.5) / oversampling + first).astype(np.float32)
        / np.float32(pixels_per_unit)
        for size, first in ((width, left), (height, top))
    )
    film = trace_parts(model.parts, camera, a, b)
    hit = film.face >= 0
    hits = np.flatnonzero(hit).astype(np.int32)
    right, down, forward = camera.axes
    row, column = np.divmod(hits, a.size)
    t = film.nearest.ravel()[hits]
    points = a[column, None] * right + b[row, None] * down + t[:, None] * forward
    blocks = hit.reshape(height, oversampling, width, oversampling)
    coverage = blocks.mean(axis=(1, 3), dtype=np.float32)
    faces = film.face.ravel()[hits]
    return Sprite(
        model, camera, pixels_per_unit, left, top, oversampling, hits, faces, points.astype(np.float32), coverage
    )
