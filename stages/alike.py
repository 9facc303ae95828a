"""Pictures that show the same, among many: prints that agree in some signs, details that agree, then a comparison.

Prints are looked up in tables: each table takes some of the 63 signs as its key. Two prints that differ in few signs
share a key in one of the tables with a chance that `docs/selection.md` states; the tables are fixed, so the same
pictures give the same pairs. A block of pictures is looked up at a time, so what is in memory does not grow with the
number of pairs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.likeness import ALIKE, FORMS, is_flat, likeness, spans, turned
from stages.prints import CLOSE, LIKE_DETAILS, Looks, Prints, correlation, regions_of, turned_details, wholes_of

VERSION = 2

_TABLES = 24
_MOST_IN_KEY = 400
"""A key that more wholes share says nothing (plain sky); it is skipped in that table."""
_FEW = 150
"""Up to so many pictures every print is compared with every other."""
_BLOCK = 256
"""Pictures whose regions are looked up at once."""
_AT_ONCE = 200_000
"""Pairs of prints that are counted at once."""
_FITTED = 10_000
"""Pairs whose details are compared at once."""

Pairs = NDArray[np.int64]
"""``(K, 2)``: flat positions of a whole's print and of a region's print within its block."""
_Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of the wholes and of the block's pictures among all."""


class Alike(NamedTuple):
    """Two pictures that show the same."""

    first: int
    second: int
    """Positions; ``first < second``."""
    likeness: float


class _Try(NamedTuple):
    """A region of another picture that a whole may lie over."""

    fit: float
    """Correlation of details."""
    whole: int
    form: int
    other: int
    region: int


def find_alike(thumbnails: NDArray[np.uint8], among: int | None = None) -> list[Alike]:
    """Returns like pairs of ``(N, SIDE, SIDE)`` thumbnails, sorted: enough to join all that show the same.

    Two pictures that pairs join already, if only by way of others, are not compared again; every picture that shows
    what another shows is in a pair. With ``among`` only pairs of one of the first ``among`` pictures with one of the
    others are looked for.
    """
    shown = np.flatnonzero([not is_flat(thumbnail) for thumbnail in thumbnails])
    joined = np.arange(len(thumbnails))
    found = []
    for tries in _tries(thumbnails, shown, among):
        best = max((_likeness(thumbnails, one) for one in tries if not _same(joined, one)), default=-1.0)
        if best >= ALIKE:
            first, second = sorted((tries[0].whole, tries[0].other))
            joined[_group(joined, second)] = _group(joined, first)
            found.append(Alike(first, second, best))
    return sorted(found)


def _likeness(thumbnails: NDArray[np.uint8], one: _Try) -> float:
    return likeness(turned(thumbnails[one.whole], one.form), thumbnails[one.other], one.region)


def _same(joined: NDArray[np.int64], one: _Try) -> bool:
    return _group(joined, one.whole) == _group(joined, one.other)


def _group(joined: NDArray[np.int64], number: int) -> int:
    while joined[number] != number:
        joined[number] = joined[joined[number]]
        number = int(joined[number])
    return number


def _tries(thumbnails: NDArray[np.uint8], shown: NDArray[np.int64], among: int | None) -> Iterator[list[_Try]]:
    """Yields for each pair and direction the few regions that fit best, a block of others after the other."""
    if len(shown) < 2:
        return
    wholes = wholes_of(thumbnails[shown])
    for start in range(0, len(shown), _BLOCK):
        others = shown[start : start + _BLOCK]
        best = _best_of_block(wholes, regions_of(thumbnails[others]), (shown, others), among)
        for pair in sorted(best):
            yield best[pair]


