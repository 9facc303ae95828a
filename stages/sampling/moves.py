"""Moves from one instance to the next: where each lands from every instance, and from where it may be asked.

A move is a selection (nearest, extreme of a relation, ...) within a described set. Landings without regard to margins
(`raw`) say where a careless reader would go; `safe` ones meet the margins and are not degenerate by themselves: the
relation and the ordering both matter.
"""

from typing import NamedTuple

from schemas.program import Step
from stages.execute import operator_of
from stages.sampling.described import Described
from stages.scene_index import SceneIndex
from stages.terms import DEPTH_KEYS, DEPTH_RELATIONS, Key, Relation


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

    def steps(self, source: int, described: int, start: int) -> tuple[Step, ...]:
        """Returns the steps of the move from the instance of step ``source`` within the set of step ``described``."""
        if not self.relation:
            return (Step(self.selection, (source, described)),)
        if self.relation == "same":
            narrowed = Step("same_attribute", (source, described), (self.argument,))
        else:
            narrowed = Step("related", (source, described), (self.relation,))
        params = (self.key,) if self.key else ()
        return (narrowed, Step(self.selection, (start,), params))


class Landing(NamedTuple):
    """Where one move within one described set lands."""

    raw: tuple[int, ...]
    """Per starting instance the landing, -1 where undefined."""
    sources: dict[int, int]
    """Per landing the set of instances from which the move safely lands there."""
    raw_sources: dict[int, int]
    """Per landing the set of instances from which it lands there at all."""


def move_kinds(index: SceneIndex) -> dict[str, tuple[MoveKind, ...]]:
    """Returns the moves the scene's source supports, by group."""
    relations = [r for r in Relation if r not in (Relation.TOUCHING, Relation.INSIDE)]
    keys = list(Key)
    if not index.has_depth:
        relations = [r for r in relations if r not in DEPTH_RELATIONS]
        keys = [k for k in keys if k not in DEPTH_KEYS]
    shared = [key for key in ("colour", "material") if key in index.confidences and key in index.scene.supports]
    return {
        "near": (MoveKind("nearest"),),
        "far": (MoveKind("farthest"),),
        "side": tuple(MoveKind("extreme", relation=r, key=k) for r in relations for k in keys),
        "single": tuple(MoveKind("only", relation=r) for r in relations),
        "same": tuple(MoveKind("only", "same", argument=a) for a in shared)
        + tuple(MoveKind("extreme", "same", argument=a, key=k) for a in shared for k in keys),
    }


def land(index: SceneIndex, kind: MoveKind, described: Described) -> Landing:
    """Returns where the move lands from every instance."""
    raw: list[int] = []
    sources: dict[int, int] = {}
    raw_sources: dict[int, int] = {}
    for start in range(index.n):
        landing, is_safe = _land_from(index, kind, described.bits, start)
        raw.append(landing)
        if landing >= 0:
            raw_sources[landing] = raw_sources.get(landing, 0) | 1 << start
            if is_safe:
                sources[landing] = sources.get(landing, 0) | 1 << start
    return Landing(tuple(raw), sources, raw_sources)


def _land_from(index: SceneIndex, kind: MoveKind, bits: int, start: int) -> tuple[int, bool]:
    if not kind.relation:
        landing = operator_of(kind.selection).run(index, (start, bits), ())
        if landing is None:
            return -1, False
        others = bits & ~(1 << start | 1 << landing)
        is_safe = others != 0 and operator_of(kind.selection).margin(index, (start, bits), (), landing) >= 1
        return int(landing), is_safe
    narrowed, is_clear = _narrow(index, kind, bits, start)
    if not narrowed:
        return -1, False
    if kind.selection == "only":
        landing = narrowed.bit_length() - 1
        return (
            (landing, is_clear and bits & ~(1 << start) != narrowed) if narrowed & (narrowed - 1) == 0 else (-1, False)
        )
    params = (kind.key,)
    extreme = operator_of("extreme")
    landing = extreme.run(index, (narrowed,), params)
    if landing is None:
        return -1, False
    is_safe = (
        is_clear
        and narrowed & (narrowed - 1) != 0
        and extreme.margin(index, (narrowed,), params, landing) >= 1
        and extreme.run(index, (bits,), params) != landing
    )
    return int(landing), is_safe


def _narrow(index: SceneIndex, kind: MoveKind, bits: int, start: int) -> tuple[int, bool]:
    if kind.relation == "same":
        same = operator_of("same_attribute")
        narrowed = same.run(index, (start, bits), (kind.argument,))
        if narrowed is None:
            return 0, False
        return narrowed, same.margin(index, (start, bits), (kind.argument,), narrowed) >= 1
    return index.related(kind.relation)[start] & bits, not index.unclear(kind.relation)[start] & bits
