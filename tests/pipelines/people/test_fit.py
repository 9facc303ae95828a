"""The reward model: what it learns, its thresholds, the split it is tested on, the rule that stops it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.errors import UserError
from pipelines.people.fit import (
    Labelled,
    Targets,
    accept_threshold,
    calibration_error,
    drop_threshold,
    fit_model,
    is_test,
    stop_rule,
)
from schemas.decision import Route
from schemas.reward_model import RewardModel, RoundMetrics
from stages.reward_model import probabilities, route_by

NAMES = ("one", "two", "three")
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def make_labelled(count: int, seed: int = 0, signal: float = 2.0) -> Labelled:
    """Returns questions whose first feature tells whether people agreed, and whose last is sometimes missing."""
    generator = np.random.default_rng(seed)
    agreed = generator.random(count) < 0.8
    rows = generator.normal(size=(count, len(NAMES)))
    rows[:, 0] += signal * agreed
    rows[generator.random(count) < 0.3, 2] = np.nan
    return Labelled(tuple(f"q{n}" for n in range(count)), tuple(f"i{n // 2}" for n in range(count)), rows, agreed)


def test_it_orders_questions_it_has_not_seen_and_survives_json() -> None:
    model = fit_model(make_labelled(800), NAMES, Targets(error=0.05), None, "digest")
    assert model.adopted and model.test.auc is not None and model.test.auc > 0.85
    assert model.test.calibration_error < 0.1 and model.test.rows > 100
    again = RewardModel.model_validate_json(model.model_dump_json())
    fresh = make_labelled(400, seed=1)
    found = probabilities(again, fresh.rows)
    assert np.array_equal(found, probabilities(model, fresh.rows))
    assert found[fresh.agreed].mean() > found[~fresh.agreed].mean() + 0.2
    accepted = np.array([route is Route.ACCEPT for route in route_by(model, found)])
    assert accepted.any() and (~fresh.agreed[accepted]).mean() <= 0.06


def test_noise_accepts_nothing_unseen() -> None:
    model = fit_model(make_labelled(400, signal=0.0), NAMES, Targets(error=0.01), None, "digest")
    assert model.accept_from is None and Route.ACCEPT not in route_by(model, [0.999, 0.5])


def test_too_few_labels_of_a_kind_are_refused() -> None:
    data = make_labelled(60)
    with pytest.raises(UserError, match="to learn from"):
        fit_model(data._replace(agreed=np.ones(60, dtype=np.bool_)), NAMES, Targets(), None, "digest")


def test_the_test_split_is_a_function_of_the_image() -> None:
    shares = [is_test(f"image {number}") for number in range(4_000)]
    assert 0.22 < np.mean(shares) < 0.28
    assert shares == [is_test(f"image {number}") for number in range(4_000)]


@given(PAIRS, st.floats(0.01, 0.5))
def test_above_the_accept_threshold_the_error_is_within_its_bound(pairs, error) -> None:
    expected, agreed = np.array([p for p, _ in pairs]), np.array([a for _, a in pairs], dtype=np.bool_)
    threshold = accept_threshold(expected, agreed, error)
    if threshold is not None:
        above = expected >= threshold
        assert above.any() and (~agreed[above]).mean() <= error


def test_the_bound_needs_about_three_hundred_clean_labels_for_one_percent() -> None:
    def found(count: int) -> float | None:
        return accept_threshold(np.linspace(0.5, 1, count), np.ones(count, dtype=np.bool_), 0.01)

    assert found(290) is None and found(310) is not None


@given(PAIRS)
def test_below_the_drop_threshold_few_good_questions_lie(pairs) -> None:
    expected, agreed = np.array([p for p, _ in pairs]), np.array([a for _, a in pairs], dtype=np.bool_)
    threshold = drop_threshold(expected, agreed, 0.1)
    if threshold is not None:
        assert (expected[agreed] < threshold).sum() <= 0.1 * agreed.sum()


def test_calibration_error_is_zero_for_honest_and_large_for_turned_over_probabilities() -> None:
    expected = np.repeat([0.2, 0.8], 500)
    agreed = np.tile([True] + [False] * 4, 100).tolist() + np.tile([True] * 4 + [False], 100).tolist()
    assert calibration_error(expected, np.array(agreed)) == pytest.approx(0, abs=1e-9)
    assert calibration_error(1 - expected, np.array(agreed)) == pytest.approx(0.6, abs=1e-9)


@pytest.mark.parametrize(
    ("auc", "error", "adopted"), [(0.80, 0.05, True), (0.70, 0.05, False), (0.80, 0.09, False), (0.79, 0.06, True)]
)
def test_a_model_that_is_clearly_worse_does_not_take_over(auc, error, adopted) -> None:
    before = RoundMetrics(auc=0.8, calibration_error=0.05, brier=0.1, rows=100, agreed=80)
    now = before.model_copy(update={"auc": auc, "calibration_error": error})
    assert stop_rule(now, before)[0] is adopted


def test_a_first_model_that_orders_worse_than_guessing_is_not_used() -> None:
    now = RoundMetrics(auc=0.28, calibration_error=0.5, brier=0.3, rows=10, agreed=4)
    assert stop_rule(now, None) == (False, "AUC 0.280 is worse than guessing: more decided questions are needed")
    assert stop_rule(now.model_copy(update={"auc": 0.6}), None)[0]
    assert stop_rule(now.model_copy(update={"auc": None}), None)[0], "nothing to tell by; the thresholds still hold"


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(ValidationError):
        RewardModel.model_validate_json('{"version": 1, "code": "import os"}')
    model = fit_model(make_labelled(300), NAMES, Targets(), None, "digest")
    with pytest.raises(ValueError, match="do not fit"):
        probabilities(model, np.zeros((2, 9)))
