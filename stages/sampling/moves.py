"""Moves from one instance to the next, looked at backward: from where does a move land on a given instance?

A move is a selection (nearest, extreme of a relation, ...) within a described set. `raw` sources say where a reader who
minds no margins would come from; from `safe` ones the move may be asked: margins are met, and it is not degenerate by
itself, the relation and the ordering both matter.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.clearance import Floats, bit_stack
from stages.sampling.builder import Builder
from stages.scene_index import SceneIndex
from stages.terms import DEPTH_KEYS, DEPTH_RELATIONS, Key, Relation

_GROUP_WEIGHTS = {"near": 4, "far": 1, "side": 5, "single": 2, "same": 2}
_KIND_SLOTS = 40
"""Resolution of the weights: slots in the table of kinds per unit of group weight."""


class MoveKind(NamedTuple):
    """How a move selects. Without a relation: nearest or farthest; with one: the extreme by key, or the only one."""

    selection: str
    """nearest, farthest, extreme or only."""
    relation: str = ""
    """A relation; "same" for a shared attribute; empty for nearest and farthest."""
    argument: str = ""
    """The attribute key of a "same" relation."""
    key: str = ""
    """The ordering of an extreme."""

    def build(self, builder: Builder, source: int, described: int) -> int:
        """Appends the move from the instance of step ``source`` within the set ``described``; returns its step."""
        if not self.relation:
            return builder.add(self.selection, (source, described))
        if self.relation == "same":
            narrowed = builder.add("same_attribute", (source, described), (self.argument,))
        else:
            narrowed = builder.add("related", (source, described), (self.relation,))
        return builder.add(self.selection, (narrowed,), (self.key,) if self.key else ())


class Sources(NamedTuple):
    """From where one move within one described set lands on one instance."""

    safe: int
    """Instances from which it may be asked: margins met, relation and ordering both needed."""
    raw: int
    """Instances from which a reader who minds no margins lands there."""


def move_kinds(index: SceneIndex) -> tuple[MoveKind, ...]:
    """Returns the moves the scene's source supports, each as often as it is to be drawn."""
    shared = [key for key in ("colour", "material") if key in index.confidences and key in index.scene.supports]
    if "size" not in index.scene.supports:
        shared = []  # a photo's colours are measured: good enough to describe with, not to compare by
    return _slots(index.has_depth, tuple(shared))


@cache
def _slots(has_depth: bool, shared: tuple[str, ...]) -> tuple[MoveKind, ...]:
    grouped = _grouped_kinds(has_depth, shared)
    counts = {
        group: round(_GROUP_WEIGHTS[group] * _KIND_SLOTS / len(kinds)) for group, kinds in grouped.items() if kinds
    }
    return tuple(kind for group, kinds in grouped.items() for kind in kinds for _ in range(counts[group]))


def _grouped_kinds(has_depth: bool, shared: tuple[str, ...]) -> dict[str, tuple[MoveKind, ...]]:
    relations = [r for r in Relation if r not in (Relation.TOUCHING, Relation.INSIDE)]
    keys = list(Key)
    if not has_depth:
        relations = [r for r in relations if r not in DEPTH_RELATIONS]
        keys = [k for k in keys if k not in DEPTH_KEYS]
    return {
        "near": (MoveKind("nearest"),),
        "far": (MoveKind("farthest"),),
        "side": tuple(MoveKind("extreme", relation=r, key=k) for r in relations for k in keys),
        "single": tuple(MoveKind("only", relation=r) for r in relations),
        "same": tuple(MoveKind("only", "same", argument=a) for a in shared)
        + tuple(MoveKind("extreme", "same", argument=a, key=k) for a in shared for k in keys),
    }


