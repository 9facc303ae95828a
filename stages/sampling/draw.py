"""Drawing one family: a shape by weights, a wanted answer, a chain that ends there, an anchor that starts it."""

import random
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

from pydantic import Field

from schemas.program import Program, Step
from schemas.question import Variant
from schemas.record import Record
from stages.sampling.anchors import ANCHOR_HOPS, Anchor, draw_anchor
from stages.sampling.finishes import FINISH_HOPS, Finish
from stages.sampling.search import Builder, Chain, World, build_chain, search_chain


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
    """Largest wanted answer of a count."""
    finishes_tried: int = Field(default=4, ge=1)
    """Finishes looked at for one that can give the wanted answer."""

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


Choice = TypeVar("Choice", int, str)
_ANY_NUMBER = frozenset({"read", "measure", "read_plus_count"})
"""Finishes whose answers the scene draws evenly by itself."""


def draw_family(
    rng: random.Random, world: World, config: ShapeConfig, taken: Collection[tuple[str, int]] = ()
) -> Drawn | None:
    """Returns a family whose full program should hold its certificates, None where this draw led nowhere.

    ``taken`` holds the ends (finish and last instance) that the scene's questions have already.
    """
    hops = _weighted(rng, config.hop_weights)
    kind = _weighted(rng, {k: w for k, w in config.finish_weights.items() if k in world.makers})
    anchor_kind = _weighted(rng, config.anchor_weights)
    if hops is None or kind is None or anchor_kind is None:
        return None
    moves = hops - ANCHOR_HOPS[anchor_kind] - FINISH_HOPS.get(kind, 1)
    if not 1 <= moves <= config.max_moves:
        return None
    finish, gold = _draw_finish(rng, world, kind, config)
    if gold is None:
        return None
    chain = search_chain(rng, world, finish, gold, moves)
    if chain is None or (finish.cell, chain.moves[-1].target) in taken:
        return None
    anchor = draw_anchor(rng, world, anchor_kind, chain.start, _gold_at_start(world, chain))
    if anchor is None:
        return None
    return Drawn(_full(anchor, chain), chain, hops)


def _draw_finish(rng: random.Random, world: World, kind: str, config: ShapeConfig) -> tuple[Finish, int | None]:
    """Returns a finish and a wanted answer: drawn first, so that small counts do not crowd out large ones."""
    wanted = rng.randint(1, config.max_count)
    makers = world.makers[kind]
    for maker in rng.sample(makers, min(len(makers), config.finishes_tried)):
        finish = world.finish(maker)
        if kind in _ANY_NUMBER:
            values = sorted({v for x, v in enumerate(finish.values) if v is not None and finish.safe >> x & 1})
            return finish, rng.choice(values) if values else None
        if any(value == wanted and finish.safe >> x & 1 for x, value in enumerate(finish.values)):
            return finish, wanted
    return finish, None


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
        one = builder.add((Step("only", (builder.describe(named),)),))
        build_chain(builder, one, kept, chain.finish)
        found.append(Draft(variant, builder.program(), chain.finish.cell))
    return tuple(found)


def _weighted(rng: random.Random, weights: Mapping[Choice, float]) -> Choice | None:
    if not weights:
        return None
    return rng.choices(list(weights), list(weights.values()))[0]
