"""All pairs of like pictures among many: candidates by prints that agree in some signs, then each compared.

Prints are looked up in tables: each table takes some of the 63 signs as its key. Two prints that differ in few signs
share a key in one of the tables with a chance that `docs/selection.md` states; the tables are fixed, so the same
pictures give the same pairs.
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.likeness import ALIKE, CLOSE, Prints, is_flat, likeness, prints_of, turned, turned_prints_of

VERSION = 1

_TABLES = 24
_MOST_IN_KEY = 4_000
"""A key that more regions share says nothing (plain sky); it is skipped in that table."""
_FEW = 150
"""Up to so many pictures every print is compared with every other."""
_TRIED = 3
"""Regions per pair and direction that are compared point by point, closest first."""
_BATCH = 256
"""Pictures whose regions are computed at once."""

Pairs = NDArray[np.int64]
_Try = tuple[int, int, int, int]
"""Differing signs, picture, form, region of the other."""


class Alike(NamedTuple):
    """Two pictures that show the same."""

    first: int
    second: int
    """Positions; ``first < second``."""
    likeness: float


def find_alike(thumbnails: NDArray[np.uint8], among: int | None = None) -> list[Alike]:
    """Returns all like pairs of ``(N, SIDE, SIDE)`` thumbnails, sorted.

    With ``among`` only pairs of one of the first ``among`` pictures with one of the others are looked for.
    """
    shown = np.array([not is_flat(thumbnail) for thumbnail in thumbnails], dtype=np.bool_)
    closest: dict[tuple[int, int], list[_Try]] = {}
    for whole, form, other, region, signs in _candidates(thumbnails, among):
        if shown[whole] and shown[other]:
            _keep_closest(closest.setdefault((whole, other), []), (signs, whole, form, region))
    found = []
    for first, second in sorted({(min(pair), max(pair)) for pair in closest}):
        tries = [*closest.get((first, second), ()), *closest.get((second, first), ())]
        best = _compare(thumbnails, (first, second), tries)
        if best >= ALIKE:
            found.append(Alike(first, second, best))
    return found


def _keep_closest(tries: list[_Try], found: _Try) -> None:
    """Keeps the few that will be compared: pictures that are much alike have hundreds."""
    if (len(tries) < _TRIED or found < tries[-1]) and found not in tries:
        insort(tries, found)
        del tries[_TRIED:]


def _compare(thumbnails: NDArray[np.uint8], pair: tuple[int, int], tries: Sequence[_Try]) -> float:
    """Returns the best likeness over the closest regions of both directions; stops at the first that is enough."""
    best = -1.0
    for _, whole, form, region in sorted(tries):
        if best < ALIKE:
            other = pair[1] if whole == pair[0] else pair[0]
            best = max(best, likeness(turned(thumbnails[whole], form), thumbnails[other], region))
    return best


def _candidates(thumbnails: NDArray[np.uint8], among: int | None) -> Iterator[tuple[int, int, int, int, int]]:
    """Yields picture, form, other picture, region of the other, and in how many signs they differ."""
    if len(thumbnails) < 2:
        return
    starts = range(0, len(thumbnails), _BATCH)
    wholes = np.concatenate([turned_prints_of(thumbnails[start : start + _BATCH]) for start in starts])
    regions = np.concatenate([prints_of(thumbnails[start : start + _BATCH]) for start in starts])
    search = _every if len(thumbnails) <= _FEW else _by_tables
    for rows in search(wholes, regions):
        whole, form = np.divmod(rows[:, 0], wholes.shape[1])
        other, region = np.divmod(rows[:, 1], regions.shape[1])
        wanted = whole != other
        if among is not None:
            wanted &= (whole < among) != (other < among)
        chosen = np.stack([whole, form, other, region, rows[:, 2]], axis=1)[wanted]
        yield from (tuple(row) for row in chosen.tolist())


def _every(wholes: Prints, regions: Prints) -> Iterator[Pairs]:
    """Yields (whole print, region print, differing signs) of all close pairs, flat positions."""
    flat = regions.reshape(-1)
    for number, prints in enumerate(wholes):
        for form, own in enumerate(prints):
            signs = np.bitwise_count(own ^ flat)
            close = np.flatnonzero(signs <= CLOSE)
            place = np.full(len(close), number * len(prints) + form)
            yield np.stack([place, close, signs[close]], axis=1).astype(np.int64)


def _by_tables(wholes: Prints, regions: Prints) -> Iterator[Pairs]:
    """Yields the same for pairs that share a key in a table; a pair comes once per table it is found in."""
    flat, own = regions.reshape(-1), wholes.reshape(-1)
    bits = max(12, round(np.log2(len(flat))) - 5)
    for table in range(_TABLES):
        # A fixed choice of signs per table: SeedSequence is the same on every machine.
        chosen = np.random.default_rng(np.random.SeedSequence([0x1A11CE, table])).permutation(63)[:bits]
        keys, wanted = _keys(flat, chosen), _keys(own, chosen)
        order = np.argsort(keys, kind="stable")
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
    prints: tuple[Prints, Prints], order: NDArray[np.int64], runs: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> Iterator[Pairs]:
    """Yields the close pairs of every whole print with its run of region prints, some million at a time."""
    own, flat = prints
    first, counts = runs
    ends = np.cumsum(counts)
    start = 0
    while start < len(own):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + 2_000_000, "right")))
        number = np.repeat(np.arange(start, stop), counts[start:stop])
        offset = np.arange(len(number)) - np.repeat(ends[start:stop] - counts[start:stop] - before, counts[start:stop])
        region = order[np.repeat(first[start:stop], counts[start:stop]) + offset]
        signs = np.bitwise_count(own[number] ^ flat[region])
        close = signs <= CLOSE
        yield np.stack([number[close], region[close], signs[close]], axis=1).astype(np.int64)
        start = stop
