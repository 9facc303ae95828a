"""The sets of instances that words can describe in one scene: categories, with up to two adjectives, and unions."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from stages.scene_index import SceneIndex

ADJECTIVE_KEYS = ("size", "colour", "material")
"""In the order English puts them."""
MAX_UNION = 8
"""Most members of a union of categories."""


class Described(NamedTuple):
    """A described set."""

    categories: tuple[str, ...]
    """One category; several for "people or bicycles"; none for any thing."""
    adjectives: tuple[tuple[str, str], ...]
    """(attribute key, value), in the order of `ADJECTIVE_KEYS`; only with at most one category."""
    bits: int
    countable: bool
    """Whether it may be counted, not just chosen from."""

    @property
    def adjective_keys(self) -> tuple[str, ...]:
        """The attributes that its adjectives name."""
        return tuple(key for key, _ in self.adjectives)

    @property
    def is_plain(self) -> bool:
        """One category without adjectives."""
        return len(self.categories) == 1 and not self.adjectives


def described_sets(index: SceneIndex) -> tuple[Described, ...]:
    """Returns every set with a description, the plainest one for each, in a fixed order.

    Only categories that may be chosen from are named. Sets of "things" of any category exist only where the source
    knows every instance of the picture (it supports sizes) and all categories are countable; unions of categories
    only where it does not.
    """
    plainest: dict[int, Described] = {}
    for described in sorted(_candidates(index), key=_plainness):
        if described.bits:
            plainest.setdefault(described.bits, described)
    return tuple(plainest.values())


def _plainness(described: Described) -> tuple[int, bool, tuple[str, ...], tuple[tuple[str, str], ...]]:
    words = len(described.adjectives) + (not described.categories) + 2 * max(0, len(described.categories) - 1)
    return words, not described.categories, described.categories, described.adjectives


def _candidates(index: SceneIndex) -> Iterator[Described]:
    names = sorted(index.category_bits.keys() & index.selectable)
    for name in names:
        plain = Described((name,), (), index.category_bits[name], name in index.countable)
        yield plain
        yield from _with_adjectives(index, plain)
    if "size" not in index.scene.supports:
        yield from _unions(index, names)
    elif len(names) == len(index.category_bits) > 1 and set(names) <= index.countable:
        things = Described((), (), index.everything, True)
        yield things
        yield from _with_adjectives(index, things)


def _unions(index: SceneIndex, names: Sequence[str]) -> Iterator[Described]:
    for width in (2, 3, 4):
        for chosen in combinations(names, width):
            bits = 0
            for name in chosen:
                bits |= index.category_bits[name]
            if bits.bit_count() <= MAX_UNION:
                yield Described(chosen, (), bits, set(chosen) <= index.countable)


def _with_adjectives(index: SceneIndex, base: Described) -> Iterator[Described]:
    bits = base.bits
    keys = [key for key in ADJECTIVE_KEYS if _can_tell_apart(index, key, bits)]
    pairs = [pair for pair in sorted(index.attribute_bits) if pair[0] in keys]
    for key, value in pairs:
        narrowed = bits & index.attribute_bits[key, value]
        if narrowed in (0, bits):
            continue
        yield base._replace(adjectives=((key, value),), bits=narrowed)
        for other in pairs:
            if ADJECTIVE_KEYS.index(other[0]) > ADJECTIVE_KEYS.index(key):
                both = narrowed & index.attribute_bits[other]
                if both not in (0, narrowed):
                    yield base._replace(adjectives=((key, value), other), bits=both)


def _can_tell_apart(index: SceneIndex, key: str, bits: int) -> bool:
    """Whether the attribute is known for every member and its words are clear among them.

    Sizes are words only where the set has small and large members and nothing in between: a medium one looks large next
    to small ones.
    """
    if key not in index.scene.supports or index.attribute_margin(key, bits) < 1:
        return False
    return key != "size" or {index.values[key][i] for i in index.members(bits)} == {"small", "large"}