def _best_of_block(
    wholes: Looks, regions: Looks, places: _Places, among: int | None
) -> dict[tuple[int, int], list[_Try]]:
    """Returns each tilt's best fit of every whole with every picture of a block: details do not tell tilts apart."""
    best: dict[tuple[int, int, int], _Try] = {}
    search = _every if len(wholes.prints) <= _FEW else _by_tables
    for found in search(wholes.prints, regions.prints):
        for start in range(0, len(found), _FITTED):
            for one in _fitting(found[start : start + _FITTED], (wholes, regions), places, among):
                key = one.whole, one.other, one.form // 8
                best[key] = max(best.get(key, one), one)
    tries: dict[tuple[int, int], list[_Try]] = {}
    for (whole, other, _), one in sorted(best.items()):
        tries.setdefault((whole, other), []).append(one)
    return tries


def _fitting(pairs: Pairs, looks: tuple[Looks, Looks], places: _Places, among: int | None) -> Iterator[_Try]:
    """Yields those pairs of a whole and a region whose details agree."""
    wholes, regions = looks
    own, form = np.divmod(pairs[:, 0], FORMS)
    held, region = np.divmod(pairs[:, 1], len(spans()) ** 2)
    whole, other = places[0][own], places[1][held]
    wanted = whole != other if among is None else (whole < among) != (other < among)
    tilt, turn = np.divmod(form, 8)
    for facing in range(8):
        chosen = np.flatnonzero(wanted & (turn == facing))
        details = turned_details(wholes.details[own[chosen], tilt[chosen]], facing)
        fit = correlation(details, regions.details[held[chosen], region[chosen]])
        for place in np.flatnonzero(fit >= LIKE_DETAILS):
            row = chosen[place]
            yield _Try(float(fit[place]), int(whole[row]), int(form[row]), int(other[row]), int(region[row]))


def _every(wholes: Prints, regions: Prints) -> Iterator[Pairs]:
    """Yields all close pairs of a whole's and a region's print."""
    flat = regions.reshape(-1)
    for number, own in enumerate(wholes):
        form, close = np.nonzero(np.bitwise_count(own[:, None] ^ flat) <= CLOSE)
        yield np.stack([number * len(own) + form, close], axis=1)


def _by_tables(wholes: Prints, regions: Prints) -> Iterator[Pairs]:
    """Yields the close pairs that share a key in a table; a pair comes once per table it is found in."""
    own, flat = wholes.reshape(-1), regions.reshape(-1)
    bits = max(12, round(np.log2(len(wholes) * regions.shape[1])) - 5)
    for table in range(_TABLES):
        # A fixed choice of signs per table: SeedSequence is the same on every machine.
        chosen = np.random.default_rng(np.random.SeedSequence([0x1A11CE, table])).permutation(63)[:bits]
        keys, wanted = _keys(own, chosen), _keys(flat, chosen)
        order = np.argsort(keys, kind="stable").astype(np.int32)
        ordered = keys[order]
        first, last = np.searchsorted(ordered, wanted, "left"), np.searchsorted(ordered, wanted, "right")
        counts = last - first
        counts[counts > _MOST_IN_KEY] = 0
        yield from _expanded((own, flat), order, (first, counts))


def _keys(prints: Prints, chosen: NDArray[np.int64]) -> NDArray[np.uint32]:
    keys = np.zeros(len(prints), dtype=np.uint32)
    for place, bit in enumerate(chosen.tolist()):
        keys |= ((prints >> np.uint64(bit)) & np.uint64(1)).astype(np.uint32) << np.uint32(place)
    return keys


def _expanded(
    prints: tuple[Prints, Prints], order: NDArray[np.int32], runs: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> Iterator[Pairs]:
    """Yields the close pairs of every region's print with its run of wholes' prints, some at a time."""
    own, flat = prints
    first, counts = runs
    ends = np.cumsum(counts)
    start = 0
    while start < len(flat):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _AT_ONCE, "right")))
        number = np.repeat(np.arange(start, stop), counts[start:stop])
        offset = np.arange(len(number)) - np.repeat(ends[start:stop] - counts[start:stop] - before, counts[start:stop])
        whole = order[np.repeat(first[start:stop], counts[start:stop]) + offset]
        close = np.bitwise_count(own[whole] ^ flat[number]) <= CLOSE
        yield np.stack([whole[close], number[close]], axis=1).astype(np.int64)
        start = stop