class Rows:
    """Orderings and distances of one scene as bit rows, so that a landing is decided by a few integer operations."""

    def __init__(self, index: SceneIndex) -> None:
        """Keeps the scene; rows are made when first needed."""
        self.index = index
        self._by_key: dict[str, tuple[list[int], list[int]]] = {}
        self._by_distance: list[tuple[list[int], list[int], list[int]]] = []

    def ordered(self, key: str) -> tuple[list[int], list[int]]:
        """Returns per instance the set of others not after it in the ordering, and the set it clearly precedes."""
        if not self._by_key:
            keys = list(Key)
            ahead = bit_stack(_not_after(np.array([self.index.key_values(one) for one in keys])))
            clear = bit_stack(np.array([self.index.clearance.leads(one) for one in keys]) >= 1)
            self._by_key = dict(zip(keys, zip(ahead, clear, strict=True), strict=True))
        return self._by_key[key]

    def distant(self, x: int) -> tuple[list[int], list[int], list[int]]:
        """Returns per instance which others are not farther from ``x``, clearly farther, and clearly nearer."""
        if not self._by_distance:
            clear = np.array([self.index.near_clearance(one) for one in range(self.index.n)]) >= 1
            ahead = bit_stack(_not_after(np.array(self.index.squared_distances)))
            self._by_distance = list(zip(ahead, bit_stack(clear), bit_stack(clear.transpose(0, 2, 1)), strict=True))
        return self._by_distance[x]


def sources_of(rows: Rows, kind: MoveKind, bits: int, target: int) -> Sources:
    """Returns from where the move within the set ``bits`` lands on ``target``, a member of it."""
    if not kind.relation:
        return _by_distance(rows, kind.selection == "nearest", bits, target)
    if kind.key:
        ahead_rows, clear_rows = rows.ordered(kind.key)
        order = _Order(ahead_rows[target], clear_rows[target], bits & ahead_rows[target] != 0)
    else:
        order = None
    return _by_relation(rows.index, kind, (bits, target), order)


def _not_after(values: Floats) -> NDArray[np.bool_]:
    """Returns ``[k][a][b]``: whether the value of ``b`` in row ``k`` is not larger than that of ``a``."""
    return np.asarray(values[:, None, :] <= values[:, :, None])


class _Order(NamedTuple):
    """A target in the ordering of an extreme."""

    ahead: int
    """Others not after it."""
    clear: int
    """Others it clearly precedes."""
    is_needed: bool
    """Whether the extreme of the whole set is another one, so that the relation matters."""


def _by_relation(index: SceneIndex, kind: MoveKind, place: tuple[int, int], order: _Order | None) -> Sources:
    bits, target = place
    goal = 1 << target
    safe = raw = 0
    narrowed_from, unclear = _narrowing(index, kind, bits)
    for x in range(index.n):
        narrowed = narrowed_from[x] & bits
        if not narrowed & goal:
            continue
        rest = narrowed & ~goal
        if order is None:
            if rest:
                continue
            is_safe = bits & ~(1 << x) != goal
        else:
            if narrowed & order.ahead:
                continue
            is_safe = order.is_needed and rest != 0 and not rest & ~order.clear
        raw |= 1 << x
        if is_safe and not unclear[x] & bits:
            safe |= 1 << x
    return Sources(safe, raw)


def _narrowing(index: SceneIndex, kind: MoveKind, bits: int) -> tuple[list[int], list[int]]:
    """Returns per starting instance the set the relation leaves, and the set whose standing in it is unclear."""
    if kind.relation != "same":
        return index.related(kind.relation), index.unclear(kind.relation)
    key = kind.argument
    clear = index.attribute_margin(key, bits) >= 1
    doubt = [0 if clear and sure >= index.margins.confidence else bits for sure in index.confidences[key]]
    pairs = enumerate(index.values[key])
    return [0 if value is None else index.attribute_bits[key, value] & ~(1 << x) for x, value in pairs], doubt


def _by_distance(rows: Rows, nearest: bool, bits: int, target: int) -> Sources:
    safe = raw = 0
    for x in range(rows.index.n):
        if x == target:
            continue
        ahead, farther, nearer = rows.distant(x)
        others = bits & ~(1 << x | 1 << target)
        if others & ahead[target] if nearest else others & ~ahead[target]:
            continue
        raw |= 1 << x
        if others and not others & ~(farther if nearest else nearer)[target]:
            safe |= 1 << x
    return Sources(safe, raw)
