"""Anchors: where a chain starts. A name (no hop), an extreme or n-th one (one hop), or a route (three)."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from schemas.program import Step
from stages.execute import operator_of
from stages.sampling.described import Described
from stages.sampling.search import MAX_NAMED, Builder, World
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
        return builder.add((Step(self.kind, (described,), params),))

    def _build_route(self, builder: Builder, first: Described, second: Described) -> int:
        counts = [builder.add((Step("count", (builder.describe(described),)),)) for described in (first, second)]
        truth = builder.add((Step("compare", (counts[0], counts[1]), (self.how,)),))
        described = builder.describe(self.described)
        yes = builder.add((Step("extreme", (described,), (self.key,)),))
        no = builder.add((Step("extreme", (described,), (OPPOSITE_KEY[self.key],)),))
        return builder.add((Step("choose", (truth, yes, no)),))


def draw_anchor(rng: random.Random, world: World, kind: str, start: int, gold: int) -> Anchor | None:
    """Returns an anchor of that kind that denotes the instance ``start``, None where there is none.

    ``gold`` holds the instances from which the rest of the chain ends at the wanted answer: no other member of the
    anchor's set may be among them (but one in four).
    """
    found = list(_anchors(world, kind, start, gold))
    if not found:
        return None
    anchor = rng.choice(found)
    return anchor if kind != "route" else _routed(rng, world, anchor)


def _anchors(world: World, kind: str, start: int, gold: int) -> Iterator[Anchor]:
    if kind == "only":
        described = world.singles.get(1 << start)
        if described is not None and len(described.categories) == 1:
            yield Anchor("only", described)
        return
    index = world.index
    for described in world.several:
        wrong = described.bits & ~(1 << start)
        if not described.bits >> start & 1 or (wrong & gold).bit_count() * 4 > wrong.bit_count():
            continue
        if len(described.categories) > MAX_NAMED:
            continue
        if kind == "nth":
            yield from _nth_of(world, described, start)
            continue
        for key in Key:
            if key in DEPTH_KEYS and not index.has_depth:
                continue
            leads = index.leads(key)[start]
            if all(leads[i] >= 1 for i in index.members(wrong)):
                yield Anchor(kind, described, key)


def _nth_of(world: World, described: Described, start: int) -> Iterator[Anchor]:
    nth = operator_of("nth")
    if described.bits.bit_count() < 3 or not described.countable or len(described.categories) > 1:
        return
    for key in _NTH_KEYS:
        for place in (2, 3):
            if (
                2 * place != described.bits.bit_count() + 1
                and nth.run(world.index, (described.bits,), (key, place)) == start
            ):
                if nth.margin(world.index, (described.bits,), (key, place), start) >= 1:
                    yield Anchor("nth", described, key, place)


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
