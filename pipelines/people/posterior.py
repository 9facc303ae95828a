"""How likely a question's own answer is right, given who said what: Dawid and Skene's model, from crowd-kit.

The model has two classes, "the question's number is right" and "it is not". An annotator's vote is either the same
number or anything else. It learns how often each annotator says which in either class, with gold tasks as known
cases, and weighs every vote accordingly.

Source: A. P. Dawid, A. M. Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, 1979.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipelines.errors import UserError
from pipelines.people.votes import Record
from schemas.annotation import Kind, Purpose

ROUNDS = 50
BELIEF = {True: {True: 9, False: 1}, False: {True: 3, False: 57}}
"""What is believed of an annotator before the first vote, as votes: by whether the number is right, then by whether
they gave it. A few answers prove nobody infallible."""
START = 0.8
"""Share of right questions that the estimate starts from."""
EDGE = 0.02
"""No share is taken to be nearer to none or all than this."""


class Label(NamedTuple):
    """One vote in two classes."""

    question_id: str
    annotator: str
    same: bool
    """It is the question's own number."""


def posteriors_of(record: Record, priors: Mapping[str, float] | None = None) -> dict[str, float]:
    """Returns the probability that each open question's own answer is right."""
    labels = [
        Label(ballot.candidate.question_id, vote.annotator, vote.answer == ballot.candidate.own)
        for ballot in record.ballots
        for vote in ballot.votes
        if vote.kind is Kind.ANSWER
    ]
    gold = [
        Label(f"gold {row.question_id} {row.annotator}", row.annotator, bool(row.agrees))
        for row in record.history
        if row.purpose is Purpose.GOLD and row.counts and row.kind is Kind.ANSWER
    ]
    found, usual = posteriors(labels, gold, priors or {})
    names = (ballot.candidate.question_id for ballot in record.ballots)
    return {name: found.get(name, (priors or {}).get(name, usual)) for name in names}


def posteriors(
    labels: Sequence[Label], gold: Sequence[Label], priors: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Returns the probability of each labelled question's number being right, and the share of such questions.

    ``priors`` are probabilities before any vote, by question; the share stands in for those that are not given.

    Raises:
        UserError: crowd-kit is not installed.
    """
    errors = _errors_of(labels, gold)
    odds: dict[str, float] = {}
    for label in labels:
        right, wrong = errors[label.annotator, label.same]
        odds[label.question_id] = odds.get(label.question_id, 1.0) * right / wrong
    share = START
    found: dict[str, float] = {}
    for _ in range(ROUNDS if odds else 0):
        found = {name: _posterior(priors.get(name, share), ratio) for name, ratio in odds.items()}
        share = min(1 - EDGE, max(EDGE, sum(found.values()) / len(found)))
    return found, share


def _posterior(prior: float, ratio: float) -> float:
    return prior * ratio / (prior * ratio + 1 - prior)


def _errors_of(labels: Sequence[Label], gold: Sequence[Label]) -> dict[tuple[str, bool], tuple[float, float]]:
    """Returns how often each annotator says same or not, where the number is right and where it is wrong."""
    if not labels:
        return {}
    try:
        import pandas as pd
        from crowdkit.aggregation.classification.dawid_skene import DawidSkene
    except ImportError as error:
        raise UserError("the rule posterior needs crowd-kit: pip install 'hopyard[annotate]'") from error
    known = [(label, True) for label in gold]
    for annotator in sorted({label.annotator for label in (*labels, *gold)}):
        for right, said in BELIEF.items():
            for same, count in said.items():
                names = (f"belief {annotator} {right} {same} {number}" for number in range(count))
                known += [(Label(name, annotator, same), right) for name in names]
    rows = [(label.question_id, label.annotator, label.same) for label in (*labels, *(label for label, _ in known))]
    data = pd.DataFrame(rows, columns=["task", "worker", "label"])
    truth = pd.Series({label.question_id: right for label, right in known})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its use of pandas is older than ours
        errors: pd.DataFrame = DawidSkene(n_iter=ROUNDS).fit(data, true_labels=truth).errors_
    table = {key: (float(row[True]), float(row[False])) for key, row in errors.iterrows()}
    return {(str(name), bool(same)): shares for (name, same), shares in table.items()}
