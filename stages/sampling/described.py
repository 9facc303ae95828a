"""The sets of instances that words can describe in one scene: categories, with up to two adjectives."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.program import Step
from stages.scene_index import SceneIndex

ADJECTIVE_KEYS = ("size", "colour", "material")
"""In the order English puts them."""


class Described(NamedTuple):
    """A described set."""

    category: str | None
    """None means any thing."""
    adjectives: tuple[tuple[str, str], ...]
    """(attribute key, value), in the order of `ADJECTIVE_KEYS`."""
    bits: int

    def steps(self, start: int) -> tuple[Step, ...]:
        """Returns the steps that select the set from step 0 (the scene); the first new one has number ``start``."""
        steps: list[Step] = []
        position = 0
        if self.category is not None:
            steps.append(Step("category", (position,), (self.category,)))
            position = start + len(steps) - 1
        for key, value in self.adjectives:
            steps.append(Step("attribute", (position,), (key, value)))
            position = start + len(steps) - 1
        return tuple(steps)


def described_sets(index: SceneIndex) -> tuple[Described, ...]:
    """Returns every set with a description, the plainest one for each, in a fixed order.

    Categories that may not be counted are never named. Sets of "things" of any category exist only where the source
    knows every instance of the picture (it supports sizes) and all categories are countable.
    """
    plainest: dict[int, Described] = {}
    for described in sorted(_candidates(index), key=_plainness):
        if described.bits:
            plainest.setdefault(described.bits, described)
    return tuple(plainest.values())


def _plainness(described: Described) -> tuple[int, bool, str, tuple[tuple[str, str], ...]]:
    words = len(described.adjectives) + (described.category is None)
    return words, described.category is None, described.category or "", described.adjectives


def _candidates(index: SceneIndex) -> Iterator[Described]:
    names: list[str | None] = sorted(index.category_bits.keys() & index.countable)
    if "size" in index.scene.supports and len(names) == len(index.category_bits) and len(names) > 1:
        names.append(None)
    for name in names:
        bits = index.everything if name is None else index.category_bits[name]
        yield Described(name, (), bits)
        yield from _with_adjectives(index, name, bits)


def _with_adjectives(index: SceneIndex, name: str | None, bits: int) -> Iterator[Described]:
    keys = [key for key in ADJECTIVE_KEYS if _can_tell_apart(index, key, bits)]
    pairs = [pair for pair in sorted(index.attribute_bits) if pair[0] in keys]
    for key, value in pairs:
        narrowed = bits & index.attribute_bits[key, value]
        if narrowed in (0, bits):
            continue
        yield Described(name, ((key, value),), narrowed)
        for other in pairs:
            if ADJECTIVE_KEYS.index(other[0]) > ADJECTIVE_KEYS.index(key):
                both = narrowed & index.attribute_bits[other]
                if both not in (0, narrowed):
                    yield Described(name, ((key, value), other), both)


def _can_tell_apart(index: SceneIndex, key: str, bits: int) -> bool:
    """Whether the attribute is known for every member and its words are clear among them.

    Sizes are words only where the set has small and large members and nothing in between: a medium one looks large next
    to small ones.
    """
    if key not in index.scene.supports or index.attribute_margin(key, bits) < 1:
        return False
    return key != "size" or {index.values[key][i] for i in index.members(bits)} == {"small", "large"}
