"""Reward model: from numbers about a question to the probability that people would agree on its answer.

In: feature rows and a fitted model. Out: probabilities, and for each question accept, people or drop. Nothing is fitted
here (`pipelines/people/learn.py`), so that scoring needs numpy alone.

After MedGR2: a reward model that starts from a few human verdicts and is fitted again as more arrive.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.decision import Route
from schemas.reward_model import RewardModel

VERSION = 2

FEATURES = (
    "hop_count",
    "margin",
    "luck",
    "strict",
    "categories",
    "instances",
    "answer",
    "words",
    "widest",
    "solve_rate",
    "judge_score",
)
"""Columns of a feature row. What is not known is NaN: no attempt with the picture, no judge that spoke."""

Rows = NDArray[np.float64]


def probabilities(model: RewardModel, rows: Rows) -> NDArray[np.float64]:
    """Returns the probability of agreement for each row.

    Args:
        model: A fitted model.
        rows: ``(N, F)``, columns as `RewardModel.features`, NaN where a value is not known.

    Raises:
        ValueError: the rows have other columns than the model, or the model does not fit itself.
    """
    score = scores(rows, np.array(model.fills), np.array(model.scales), np.array(model.weights)) + model.intercept
    return logistic(model.slope * score + model.shift)


def scores(
    rows: Rows, fills: NDArray[np.float64], scales: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the weighted sum of each row's standardized features and of which are missing."""
    if rows.ndim != 2 or rows.shape[1] != len(fills) or len(weights) != 2 * len(fills) or len(scales) != len(fills):
        raise ValueError(f"rows of shape {rows.shape} do not fit a model of {len(fills)} features")
    sums: NDArray[np.float64] = standardized(rows, fills, scales) @ weights
    return sums


def standardized(rows: Rows, fills: NDArray[np.float64], scales: NDArray[np.float64]) -> Rows:
    """Returns ``(N, 2F)``: each feature less its mean in units of its spread, then whether it is missing."""
    missing = np.isnan(rows)
    known = np.where(missing, fills, rows)
    return np.hstack([(known - fills) / scales, missing.astype(np.float64)])


def logistic(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns 1 / (1 + exp(-value)), without overflow."""
    shares: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * value))
    return shares


def route_by(model: RewardModel, probability: Sequence[float] | NDArray[np.float64]) -> tuple[Route, ...]:
    """Returns where each question goes by its probability: unseen to accept or drop, or to people."""
    routes = []
    for value in probability:
        if model.accept_from is not None and value >= model.accept_from:
            routes.append(Route.ACCEPT)
        elif model.drop_below is not None and value < model.drop_below:
            routes.append(Route.DROP)
        else:
            routes.append(Route.PEOPLE)
    return tuple(routes)
