"""Finishes: how a chain ends in a number, and the number one would get from every instance.

`values` is the answer without regard to margins, None where undefined; `safe` holds the instances from which the finish
meets the margins and is not degenerate by itself (its relation and its direction matter).
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import NamedTuple

from stages.execute import operator_of
from stages.sampling.builder import Builder
from stages.sampling.described import Described
from stages.scene_index import SceneIndex
from stages.terms import DEPTH_RELATIONS, NUMBER_KEYS, OPPOSITE_RELATION, Relation

MAX_COUNT = 9
_RANKED_BY = ("leftmost", "rightmost", "highest", "lowest")
FINISH_HOPS = {"read_plus_count": 2, "counts_apart": 2}
"""Hops of the finishes that perceive two numbers; every other perceives one."""


class Finish(NamedTuple):
    """One way to end a chain at an instance."""

    kind: str
    """count, same, closer, between, read, measure, rank, read_plus_count, read_minus_count, counts_apart."""
    hops: int
    """Hops it adds."""
    values: tuple[int | None, ...]
    safe: int
    build: Callable[[Builder, int], int]
    """(builder, step of the instance) -> step of the number."""
    cell: str
    """``kind|direction|form of the description|its words``: the unit in which answers are balanced, coarse to fine."""


Maker = Callable[[], Finish]


def finish_makers(index: SceneIndex, sets: tuple[Described, ...]) -> dict[str, list[Maker]]:
    """Returns every finish the scene may have, by kind, each as a maker to be called when it is drawn."""
    several = [described for described in sets if described.bits.bit_count() >= 2 and described.countable]
    singles = [described for described in sets if described.bits.bit_count() == 1 and described.categories]
    found: dict[str, list[Maker]] = {}
    for kind, maker in _makers(index, several, singles):
        found.setdefault(kind, []).append(maker)
    return found


def _makers(index: SceneIndex, several: list[Described], singles: list[Described]) -> Iterator[tuple[str, Maker]]:
    relations = [r for r in OPPOSITE_RELATION if index.has_depth or r not in DEPTH_RELATIONS]
    for described in several:
        for relation in relations:
            yield "count", partial(_count_related, index, described, relation)
        for other in singles:
            if not described.bits & other.bits:
                yield "between", partial(_count_with_other, index, described, other, "between")
                yield "closer", partial(_count_with_other, index, described, other, "closer")
        if len(described.categories) >= 1 and described.bits.bit_count() >= 3:
            for key in _RANKED_BY:
                yield "rank", partial(_rank, index, described, key)
    yield from _looks(index, several)
    yield from _numbers(index, several, relations)
    plain = [described for described in several if described.is_plain]
    for first, second in combinations(plain, 2):
        for relation in relations:
            yield "counts_apart", partial(_counts_apart, index, first, second, relation)


def _looks(index: SceneIndex, several: list[Described]) -> Iterator[tuple[str, Maker]]:
    """Finishes that compare looks or outlines: a photo's outlines are too uncertain for contact."""
    for described in several:
        if index.has_depth:
            yield "touching", partial(_count_touching, index, described)
        for key in ("colour", "material"):
            named = any(adjective == key for adjective, _ in described.adjectives)
            if index.has_depth and key in index.scene.supports and key in index.confidences and not named:
                yield "same", partial(_count_same, index, described, key)


def _numbers(index: SceneIndex, several: list[Described], relations: list[str]) -> Iterator[tuple[str, Maker]]:
    for key in NUMBER_KEYS:
        if key in index.scene.supports and key in index.values:
            yield "read" if key == "digit" else "measure", partial(_read, index, key)
            if key == "digit":
                for described in several:
                    for relation in relations:
                        yield "read_plus_count", partial(_read_plus_count, index, described, relation)


def _counts_apart(index: SceneIndex, first: Described, second: Described, relation: str) -> Finish:
    counts = _count_related(index, first, relation), _count_related(index, second, relation)
    return _combined(*counts, "difference", "counts_apart")


def _read_plus_count(index: SceneIndex, described: Described, relation: str) -> Finish:
    return _combined(_read(index, "digit"), _count_related(index, described, relation), "add", "read_plus_count")


def _cell(kind: str, direction: str, described: Described) -> str:
    form = f"{len(described.adjectives)} {('thing', 'category')[bool(described.categories)]}"
    if len(described.categories) > 1:
        form = f"union of {len(described.categories)}"
    words = " ".join([*(value for _, value in described.adjectives), *(described.categories or ("thing",))])
    return f"{kind}|{direction}|{form}|{words}"


def _members_of(index: SceneIndex, test: Callable[[int], bool]) -> int:
    return sum(1 << x for x in range(index.n) if test(x))


