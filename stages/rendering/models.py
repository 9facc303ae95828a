"""What a thing is built of: parts, where its digit or pips go, and how much ground it needs."""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from stages.rendering.film import Part, Shape
from stages.rendering.palette import Floats


@dataclass(frozen=True, eq=False)
class Panel:
    """The disc on a thing's front that carries a digit or pips (thing units, world axes)."""

    centre: Floats
    right: Floats
    """Unit vector along which the decal reads."""
    up: Floats
    """Unit vector towards the top of the decal."""
    radius: float

    def coordinates(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Returns per point (u to the right, v up, height above the panel), u and v in panel radii."""
        shifted = points - self.centre
        axes = np.stack([self.right / self.radius, self.up / self.radius, np.cross(self.right, self.up)])
        u, v, ahead = (shifted @ axes.T).astype(np.float32).T
        return u, v, ahead


@dataclass(frozen=True, eq=False)
class Model:
    """A thing of unit scale standing on the origin."""

    parts: tuple[Part, ...]
    footprint: float
    """Radius of the ground it needs, thing units."""
    panel: Panel | None = None


def turn(axis: str, angle: float) -> Floats:
    """Returns the rotation about an axis, right-handed, angle in radians."""
    c, s = cos(angle), sin(angle)
    matrices = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(matrices[axis], dtype=np.float32)


def place(shape: Shape, at: tuple[float, float, float] = (0, 0, 0), matrix: Floats | None = None) -> Part:
    """Returns a shape moved to a point, after an optional linear map."""
    linear = np.eye(3, dtype=np.float32) if matrix is None else matrix.astype(np.float32)
    return Part(shape, linear, np.array(at, dtype=np.float32))


def stretch(x: float, y: float, z: float) -> Floats:
    """Returns the scaling along the axes."""
    return np.diag([x, y, z]).astype(np.float32)


def turned(parts: tuple[Part, ...], yaw: float) -> tuple[Part, ...]:
    """Returns the parts rotated about the vertical through the origin; positive yaw shows more of their left side."""
    rotation = turn("y", yaw)
    return tuple(Part(p.shape, rotation @ p.matrix, rotation @ p.offset) for p in parts)


def panel_at(centre: tuple[float, float, float], radius: float, yaw: float = 0.0, tilt_degrees: float = 0.0) -> Panel:
    """Returns a panel looking along +z, leant back by `tilt_degrees`, then turned with its thing."""
    rotation = turn("y", yaw)
    lean = radians(tilt_degrees)
    up = np.array([0, cos(lean), -sin(lean)], dtype=np.float32)
    right = np.array([1, 0, 0], dtype=np.float32)
    return Panel(rotation @ np.array(centre, dtype=np.float32), rotation @ right, rotation @ up, radius)
