"""How far people agree with one another beyond chance: Krippendorff's alpha, from the library of his name.

Labels stop when a question is decided, so a question that the first annotator already ended has one label and nothing
to agree with: it does not enter. Audited questions are labelled by everybody, whatever the first ones say; theirs is
the alpha to quote, and it is told apart where both are shown.

Source: K. Krippendorff, Computing Krippendorff's alpha-reliability, 2011.
"""

import random
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipelines.people.votes import Record
from schemas.annotation import Annotation, Kind

DRAWS = 200
"""Resamples of the questions behind an interval."""
COVERED = 0.95


class Alpha(NamedTuple):
    """Agreement of some annotators on some questions."""

    alpha: float
    low: float
    high: float
    """Interval that covers 95% of resamples of the questions."""
    units: int
    """Questions with two labels or more."""
    labels: int


def alpha_of(record: Record, seed: int = 0) -> Alpha | None:
    """Returns the agreement on all questions; None where it is not defined."""
    return alpha_of_rows(record.annotations, seed)


def alpha_of_rows(rows: Sequence[Annotation], seed: int = 0) -> Alpha | None:
    """Returns the agreement of the given votes."""
    labels = (
        (row.question_id, row.annotator, label_of(row.verdict.value, row.answer))
        for row in rows
        if row.kind is Kind.ANSWER and row.verdict is not None
    )
    return alpha_of_labels(labels, seed)


def label_of(verdict: str, answer: int | None) -> str:
    """Returns what two annotators can agree on: the number, or why there is none. Two who say "ambiguous" agree too."""
    return verdict if answer is None else str(answer)


def alpha_of_labels(labels: Iterable[tuple[str, str, str]], seed: int = 0) -> Alpha | None:
    """Returns the agreement of labels, given as question, annotator, label.

    None where no question has two, or all labels are the same one. Skips are missing labels.
    """
    units: dict[str, dict[str, str]] = defaultdict(dict)
    for question, annotator, label in labels:
        units[question][annotator] = label
    pairable = [list(said.values()) for _, said in sorted(units.items()) if len(said) > 1]
    found = _alpha(pairable)
    if found is None:
        return None
    rng = random.Random(f"{seed}:agreement")
    draws = sorted(value for _ in range(DRAWS) if (value := _alpha(rng.choices(pairable, k=len(pairable)))) is not None)
    edge = int(len(draws) * (1 - COVERED) / 2)
    low, high = (draws[edge], draws[-1 - edge]) if draws else (found, found)
    return Alpha(found, low, high, len(pairable), sum(len(said) for said in pairable))


def _alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Returns alpha for nominal labels; None where it is not defined: no unit, or one label everywhere."""
    domain = sorted({label for labels in units for label in labels})
    if len(domain) < 2:
        return None
    import krippendorff
    import numpy as np

    place = {label: number for number, label in enumerate(domain)}
    counts = np.zeros((len(units), len(domain)), dtype=np.int64)
    for row, labels in enumerate(units):
        for label in labels:
            counts[row, place[label]] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
