"""Fitting a reward model: scikit-learn fits, plain numbers come out.

Rows of one image are never on both sides of anything: not of the frozen test split, not of the folds that calibrate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.people.candidates import share_of
from schemas.reward_model import RewardModel, RoundMetrics
from stages.reward_model import logistic, probabilities, standardized

TEST_SHARE = 0.25
FOLDS = 5
LEAST_OF_A_KIND = 10
"""Fewer agreements or disagreements than these teach nothing that holds."""
CONFIDENCE = 0.95
BINS = 10
GUESSING = 0.5
SLACK_AUC = 0.02
SLACK_CALIBRATION = 0.02
"""By so much a new model may be worse on the frozen split than the one before: noise. More, and it is not adopted."""


class Labelled(NamedTuple):
    """Questions that people decided."""

    ids: tuple[str, ...]
    images: tuple[str, ...]
    rows: NDArray[np.float64]
    """(N, F)."""
    agreed: NDArray[np.bool_]
    """People confirmed the question's own answer."""

    def where(self, chosen: NDArray[np.bool_]) -> "Labelled":
        """Returns some of the questions."""
        index = np.flatnonzero(chosen)
        ids, images = (tuple(names[i] for i in index) for names in (self.ids, self.images))
        return Labelled(ids, images, self.rows[chosen], self.agreed[chosen])


class Targets(NamedTuple):
    """What the thresholds are chosen for."""

    error: float = 0.01
    """Most questions wrong among those that are accepted unseen, with 95% confidence."""
    lost: float = 0.02
    """Most of the good questions that may be dropped unseen."""


def is_test(image_id: str) -> bool:
    """Whether the questions of an image are in the frozen test split: a function of the image alone, for ever."""
    return share_of(0, "human test split", image_id) < TEST_SHARE


def fit_model(
    data: Labelled, features: Sequence[str], targets: Targets, before: RewardModel | None, digest: str
) -> RewardModel:
    """Returns the next version of the model, adopted or not by the stop rule.

    Raises:
        UserError: there are too few labels of one kind, or scikit-learn is not installed.
    """
    held = np.array([is_test(image) for image in data.images], dtype=np.bool_)
    train, test = data.where(~held), data.where(held)
    few = min(int(train.agreed.sum()), int((~train.agreed).sum()))
    if few < LEAST_OF_A_KIND:
        raise UserError(f"there are {few} of the rarer outcome to learn from; {LEAST_OF_A_KIND} are needed")
    fills, scales = _fills(train.rows), _scales(train.rows)
    weights, intercept, unseen = _fit(standardized(train.rows, fills, scales), train)
    slope, shift = _calibrate(unseen, train.agreed)
    expected = logistic(slope * unseen + shift)
    model = RewardModel(
        version=1 if before is None else before.version + 1,
        adopted=True,
        note="",
        features=tuple(features),
        fills=tuple(fills.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights.tolist()),
        intercept=intercept,
        slope=slope,
        shift=shift,
        accept_from=accept_threshold(expected, train.agreed, targets.error),
        drop_below=drop_threshold(expected, train.agreed, targets.lost),
        target_error=targets.error,
        trained_on=len(train.ids),
        labels_digest=digest,
        test=RoundMetrics(auc=None, calibration_error=0, brier=0, rows=0, agreed=0),
        before=None,
    )
    now = measure(model, test)
    then = None if before is None else measure(before, test)
    adopted, note = stop_rule(now, then)
    return model.model_copy(update={"test": now, "before": then, "adopted": adopted, "note": note})


def measure(model: RewardModel, data: Labelled) -> RoundMetrics:
    """Returns how good the model is on these rows."""
    count, agreed = len(data.ids), int(data.agreed.sum())
    if count == 0:
        return RoundMetrics(auc=None, calibration_error=0.0, brier=0.0, rows=0, agreed=0)
    from sklearn.metrics import roc_auc_score

    expected = probabilities(model, data.rows)
    auc = float(roc_auc_score(data.agreed, expected)) if 0 < agreed < count else None
    brier = float(np.mean((expected - data.agreed) ** 2))
    return RoundMetrics(
        auc=auc, calibration_error=calibration_error(expected, data.agreed), brier=brier, rows=count, agreed=agreed
    )


