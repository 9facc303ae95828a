"""A scene prepared for fast execution: instances as bits, relations and orderings as precomputed rows.

A set of instances is an int whose bit ``i`` stands for ``index.instances[i]``; one instance is its position ``i``.
Margins are in units of their cut-off: 1 lies on the decision line's safety limit, below 1 is unsafe, 0 is undecidable.
"""

import math
from functools import cached_property
from itertools import combinations

import numpy as np

from schemas.instance import SPAN_GRID, Span
from schemas.scene import Scene
from stages.clearance import Clearance, Floats, bit_rows, bit_stack, differences
from stages.margins import MarginConfig
from stages.terms import OPPOSITE_RELATION, Key, Relation

Matrix = list[list[float]]
_SIDES = (Relation.LEFT, Relation.RIGHT, Relation.ABOVE, Relation.BELOW, Relation.FRONT, Relation.BEHIND)
_NEAR_BLOCK = 16
"""Instances whose near leads are worked out together: few enough to hold for a picture with hundreds of things."""


class SceneIndex:
    """Everything about one scene that operators ask for. Read-only after construction, though rows are made lazily."""

    def __init__(self, scene: Scene, margins: MarginConfig | None = None) -> None:
        """Prepares the cheap parts: geometry, category and attribute bits."""
        self.scene = scene
        self.margins = margins or MarginConfig()
        self.instances = scene.instances
        self.n = len(scene.instances)
        self.position_of = {instance.instance_id: i for i, instance in enumerate(scene.instances)}
        self.everything = (1 << self.n) - 1
        self.width = float(scene.image.width)
        self.height = float(scene.image.height)
        self.diagonal = math.hypot(self.width, self.height)
        self.cx = [instance.centroid_xy[0] for instance in scene.instances]
        self.cy = [instance.centroid_xy[1] for instance in scene.instances]
        self.boxes = [instance.box_xyxy for instance in scene.instances]
        self.areas = [float(instance.area) for instance in scene.instances]
        self.depths = [instance.depth for instance in scene.instances]
        self.category_bits: dict[str, int] = {}
        self.attribute_bits: dict[tuple[str, str], int] = {}
        self.confidences: dict[str, list[float]] = {}
        self.values: dict[str, list[str | None]] = {}
        for position, instance in enumerate(scene.instances):
            self.category_bits[instance.category] = self.category_bits.get(instance.category, 0) | 1 << position
            for attribute in instance.attributes:
                pair = (attribute.key, attribute.value)
                self.attribute_bits[pair] = self.attribute_bits.get(pair, 0) | 1 << position
                self.confidences.setdefault(attribute.key, [0.0] * self.n)[position] = attribute.confidence
                self.values.setdefault(attribute.key, [None] * self.n)[position] = attribute.value
        self.countable = {row.category for row in scene.categories if row.countable}
        self.selectable = self.countable | {row.category for row in scene.categories if row.selectable}
        self.unnamed = min(self.category_bits.keys() - self.selectable, default=None)
        self.has_depth = "depth" in scene.supports and all(depth is not None for depth in self.depths)
        self.clearance = Clearance(scene, self.margins)
        self._members: dict[int, tuple[int, ...]] = {}
        self._related: dict[str, list[int]] = {}
        self._relation_margins: dict[str, Matrix] = {}
        self._unclear: dict[str, list[int]] = {}
        self._order: dict[str, list[int]] = {}
        self._leads: dict[str, Matrix] = {}
        self._key_values: dict[str, list[float]] = {}
        self._near_blocks: dict[int, Floats] = {}
        self._near_leads: dict[int, Matrix] = {}
        self._attribute_margins: dict[tuple[str, int], float] = {}

    def members(self, bits: int) -> tuple[int, ...]:
        """Returns the positions of a set, ascending."""
        found = self._members.get(bits)
        if found is None:
            found = self._members[bits] = tuple([i for i in range(bits.bit_length()) if bits >> i & 1])
        return found

    @cached_property
    def squared_distances(self) -> list[list[float]]:
        """``[a][b]``: squared centroid distance, pixels squared."""
        rows: list[list[float]] = self._squares.tolist()
        return rows

    @cached_property
    def _squares(self) -> Floats:
        """Products: `x ** 2` is one last bit off now and then, and SQL multiplies."""
        dx, dy = differences(self.clearance.cx), differences(self.clearance.cy)
        return np.asarray(dx * dx + dy * dy)

    @cached_property
    def near_orders(self) -> list[list[int]]:
        """``[a]``: all others, nearest centroid first, ties by position."""
        orders = np.argsort(self._squares, axis=1, kind="stable").tolist()
        return [[b for b in row if b != a] for a, row in enumerate(orders)]

    @cached_property
    def _distances(self) -> Floats:
        """``[a][b]``: centroid distance in units of the diagonal."""
        return np.asarray(np.sqrt(self._squares) / self.diagonal)

    @cached_property
    def _box_gaps(self) -> Floats:
        """``[a][b]``: empty distance between boxes in units of the diagonal; 0 where they meet."""
        gaps = np.zeros((self.n, self.n))
        for (a, one), (b, other) in combinations(enumerate(self.boxes), 2):
            gaps[a, b] = gaps[b, a] = _box_gap(one, other) / self.diagonal
        return gaps

    def related(self, relation: str) -> list[int]:
        """Returns per instance the set of instances that stand in the relation to it (never itself)."""
        if relation not in self._related:
            self._related |= self._sides() if relation in _SIDES else {relation: self._relate(relation)}
        return self._related[relation]

    def _sides(self) -> dict[str, list[int]]:
        """The relations that compare one coordinate, all at once; an unknown depth is neither smaller nor larger."""
        made = self.clearance
        rows = np.array([made.cx, -made.cx, made.cy, -made.cy, made.depths, -made.depths])
        return dict(zip(_SIDES, bit_stack(rows[:, None, :] < rows[:, :, None]), strict=True))

    def unclear(self, relation: str) -> list[int]:
        """Returns per instance the set of others for which the relation, held or not, is below its cut-off."""
        if relation not in self._unclear:
            found = bit_rows(self._relation_clearance(relation) < 1)
            self._unclear |= {relation: found, OPPOSITE_RELATION.get(relation, relation): found}
        return self._unclear[relation]

    def relation_margins(self, relation: str) -> Matrix:
        """Returns ``[a][b]``: how clear it is whether ``b`` stands in the relation to ``a``, either way."""
        if relation not in self._relation_margins:
            self._relation_margins[relation] = self._relation_clearance(relation).tolist()
        return self._relation_margins[relation]

    def _relation_clearance(self, relation: str) -> Floats:
        if relation != Relation.TOUCHING:
            return self.clearance.relation(relation)
        return np.asarray(abs(np.array(self.contacts, dtype=np.float64)) / self.margins.contact_cells)

    def _relate(self, relation: str) -> list[int]:
        places = range(self.n)
        match relation:
            case Relation.TOUCHING:
                return [sum(1 << b for b in places if b != a and self.contacts[a][b] > 0) for a in places]
            case Relation.INSIDE:
                return [
                    sum(1 << b for b in places if b != a and _lies_in(self.boxes[b], self.boxes[a])) for a in places
                ]
        raise ValueError(f"unknown relation {relation!r}")

    @cached_property
    def contacts(self) -> list[list[int]]:
        """``[a][b]``: grid cells of ``a`` in contact with ``b``; where 0, minus the empty cells between (at most 4)."""
        grown = [_grown(instance.spans) for instance in self.instances]
        return [[0 if a is b else _contact(a, b) for b in grown] for a in grown]

    def key_values(self, key: str) -> list[float]:
        """Returns per instance the value that the ordering sorts by, ascending."""
        found = self._key_values.get(key)
        if found is None:
            found = self._key_values[key] = self._values_of_key(key)
        return found

    def _values_of_key(self, key: str) -> list[float]:
        match key:
            case Key.LEFTMOST:
                return self.cx
            case Key.RIGHTMOST:
                return [-value for value in self.cx]
            case Key.HIGHEST:
                return self.cy
            case Key.LOWEST:
                return [-value for value in self.cy]
            case Key.SMALLEST:
                return self.areas
            case Key.LARGEST:
                return [-value for value in self.areas]
            case Key.FRONTMOST:
                return [math.inf if depth is None else depth for depth in self.depths]
            case Key.BACKMOST:
                return [math.inf if depth is None else -depth for depth in self.depths]
        raise ValueError(f"unknown ordering {key!r}")

    def order(self, key: str) -> list[int]:
        """Returns all positions in the ordering, ties by position."""
        if key not in self._order:
            self._order[key] = sorted(range(self.n), key=self.key_values(key).__getitem__)
        return self._order[key]

    def leads(self, key: str) -> Matrix:
        """Returns ``[a][b]``: by how much ``a`` comes before ``b`` in the ordering, in cut-offs (negative: after)."""
        if key not in self._leads:
            self._leads[key] = self.clearance.leads(key).tolist()
        return self._leads[key]

    def near_leads(self, x: int) -> Matrix:
        """Returns ``[a][b]``: by how much ``a`` is nearer to ``x`` than ``b`` is, in cut-offs."""
        if x not in self._near_leads:
            self._near_leads[x] = self.near_clearance(x).tolist()
        return self._near_leads[x]

    def near_clearance(self, x: int) -> Floats:
        """Returns `near_leads` as an array."""
        block, place = divmod(x, _NEAR_BLOCK)
        found = self._near_blocks.get(block)
        if found is None:
            some = slice(block * _NEAR_BLOCK, (block + 1) * _NEAR_BLOCK)
            found = self._near_blocks[block] = self.clearance.near_leads(self._distances[some], self._box_gaps[some])
        return np.asarray(found[place])

    def visibility(self, i: int) -> float:
        """Returns how well one instance can be seen, in cut-offs of its share of the picture."""
        return self._visibilities[i]

    @cached_property
    def _visibilities(self) -> list[float]:
        limits = (self.margins.visible_area, self.margins.cut_off_area)
        shares = [area / (self.width * self.height) for area in self.areas]
        return [share / limits[i.truncated] for share, i in zip(shares, self.instances, strict=True)]

    def attribute_margin(self, key: str, bits: int) -> float:
        """Returns the least confidence of the attribute within the set, in cut-offs; 0 where a member has no value."""
        found = self._attribute_margins.get((key, bits))
        if found is None:
            confidences = self.confidences.get(key, [0.0] * self.n)
            least = min([confidences[i] for i in self.members(bits)], default=math.inf)
            found = self._attribute_margins[key, bits] = least / self.margins.confidence
        return found


def _box_gap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    dx = max(a[0] - b[2], b[0] - a[2], 0.0)
    dy = max(a[1] - b[3], b[1] - a[3], 0.0)
    return math.hypot(dx, dy)


def _lies_in(inner: tuple[float, float, float, float], outer: tuple[float, float, float, float]) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


_ROW = SPAN_GRID + 8
"""Bits per grid row: the spare ones keep growth from wrapping round."""


def _grown(spans: tuple[Span, ...]) -> list[int]:
    """Returns the mask on the grid as one int, then grown by 1, 2, ... 5 cells in all eight directions."""
    bits = 0
    for span in spans:
        bits |= ((1 << (span.x1 - span.x0)) - 1) << ((span.y + 8) * _ROW + span.x0 + 4)
    found = [bits]
    for _ in range(5):
        bits |= bits << 1 | bits >> 1
        bits |= bits << _ROW | bits >> _ROW
        found.append(bits)
    return found


def _contact(a: list[int], b: list[int]) -> int:
    if not a[0] & b[5]:
        return -4
    touching = (a[0] & b[1]).bit_count()
    if touching:
        return touching
    return -next((gap for gap in range(1, 5) if a[0] & b[gap + 1]), 4)