def _count_related(index: SceneIndex, described: Described, relation: str) -> Finish:
    bits = described.bits
    rows, opposite = index.related(relation), index.related(OPPOSITE_RELATION[relation])
    unclear = index.unclear(relation)
    values = tuple((rows[x] & bits).bit_count() for x in range(index.n))
    everything = bits.bit_count()

    def is_safe(x: int) -> bool:
        value = values[x]
        return (
            not unclear[x] & bits
            and 1 <= value <= MAX_COUNT
            and value not in (everything, (opposite[x] & bits).bit_count())
        )

    def build(builder: Builder, one: int) -> int:
        return builder.add("count", (builder.add("related", (one, builder.describe(described)), (relation,)),))

    return Finish("count", 1, values, _members_of(index, is_safe), build, _cell("count", relation, described))


def _count_touching(index: SceneIndex, described: Described) -> Finish:
    relation, bits = Relation.TOUCHING, described.bits
    rows, unclear = index.related(relation), index.unclear(relation)
    values = tuple((rows[x] & bits).bit_count() for x in range(index.n))

    def is_safe(x: int) -> bool:
        return not unclear[x] & bits and 1 <= values[x] < (bits & ~(1 << x)).bit_count()

    def build(builder: Builder, one: int) -> int:
        return builder.add("count", (builder.add("related", (one, builder.describe(described)), (relation,)),))

    return Finish("touching", 1, values, _members_of(index, is_safe), build, _cell("touching", "touching", described))


def _count_same(index: SceneIndex, described: Described, key: str) -> Finish:
    same, bits = operator_of("same_attribute"), described.bits
    sets = [same.run(index, (x, bits), (key,)) for x in range(index.n)]
    values = tuple(None if found is None else found.bit_count() for found in sets)

    def is_safe(x: int) -> bool:
        found, value = sets[x], values[x]
        if found is None or value is None or not 1 <= value <= MAX_COUNT or value >= (bits & ~(1 << x)).bit_count():
            return False
        return same.margin(index, (x, bits), (key,), found) >= 1

    def build(builder: Builder, one: int) -> int:
        return builder.add("count", (builder.add("same_attribute", (one, builder.describe(described)), (key,)),))

    return Finish("same", 1, values, _members_of(index, is_safe), build, _cell("same", key, described))


def _read(index: SceneIndex, key: str) -> Finish:
    name = "read" if key == "digit" else "measure"
    operator = operator_of(name)
    values = tuple(operator.run(index, (x,), (key,)) for x in range(index.n))
    safe = _members_of(index, lambda x: values[x] is not None and operator.margin(index, (x,), (key,), 0) >= 1)

    def build(builder: Builder, one: int) -> int:
        return builder.add(name, (one,), (key,))

    return Finish(name, 1, values, safe, build, f"{name}|{key}|none|none")


def _rank(index: SceneIndex, described: Described, key: str) -> Finish:
    rank, bits = operator_of("rank"), described.bits
    values = tuple(rank.run(index, (x, bits), (key,)) for x in range(index.n))
    size = bits.bit_count()

    def is_safe(x: int) -> bool:
        value = values[x]
        if value is None or 2 * value == size + 1:
            return False
        return rank.margin(index, (x, bits), (key,), value) >= 1

    def build(builder: Builder, one: int) -> int:
        return builder.add("rank", (one, builder.describe(described)), (key,))

    return Finish("rank", 1, values, _members_of(index, is_safe), build, _cell("rank", key, described))


def _count_with_other(index: SceneIndex, described: Described, other: Described, name: str) -> Finish:
    operator, bits = operator_of(name), described.bits
    end = other.bits.bit_length() - 1
    sets = [operator.run(index, (x, end, bits), ()) or 0 for x in range(index.n)]
    values = tuple(None if x == end else found.bit_count() for x, found in enumerate(sets))

    def is_safe(x: int) -> bool:
        value = values[x]
        if value is None or not 1 <= value <= MAX_COUNT or value >= (bits & ~(1 << x)).bit_count():
            return False
        return operator.margin(index, (x, end, bits), (), sets[x]) >= 1

    def build(builder: Builder, one: int) -> int:
        named = builder.add("only", (builder.describe(other),))
        return builder.add("count", (builder.add(name, (one, named, builder.describe(described))),))

    return Finish(name, 1, values, _members_of(index, is_safe), build, _cell(name, name, described))


def _combined(first: Finish, second: Finish, operator: str, kind: str) -> Finish:
    combine = operator_of(operator).run
    values = tuple(
        None if a is None or b is None else combine(None, (a, b), ())  # type: ignore[arg-type]
        for a, b in zip(first.values, second.values, strict=True)
    )
    safe = sum(1 << x for x, value in enumerate(values) if value is not None and value > 0) & first.safe & second.safe

    def build(builder: Builder, one: int) -> int:
        return builder.add(operator, (first.build(builder, one), second.build(builder, one)))

    return Finish(kind, 2, values, safe, build, f"{kind}|{second.cell.partition('|')[2]}")
