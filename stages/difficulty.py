"""How hard a question is, from how often it was solved: bands and the order of a curriculum.

A band is a statement about measured attempts; a question that nobody tried is `UNKNOWN`, never guessed to be easy.
"""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean
from typing import NamedTuple


class Band(StrEnum):
    """Solve rates that a trainer treats alike."""

    UNKNOWN = "unknown"
    """No attempt gave a number."""
    NEVER = "never_solved"
    """0: hard, or mislabelled. For people first."""
    HARD = "hard"
    """Above 0, up to 1/4."""
    MEDIUM = "medium"
    """Above 1/4, below 3/4."""
    EASY = "easy"
    """From 3/4, below 1."""
    ALWAYS = "always_solved"
    """1: nothing is learned from it."""


HARD_UP_TO, EASY_FROM = 0.25, 0.75
LEVELS = 5
"""Of a curriculum: 1 comes first."""


class Try(NamedTuple):
    """What is known of how hard one question is."""

    question_id: str
    solve_rate: float | None
    """Over all models that tried; None where no attempt gave a number."""
    hop_count: int
    margin: float


def band_of(solve_rate: float | None) -> Band:
    """Returns the band of a solve rate in [0, 1]; None is "nobody tried".

    Raises:
        ValueError: the rate is outside [0, 1].
    """
    if solve_rate is None:
        return Band.UNKNOWN
    if not 0 <= solve_rate <= 1:
        raise ValueError(f"a solve rate is between 0 and 1, not {solve_rate}")
    if solve_rate == 0:
        return Band.NEVER
    if solve_rate == 1:
        return Band.ALWAYS
    if solve_rate <= HARD_UP_TO:
        return Band.HARD
    return Band.MEDIUM if solve_rate < EASY_FROM else Band.EASY


def curriculum_of(tries: Sequence[Try]) -> dict[str, int]:
    """Returns each question's level, 1 to `LEVELS`, by question id: as many at every level, the easiest first.

    Ordered by solve rate. A question that nobody tried stands where tried ones with as many hops stand on average, and
    where none was tried, hops decide, then the margin. A level is an order to train in, not a measurement.
    """
    rates: dict[int | None, list[float]] = defaultdict(list)
    for one in tries:
        if one.solve_rate is not None:
            rates[one.hop_count].append(one.solve_rate)
            rates[None].append(one.solve_rate)
    overall = fmean(rates[None]) if None in rates else 0.0
    typical = {hops: fmean(found) for hops, found in rates.items()}

    def hardness(one: Try) -> tuple[float, int, float, str]:
        rate = one.solve_rate if one.solve_rate is not None else typical.get(one.hop_count, overall)
        return (-rate, one.hop_count, -one.margin, one.question_id)

    ordered = sorted(tries, key=hardness)
    return {one.question_id: 1 + LEVELS * place // len(ordered) for place, one in enumerate(ordered)}
