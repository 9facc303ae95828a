"""Search backward from a wanted answer.

A chain is anchor -> move -> ... -> move -> finish. From the finish one knows which instances give the wanted answer
(`gold`, a bit set). A move is safe when, within its described set, the one member that carries gold is the one it
lands on (one AND and one popcount), and skipping it is safe when the instance it starts from does not carry gold. So
whether a move can work is decided before anything is executed, and each step back costs a few integer operations.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from stages.sampling.builder import Builder
from stages.sampling.described import Described, described_sets
from stages.sampling.finishes import Finish, Maker, finish_makers
from stages.sampling.moves import MoveKind, Rows, Sources, move_kinds, sources_of
from stages.scene_index import SceneIndex

_DESCRIPTIONS_TRIED = 6
_KINDS_TRIED = 7
MAX_NAMED = 3
"""Most categories of a union that one chooses from; more are named only to be counted."""


class ChainMove(NamedTuple):
    """One move of a chain with where it starts and lands."""

    kind: MoveKind
    described: Described
    source: int
    target: int


class Chain(NamedTuple):
    """Moves in reading order, then the finish."""

    start: int
    moves: tuple[ChainMove, ...]
    finish: Finish
    gold: int


class World:
    """What can be asked about one scene; landings and finishes are made when first needed and kept."""

    def __init__(self, index: SceneIndex) -> None:
        """Describes the sets of the scene."""
        self.index = index
        self.sets = described_sets(index)
        self.several = tuple(described for described in self.sets if described.bits.bit_count() >= 2)
        self.choosable = tuple(described for described in self.several if len(described.categories) <= MAX_NAMED)
        self.singles = {
            described.bits: described for described in reversed(self.sets) if described.bits.bit_count() == 1
        }
        self.kinds_tried = _KINDS_TRIED
        self.visible = sum(1 << i for i in range(index.n) if index.visibility(i) >= 1)
        self.makers = finish_makers(index, self.sets)
        self.kinds = move_kinds(index)
        self.rows = Rows(index)
        self._sources: dict[tuple[MoveKind, int, int], Sources] = {}
        self._finishes: dict[Maker, Finish] = {}
        self.wanted: dict[Maker, list[int]] = {}
        """Answers that may be asked of a finish, each as often as it is to be drawn."""

    def search_harder(self) -> None:
        """Tries as many moves as there are at each step back: worth it only where a picture has given nothing yet."""
        self.kinds_tried = len(set(self.kinds))

    def sources(self, kind: MoveKind, bits: int, target: int) -> Sources:
        """Returns from where a move within a described set lands on one of its members."""
        key = (kind, bits, target)
        found = self._sources.get(key)
        if found is None:
            found = self._sources[key] = sources_of(self.rows, kind, bits, target)
        return found

    def raw_sources(self, kind: MoveKind, bits: int, targets: int) -> int:
        """Returns from where a reader who minds no margins lands on any of the targets."""
        found = 0
        for target in self.index.members(targets & bits):
            found |= self.sources(kind, bits, target).raw
        return found

    def finish(self, maker: Maker) -> Finish:
        """Returns the finish of a maker."""
        if maker not in self._finishes:
            self._finishes[maker] = maker()
        return self._finishes[maker]


class _State(NamedTuple):
    gold: int
    """Instances from which a careless reader would end at the wanted answer."""
    safe: int
    """Instances from which the rest of the chain may be asked, and which give the wanted answer."""
    visited: int
    later: tuple[MoveKind, int] | None = None
    """The move that follows and its set: the same one twice in a row reads like a slip."""


def search_chain(rng: random.Random, world: World, end: tuple[Finish, int], moves: int, starts: int) -> Chain | None:
    """Returns a chain of that many moves that ends at the wanted answer, None where none was found quickly.

    ``end`` is a finish and the answer wanted of it; ``starts`` are the instances at which the chain may start.
    """
    finish, gold = end
    bits = sum(1 << x for x, value in enumerate(finish.values) if value == gold)
    state = _State(gold=bits, safe=bits & finish.safe & world.visible, visited=0)
    found = _extend_back(rng, world, state, moves, starts)
    if found is None:
        return None
    start = found[0].source if found else _pick(rng, state.safe)
    return Chain(start, tuple(found), finish, gold)


def _extend_back(rng: random.Random, world: World, state: _State, moves: int, starts: int) -> list[ChainMove] | None:
    """Returns the moves in reading order; the first starts at an instance that does not carry gold."""
    if moves == 0:
        return []
    kinds, total = world.kinds, len(world.kinds)
    blocked = state.gold | state.visited
    for described in _usable(rng, world.choosable, state):
        bits = described.bits
        target = (bits & state.gold).bit_length() - 1
        allowed = world.visible & ~(blocked | 1 << target)
        if moves == 1:
            allowed &= starts
        if len(described.categories) > 1 and len(described.categories) == bits.bit_count():
            allowed &= ~bits  # "the cup or the sink nearest to it" is odd where it is the sink
        for _ in range(world.kinds_tried if allowed else 0):
            kind = kinds[int(rng.random() * total)]
            if state.later == (kind, bits) or (kind.argument and kind.argument in described.adjective_keys):
                continue
            found = world.sources(kind, bits, target)
            sources = found.safe & allowed
            if not sources:
                continue
            earlier = _State(found.raw, sources, state.visited | 1 << target, (kind, bits))
            rest = _extend_back(rng, world, earlier, moves - 1, starts)
            if rest is not None:
                source = rest[-1].target if rest else _pick(rng, sources)
                return [*rest, ChainMove(kind, described, source, target)]
    return None


def _usable(rng: random.Random, several: Sequence[Described], state: _State) -> list[Described]:
    """Returns a few described sets, in random order, whose one member with gold is a place to land on."""
    found = []
    landings = state.safe & ~state.visited
    for described in several:
        hits = described.bits & state.gold
        if hits and hits & (hits - 1) == 0 and hits & landings:
            found.append(described)
    if len(found) > _DESCRIPTIONS_TRIED:
        return rng.sample(found, _DESCRIPTIONS_TRIED)
    rng.shuffle(found)
    return found


def _pick(rng: random.Random, bits: int) -> int:
    members = [i for i in range(bits.bit_length()) if bits >> i & 1]
    return rng.choice(members)


def build_chain(builder: Builder, one: int, moves: Sequence[ChainMove], finish: Finish) -> int:
    """Appends the moves from the instance of step ``one``, then the finish; returns the number of the answer's step."""
    for move in moves:
        described = builder.describe(move.described)
        one = move.kind.build(builder, one, described)
    return finish.build(builder, one)
