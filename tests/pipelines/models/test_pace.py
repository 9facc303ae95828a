"""The parts that set the pace: limiter, breaker, pauses. None of them knows a clock."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pipelines.models.breaker import OPENS_AFTER, Breaker
from pipelines.models.limiter import Limiter
from pipelines.models.retries import LONGEST_PAUSE, pause_before, read_retry_after


@given(st.lists(st.tuples(st.sampled_from(["good", "full", "bad"]), st.floats(0.001, 100)), max_size=300))
def test_the_limit_stays_between_one_and_the_most(events):
    limiter = Limiter(64, 120.0)
    for kind, seconds in events:
        if kind == "bad":
            limiter.overloaded()
        else:
            limiter.succeeded(seconds, kind == "full")
        assert 1 <= limiter.limit <= 64


def test_a_round_that_is_turned_away_halves_the_limit():
    limiter = Limiter(100, 120.0)
    for _ in range(100):
        limiter.overloaded()
    assert limiter.limit == 50


def test_the_limit_grows_back_by_a_step_per_round_and_only_when_it_binds():
    limiter = Limiter(100, 120.0)
    for _ in range(60):
        limiter.overloaded()
    for _ in range(70):
        limiter.succeeded(0.5, is_full=False)
    assert limiter.limit == 70
    for _ in range(72):
        limiter.succeeded(0.5, is_full=True)
    assert limiter.limit == 72


def test_a_server_that_turns_away_a_tenth_whatever_the_pace_keeps_most_of_its_work():
    limiter, rng = Limiter(256, 120.0), random.Random(0)
    for _ in range(20_000):
        if rng.random() < 0.1:
            limiter.overloaded()
        else:
            limiter.succeeded(0.5, is_full=True)
    assert limiter.limit > 60


def test_answers_near_the_deadline_shrink_the_limit():
    limiter = Limiter(100, 10.0)
    for _ in range(200):
        limiter.succeeded(6.0, is_full=True)
    assert limiter.limit < 20


def test_the_breaker_opens_tries_once_and_closes():
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        assert breaker.admits(0.0)
        breaker.failed(0.0)
    assert not breaker.admits(0.1) and breaker.waits(0.1) > 0
    assert breaker.admits(1.0)
    breaker.sent()
    assert not breaker.admits(1.0), "one trial at a time"
    breaker.failed(1.0)
    assert not breaker.admits(1.9) and breaker.admits(2.1), "the pause doubles"
    breaker.sent()
    breaker.succeeded()
    assert breaker.is_closed and breaker.opened_at is None and breaker.admits(2.1)


def test_a_trial_that_was_given_up_can_be_repeated():
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        breaker.failed(0.0)
    breaker.sent()
    breaker.forget_trial()
    assert breaker.admits(1.0)


@given(st.integers(2, 60), st.integers())
def test_pauses_are_bounded_and_a_wish_of_the_server_is_kept(attempt, seed):
    rng = random.Random(seed)
    assert 0 <= pause_before(attempt, None, rng) <= LONGEST_PAUSE
    assert 3.0 <= pause_before(attempt, 3.0, rng) <= 3.3


def test_retry_after_is_read_in_all_its_forms():
    now = 1_700_000_000.0
    assert read_retry_after({"retry-after": "7"}, now) == 7
    assert read_retry_after({"retry-after-ms": "250", "retry-after": "7"}, now) == 0.25
    assert read_retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, now) == 10
    assert read_retry_after({"retry-after": "Tue, 14 Nov 2003 22:13:30 GMT"}, now) == 0
    for headers in ({}, {"retry-after": ""}, {"retry-after": "soon"}, {"retry-after": "nan"}):
        assert read_retry_after(headers, now) in (None, 0.0)
