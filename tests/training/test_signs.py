import numpy as np

from training.signs import fit_logistic, second_share


def test_a_fit_finds_the_weights_that_made_the_truth():
    rng = np.random.default_rng(0)
    signs = rng.normal(0, 1, (20_000, 2)) * (1.0, 5.0) + (0.0, 3.0)
    odds = signs @ (2.0, -0.4) + 1.0
    weights, bias = fit_logistic(signs, rng.random(len(odds)) < 1 / (1 + np.exp(-odds)))
    assert np.allclose(weights, (2.0, -0.4), rtol=0.06) and abs(bias - 1.0) < 0.15


def test_a_sign_that_separates_everything_keeps_a_finite_weight():
    weights, bias = fit_logistic(np.array([[-1.0], [-0.9], [0.9], [1.0]]), np.array([False, False, True, True]))
    assert np.isfinite(bias) and 0 < weights[0] < 10


def test_the_second_share_is_of_the_thing_that_is_held_second_most():
    ids = np.zeros((4, 6), np.uint8)
    ids[:, :2], ids[:, 2:4] = 1, 2
    mask = np.zeros(ids.shape, np.bool_)
    mask[:, :2] = True
    assert second_share(mask, ids) == 0
    mask[:2, 2:4] = True
    assert second_share(mask, ids) == 0.5
    ids[ids == 2] = 0
    assert second_share(mask, ids) == 0, "a scene of one thing has no second"
