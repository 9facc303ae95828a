"""Drawing one family: a shape by weights, a wanted answer, a chain that ends there, an anchor that starts it."""

import random
from bisect import bisect
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from pydantic import Field

from schemas.program import Program
from schemas.question import Variant
from schemas.record import Record
from stages.sampling.anchors import ANCHOR_HOPS, Anchor, Anchors
from stages.sampling.builder import Builder
from stages.sampling.finishes import FINISH_HOPS, Finish
from stages.sampling.search import Chain, World, build_chain, search_chain


class ShapeConfig(Record):
    """What kinds of programs are drawn, and how often."""

    hop_weights: dict[int, float] = Field(default={3: 4.0, 4: 3.0, 5: 2.0, 6: 1.0})
    """Hop count -> weight."""
    anchor_weights: dict[str, float] = Field(default={"only": 3.0, "extreme": 4.0, "nth": 1.0, "route": 1.5})
    finish_weights: dict[str, float] = Field(
        default={
            "count": 5.0,
            "same": 1.5,
            "closer": 1.0,
            "between": 1.0,
            "touching": 0.4,
            "read": 3.0,
            "measure": 1.0,
            "rank": 0.7,
            "read_plus_count": 2.0,
            "counts_apart": 1.0,
        }
    )
    max_moves: int = Field(default=4, ge=1)
    max_count: int = Field(default=5, ge=1)
    """Counts up to this one are wanted the more often the larger they are."""

    def simplest(self) -> "ShapeConfig":
        """Returns the same choices with the fewest hops only: what is left to try on a picture with few things."""
        return self.model_copy(update={"hop_weights": {min(self.hop_weights): 1.0}})


class Draft(NamedTuple):
    """One drawn program with what the text and the quotas need to know of it."""

    variant: Variant
    program: Program
    cell: str


class Drawn(NamedTuple):
    """One drawn family."""

    full: Draft
    chain: Chain
    hops: int

    @property
    def end(self) -> tuple[str, int]:
        """The finish and the position of the instance it starts from."""
        return self.chain.finish.cell, self.chain.moves[-1].target

    def shorter(self, world: World) -> tuple[Draft, ...]:
        """Returns the half and single-hop variants that can be made."""
        return _shorter(world, self.chain, self.hops)


_ANY_NUMBER = frozenset({"read", "measure", "read_plus_count"})
"""Finishes whose answers the scene draws evenly by itself."""


class Drawer:
    """Draws families of one scene."""

    def __init__(self, rng: random.Random, world: World, config: ShapeConfig) -> None:
        """Lists the shapes the scene allows, with their weights."""
        self.rng = rng
        self.world = world
        self.config = config
        self.anchors = Anchors(world)
        self.starts = {kind: self.anchors.starts(kind) & world.visible for kind in config.anchor_weights}
        self.shapes = list(_shapes(config, world, self.starts))
        self.totals = list(accumulate(shape.weight for shape in self.shapes))

    def draw(self, taken: Collection[tuple[str, int]]) -> Drawn | None:
        """Returns a family whose full program should hold its certificates, None where this draw led nowhere.

        ``taken`` holds the ends (finish and last instance) that the scene's questions have already.
        """
        if not self.shapes:
            return None
        rng, world = self.rng, self.world
        shape = self.shapes[min(bisect(self.totals, rng.random() * self.totals[-1]), len(self.shapes) - 1)]
        finish, gold = _draw_finish(rng, world, shape.finish, self.config)
        if gold is None:
            return None
        chain = search_chain(rng, world, (finish, gold), shape.moves, self.starts[shape.anchor])
        if chain is None or (finish.cell, chain.moves[-1].target) in taken:
            return None
        anchor = self.anchors.draw(rng, shape.anchor, chain.start, _gold_at_start(world, chain))
        return None if anchor is None else Drawn(_full(anchor, chain), chain, shape.hops)


class _Shape(NamedTuple):
    hops: int
    anchor: str
    finish: str
    moves: int
    weight: float


def _shapes(config: ShapeConfig, world: World, starts: Mapping[str, int]) -> Iterator[_Shape]:
    """Yields the combinations that fit; a hop count keeps its share however many combinations reach it."""
    for hops, share in config.hop_weights.items():
        fitting = []
        for anchor, anchor_weight in config.anchor_weights.items():
            for finish, finish_weight in config.finish_weights.items():
                moves = hops - ANCHOR_HOPS[anchor] - FINISH_HOPS.get(finish, 1)
                if starts[anchor] and finish in world.makers and 1 <= moves <= config.max_moves:
                    fitting.append(_Shape(hops, anchor, finish, moves, anchor_weight * finish_weight))
        total = sum(shape.weight for shape in fitting)
        yield from (shape._replace(weight=share * shape.weight / total) for shape in fitting)


def _draw_finish(rng: random.Random, world: World, kind: str, config: ShapeConfig) -> tuple[Finish, int | None]:
    """Returns a finish and a wanted answer; large counts are rarer in scenes and therefore likelier to be wanted."""
    makers = world.makers[kind]
    maker = makers[int(rng.random() * len(makers))]
    finish = world.finish(maker)
    choices = world.wanted.get(maker)
    if choices is None:
        safe = finish.safe & world.visible
        values = sorted({v for x, v in enumerate(finish.values) if v is not None and safe >> x & 1})
        flat = kind in _ANY_NUMBER
        copies = [1 if flat else min(value, config.max_count) ** 2 for value in values]
        choices = world.wanted[maker] = [v for v, n in zip(values, copies, strict=True) for _ in range(max(n, 1))]
    return finish, rng.choice(choices) if choices else None


def _gold_at_start(world: World, chain: Chain) -> int:
    """Returns the instances from which the chain's moves end at the wanted answer."""
    gold = sum(1 << x for x, value in enumerate(chain.finish.values) if value == chain.gold)
    for move in reversed(chain.moves):
        gold = world.raw_sources(move.kind, move.described.bits, gold)
    return gold


def _full(anchor: Anchor, chain: Chain) -> Draft:
    builder = Builder()
    build_chain(builder, anchor.build(builder), chain.moves, chain.finish)
    return Draft(Variant.FULL, builder.program(), chain.finish.cell)


def _shorter(world: World, chain: Chain, hops: int) -> tuple[Draft, ...]:
    """Returns the variants that keep the end of the chain and name the instance it then starts from."""
    wanted = {Variant.HALF: hops // 2 - chain.finish.hops, Variant.SINGLE: 1 - chain.finish.hops}
    found: list[Draft] = []
    for variant, moves in wanted.items():
        if not 0 <= moves < len(chain.moves) or (variant is Variant.HALF and hops // 2 < 2):
            continue
        kept = chain.moves[len(chain.moves) - moves :]
        start = kept[0].source if kept else chain.moves[-1].target
        named = world.singles.get(1 << start)
        if named is None or not named.categories:
            continue
        builder = Builder()
        one = builder.add("only", (builder.describe(named),))
        build_chain(builder, one, kept, chain.finish)
        found.append(Draft(variant, builder.program(), chain.finish.cell))
    return tuple(found)
