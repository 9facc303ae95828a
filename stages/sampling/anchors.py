"""Anchors: where a chain starts. A name (no hop), an extreme or n-th one (one hop), or a route (three)."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from stages.execute import operator_of
from stages.sampling.builder import Builder
from stages.sampling.described import Described
from stages.sampling.search import World
from stages.terms import DEPTH_KEYS, OPPOSITE_KEY, Key

ANCHOR_HOPS = {"only": 0, "extreme": 1, "nth": 1, "route": 3}
_NTH_KEYS = (Key.LEFTMOST, Key.RIGHTMOST)


class Anchor(NamedTuple):
    """A way to start at one instance."""

    kind: str
    described: Described
    key: str = ""
    place: int = 0
    first: Described | None = None
    """Of a route: the set compared."""
    second: Described | None = None
    """Of a route: the set it is compared with."""
    how: str = ""

    def build(self, builder: Builder) -> int:
        """Appends the steps of the anchor; returns the number of the instance's step."""
        if self.first is not None and self.second is not None:
            return self._build_route(builder, self.first, self.second)
        described = builder.describe(self.described)
        params: tuple[str | int, ...] = {"only": (), "extreme": (self.key,), "nth": (self.key, self.place)}[self.kind]
        return builder.add(self.kind, (described,), params)

    def _build_route(self, builder: Builder, first: Described, second: Described) -> int:
        more = builder.add("count", (builder.describe(first),))
        fewer = builder.add("count", (builder.describe(second),))
        truth = builder.add("compare", (more, fewer), (self.how,))
        described = builder.describe(self.described)
        yes = builder.add("extreme", (described,), (self.key,))
        no = builder.add("extreme", (described,), (OPPOSITE_KEY[self.key],))
        return builder.add("choose", (truth, yes, no))


class Anchors:
    """Every anchor of a scene by kind and by the instance it denotes, found once."""

    def __init__(self, world: World) -> None:
        """Looks at every described set from every ordering."""
        self.world = world
        self.keys = [key for key in Key if world.index.has_depth or key not in DEPTH_KEYS]
        self.by_kind: dict[str, dict[int, list[Anchor]]] = {"only": {}, "extreme": {}, "nth": {}}
        for bits, described in world.singles.items():
            if len(described.categories) == 1:
                self._keep("only", bits.bit_length() - 1, Anchor("only", described))
        for described in world.choosable:
            self._find_extremes(described)
            for start, anchor in _nth_of(world, described):
                self._keep("nth", start, anchor)

    def _keep(self, kind: str, start: int, anchor: Anchor) -> None:
        self.by_kind[kind].setdefault(start, []).append(anchor)

    def _find_extremes(self, described: Described) -> None:
        index, bits = self.world.index, described.bits
        for key in self.keys:
            clear = self.world.rows.ordered(key)[1]
            for start in index.order(key):
                if bits >> start & 1:
                    break
            if not bits & ~clear[start] & ~(1 << start):
                self._keep("extreme", start, Anchor("extreme", described, key))

    def starts(self, kind: str) -> int:
        """Returns the instances that an anchor of that kind can denote."""
        return sum(1 << start for start in self.by_kind["extreme" if kind == "route" else kind])

    def draw(self, rng: random.Random, kind: str, start: int, gold: int) -> Anchor | None:
        """Returns an anchor of that kind that denotes the instance ``start``, None where there is none.

        ``gold`` holds the instances from which the rest of the chain ends at the wanted answer: no other member of the
        anchor's set may be among them.
        """
        goal = 1 << start
        found = self.by_kind["extreme" if kind == "route" else kind].get(start, ())
        fitting = [anchor for anchor in found if anchor.described.bits & gold & ~goal == 0]
        if not fitting:
            return None
        anchor = rng.choice(fitting)
        return anchor if kind != "route" else _routed(rng, self.world, anchor)


def _nth_of(world: World, described: Described) -> Iterator[tuple[int, Anchor]]:
    nth, size = operator_of("nth"), described.bits.bit_count()
    if size < 3 or not described.countable or len(described.categories) > 1:
        return
    for key in _NTH_KEYS:
        for place in (2, 3):
            start = nth.run(world.index, (described.bits,), (key, place))
            if start is None or 2 * place == size + 1:
                continue
            if nth.margin(world.index, (described.bits,), (key, place), start) >= 1:
                yield int(start), Anchor("nth", described, key, place)


def _routed(rng: random.Random, world: World, anchor: Anchor) -> Anchor | None:
    """Returns the extreme anchor behind a comparison that leads to it; the other branch is the other extreme."""
    named = [d for d in world.sets if len(d.categories) == 1 and d.countable and d.bits != anchor.described.bits]
    pairs = [(a, b) for a in named for b in named if a.bits.bit_count() > b.bits.bit_count() and not a.bits & b.bits]
    if not pairs:
        return None
    more, fewer = rng.choice(pairs)
    if rng.random() < 0.5:
        first, second, how = (more, fewer, "more") if rng.random() < 0.5 else (fewer, more, "fewer")
        return anchor._replace(kind="route", first=first, second=second, how=how)
    # the comparison is false, so the wanted extreme stands behind "otherwise"
    first, second, how = (more, fewer, "fewer") if rng.random() < 0.5 else (fewer, more, "more")
    return anchor._replace(kind="route", first=first, second=second, how=how, key=OPPOSITE_KEY[anchor.key])
