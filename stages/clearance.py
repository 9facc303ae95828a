"""How clear each relation and ordering between two instances of a scene is: whole matrices at a time.

All values are margins in units of their cut-off: 1 lies on the decision line's safety limit, below 1 is unsafe, 0 is
undecidable. Matrices are indexed ``[a][b]``; their diagonals mean nothing.
"""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from schemas.scene import Scene
from stages.margins import MarginConfig
from stages.terms import Key, Relation

Floats = NDArray[np.float64]


class Clearance:
    """The geometry of one scene as arrays. Read-only."""

    def __init__(self, scene: Scene, margins: MarginConfig) -> None:
        """Takes positions, extents and areas out of the scene's instances."""
        instances = scene.instances
        self.margins = margins
        self.n = len(instances)
        self.width, self.height = float(scene.image.width), float(scene.image.height)
        centroids = np.array([instance.centroid_xy for instance in instances], dtype=np.float64).reshape(self.n, 2)
        self.cx, self.cy = centroids[:, 0], centroids[:, 1]
        self.boxes: Floats = np.array([instance.box_xyxy for instance in instances], dtype=np.float64).reshape(-1, 4)
        self.areas: Floats = np.array([float(instance.area) for instance in instances])
        self.whole_areas: Floats = np.array([i.area / (i.visible_fraction or 1.0) for i in instances])
        depths = [instance.depth for instance in instances]
        self.depths: Floats = np.array([math.nan if depth is None else depth for depth in depths], dtype=np.float64)

    def relation(self, relation: str) -> Floats:
        """Returns how clear it is whether ``b`` stands in the relation to ``a``, either way.

        Raises:
            ValueError: contact is not a matter of these arrays, or there is no such relation.
        """
        limits = self.margins
        match relation:
            case Relation.LEFT | Relation.RIGHT:
                return self._side(self.cx, 0, limits.side_gap * self.width)
            case Relation.ABOVE | Relation.BELOW:
                return self._side(self.cy, 1, limits.side_gap * self.height)
            case Relation.FRONT | Relation.BEHIND:
                return _known(abs(differences(self.depths)) / limits.depth_gap)
            case Relation.INSIDE:
                return self._inside() / (limits.side_gap * 0.5 * min(self.width, self.height))
        raise ValueError(f"unknown relation {relation!r}")

    def _side(self, centres: Floats, axis: int, least: float) -> Floats:
        extents = self.boxes[:, axis + 2] - self.boxes[:, axis]
        larger = np.maximum(extents[:, None], extents[None, :])
        share: Floats = abs(differences(centres)) / np.maximum(least, self.margins.side_overlap * larger)
        return share

    def _inside(self) -> Floats:
        """How far the sides of ``b`` lie within those of ``a``, the least one counts, pixels."""
        low = self.boxes[None, :, :2] - self.boxes[:, None, :2]
        high = self.boxes[:, None, 2:] - self.boxes[None, :, 2:]
        return np.asarray(abs(np.concatenate([low, high], axis=2).min(axis=2)))

    def leads(self, key: str) -> Floats:
        """Returns by how much ``a`` comes before ``b`` in the ordering (negative: after)."""
        match key:
            case Key.LEFTMOST:
                return self._edge(self.cx, 0) / (self.margins.order_gap * self.width)
            case Key.RIGHTMOST:
                return self._edge(-self.cx, 2) / (self.margins.order_gap * self.width)
            case Key.HIGHEST:
                return self._edge(self.cy, 1) / (self.margins.order_gap * self.height)
            case Key.LOWEST:
                return self._edge(-self.cy, 3) / (self.margins.order_gap * self.height)
            case Key.LARGEST:
                return self._size_leads
            case Key.SMALLEST:
                return self._size_leads.T
            case Key.FRONTMOST:
                return _known(-differences(self.depths) / self.margins.depth_gap)
            case Key.BACKMOST:
                return _known(differences(self.depths) / self.margins.depth_gap)
        raise ValueError(f"unknown ordering {key!r}")

    def _edge(self, centres: Floats, side: int) -> Floats:
        """By how much the centre and the outer side of ``a`` precede those of ``b``, the lesser of the two, pixels."""
        edges = self.boxes[:, side] if side < 2 else -self.boxes[:, side]
        return np.minimum(-differences(centres), -differences(edges))

    @cached_property
    def _size_leads(self) -> Floats:
        """A partly hidden thing must stay the larger one when what is hidden is counted too."""
        spans = self.boxes[:, 2:] - self.boxes[:, :2]
        box_areas = np.maximum(1.0, spans[:, 0] * spans[:, 1])
        ratios = [values[:, None] / values[None, :] for values in (self.areas, box_areas, self.whole_areas)]
        least = np.maximum(np.minimum.reduce(ratios), 1e-9)
        unit = math.log(self.margins.area_ratio)
        return np.array([[math.log(ratio) / unit for ratio in row] for row in least.tolist()])  # np.log varies

    def near_leads(self, distances: Floats, box_gaps: Floats) -> Floats:
        """Returns ``[x][a][b]``: by how much ``a`` is nearer than ``b`` to ``x``, one of some instances.

        Args:
            distances: ``(X, n)``: of every instance's centroid to each ``x``, in diagonals.
            box_gaps: ``(X, n)``: empty distances between the boxes, in diagonals.
        """
        limits = self.margins
        far = distances[:, None, :] / np.maximum(distances, 1e-9)[:, :, None]
        ratios = (far - 1.0) / (limits.near_ratio - 1.0)
        by_centre, by_box = -_apart(distances) / limits.near_gap, -_apart(box_gaps) / limits.near_gap
        return np.asarray(np.minimum(np.minimum(ratios, by_centre), by_box))


def bit_rows(chosen: NDArray[np.bool_]) -> list[int]:
    """Returns per ``a`` the set of all other ``b`` that are chosen."""
    return bit_stack(chosen[None])[0]


def bit_stack(chosen: NDArray[np.bool_]) -> list[list[int]]:
    """Returns `bit_rows` of several matrices at once."""
    count, n, _ = chosen.shape
    packed = np.packbits(chosen & ~np.eye(n, dtype=np.bool_), axis=2, bitorder="little")
    width, data = packed.shape[2], packed.tobytes()
    rows = [int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width)] if n else []
    return [rows[at * n : (at + 1) * n] for at in range(count)]


def _apart(values: Floats) -> Floats:
    """``[x][a][b]``: the value of ``a`` minus that of ``b``."""
    return np.asarray(values[:, :, None] - values[:, None, :])


def differences(values: Floats) -> Floats:
    """``[a][b]``: the value of ``a`` minus that of ``b``."""
    return np.asarray(values[:, None] - values[None, :])


def _known(margins: Floats) -> Floats:
    """Undecidable where a depth is unknown."""
    return np.where(np.isnan(margins), 0.0, margins)
