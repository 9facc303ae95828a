"""How hard a question is, from how often it was solved: bands and the order of a curriculum.

A band is a statement about measured attempts; a question that nobody tried is `UNKNOWN`, never guessed to be easy.
"""

from enum import StrEnum


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