def calibration_error(expected: NDArray[np.float64], agreed: NDArray[np.bool_]) -> float:
    """Returns the mean difference between predicted and observed share over bins of equal size, weighed by size."""
    order = np.argsort(expected, kind="stable")
    parts = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    return float(sum(len(part) * abs(expected[part].mean() - agreed[part].mean()) for part in parts) / len(order))


def stop_rule(now: RoundMetrics, before: RoundMetrics | None) -> tuple[bool, str]:
    """Returns whether a new model takes over, and why: not when it is clearly worse on the same frozen rows.

    The first is compared with guessing, whose AUC is 0.5.
    """
    if before is None:
        if now.auc is not None and now.auc < GUESSING:
            return False, f"AUC {now.auc:.3f} is worse than guessing: more decided questions are needed"
        return True, "the first"
    if now.auc is not None and before.auc is not None and now.auc < before.auc - SLACK_AUC:
        return False, f"AUC fell from {before.auc:.3f} to {now.auc:.3f}: the model before it stays"
    if now.calibration_error > before.calibration_error + SLACK_CALIBRATION:
        fell = f"{before.calibration_error:.3f} to {now.calibration_error:.3f}"
        return False, f"calibration error rose from {fell}: the model before it stays"
    return True, "not worse than the one before"


def accept_threshold(expected: NDArray[np.float64], agreed: NDArray[np.bool_], error: float) -> float | None:
    """Returns the lowest probability from which on the error is at most ``error`` with 95% confidence; None if none.

    The bound is Clopper and Pearson's: exact, for any number of questions.
    """
    from scipy.stats import beta

    order = np.argsort(-expected, kind="stable")
    wrong = np.cumsum(~agreed[order])
    count = np.arange(1, len(order) + 1)
    bound = np.where(wrong < count, beta.ppf(CONFIDENCE, wrong + 1, np.maximum(count - wrong, 1)), 1.0)
    ends = np.append(expected[order][1:] < expected[order][:-1], True)  # equal probabilities stand or fall together
    good = np.flatnonzero((bound <= error) & ends)
    return float(expected[order][good[-1]]) if len(good) else None


def drop_threshold(expected: NDArray[np.float64], agreed: NDArray[np.bool_], lost: float) -> float | None:
    """Returns the probability below which at most the share ``lost`` of the good questions lies; None if that is 0."""
    good = np.sort(expected[agreed])
    allowed = int(lost * len(good))
    if allowed == 0:
        return None
    return float(min(good[allowed], 0.5))


def _fills(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(rows)
    sums = np.where(known, rows, 0.0).sum(axis=0)
    return np.asarray(sums / np.maximum(known.sum(axis=0), 1), dtype=np.float64)


def _scales(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.where(np.isnan(rows), _fills(rows), rows)
    spread = known.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _fit(inputs: NDArray[np.float64], train: Labelled) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Returns weights, intercept, and the scores of the training rows by models that did not see them."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold
    except ImportError as error:
        raise UserError("learning needs scikit-learn: pip install 'hopyard[annotate]'") from error
    unseen = np.zeros(len(train.ids))
    folds = min(FOLDS, len(set(train.images)))
    for known, left in GroupKFold(n_splits=folds).split(inputs, groups=np.array(train.images)):
        part = LogisticRegression(C=1.0, max_iter=2_000)
        if len(set(train.agreed[known].tolist())) == 2:
            unseen[left] = part.fit(inputs[known], train.agreed[known]).decision_function(inputs[left])
    whole = LogisticRegression(C=1.0, max_iter=2_000).fit(inputs, train.agreed)
    return np.asarray(whole.coef_[0], dtype=np.float64), float(whole.intercept_[0]), unseen


def _calibrate(unseen: NDArray[np.float64], agreed: NDArray[np.bool_]) -> tuple[float, float]:
    """Returns slope and shift from score to probability (Platt); a slope below 0 would turn the model over."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6, max_iter=2_000).fit(unseen.reshape(-1, 1), agreed)
    slope, shift = float(fitted.coef_[0][0]), float(fitted.intercept_[0])
    if slope <= 0:
        rate = float(np.clip(agreed.mean(), 0.01, 0.99))
        return 0.0, float(np.log(rate / (1 - rate)))
    return slope, shift
