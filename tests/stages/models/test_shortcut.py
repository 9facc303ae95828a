"""The release gate: a corpus whose words tell the answers is stopped, a clean one is let through."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scripted_answers.leaks import KINDS, guess_from_words, leak
from schemas.audit import Audit
from schemas.rollout import Scored, View
from schemas.verdict import Outcome
from stages.intervals import wilson
from stages.shortcut import (
    Attempted,
    Gate,
    ShortcutConfig,
    _wilson,
    audit,
    clustered,
    gate_of,
    questions_needed,
    release_fault,
)
from tests.stages.models.questions import questions, scenes

QUESTIONS = 400
ATTEMPTS = 4
ANSWERS = (1, 2, 3, 4)
CONFIG = ShortcutConfig(enabled=True, tolerance=0.02)


def attempts(leaky: float, kinds: tuple[str, ...] = KINDS, count: int = QUESTIONS) -> Iterator[Attempted]:
    """What a reader that sees no picture makes of a corpus, some of whose questions give themselves away."""
    rng = random.Random(f"{leaky}:{kinds}:{count}")
    clean = [question for _, question in questions(4)]
    for number in range(count):
        if rng.random() < leaky:
            text, gold = leak(rng.choice(scenes(4)), rng.choice(kinds), rng)
        else:
            text, gold = rng.choice(clean).question, ANSWERS[number % len(ANSWERS)]
        told = guess_from_words(text)
        for _ in range(ATTEMPTS):
            guess = rng.choice(ANSWERS) if told is None else told
            outcome = Scored.CORRECT if guess == gold else Scored.INCORRECT
            yield Attempted(f"question {number}", "hopchain", 3 + number // 4 % 2, gold, View.BLIND, outcome)


def whole(rows: tuple[Audit, ...]) -> Audit:
    return next(row for row in rows if row.hop_count == 0)


def test_a_corpus_with_give_aways_of_all_seven_kinds_fails() -> None:
    rows = audit(attempts(0.3), CONFIG)
    assert {row.hop_count: row.outcome for row in rows} == {0: Outcome.FAIL, 3: Outcome.FAIL, 4: Outcome.FAIL}
    assert whole(rows).low > whole(rows).chance + CONFIG.tolerance
    fault = release_fault(rows, CONFIG)
    assert "right without the picture" in fault and "3 hops" in fault


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_alone_fails_the_gate(kind: str) -> None:
    assert whole(audit(attempts(0.3, (kind,)), CONFIG)).outcome is Outcome.FAIL


def test_a_clean_corpus_passes_and_shows_its_interval() -> None:
    rows = audit(attempts(0.0, count=2_400), ShortcutConfig(enabled=True, tolerance=0.05))
    found = whole(rows)
    assert found.outcome is Outcome.PASS
    assert found.low < found.chance < found.high <= found.chance + 0.05
    assert release_fault(rows, CONFIG) == ""


def test_too_few_attempts_are_no_verdict() -> None:
    found = whole(audit(attempts(0.0, count=40), CONFIG))
    assert found.outcome is Outcome.NO_VERDICT
    unread = [one._replace(outcome=Scored.UNSCORED) for one in attempts(0.3)]
    assert whole(audit(unread, CONFIG)).outcome is Outcome.NO_VERDICT


def test_small_groups_are_seen_with_the_others_only() -> None:
    rows = audit(attempts(0.0, count=50), CONFIG)
    assert {row.hop_count for row in rows} == {0}


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=80))
def test_the_interval_holds_the_share_and_repeats_say_no_more_than_one(found: list[tuple[int, bool]]) -> None:
    rows = [
        Attempted(str(name), "s", 1, 1, View.BLIND, Scored.CORRECT if hit else Scored.INCORRECT) for name, hit in found
    ]
    one = clustered(rows)
    assert 0.0 <= one.low <= one.share <= one.high <= 1.0
    same = [row._replace(question_id="one question", outcome=rows[0].outcome) for row in rows] * 5
    assert clustered(same).high - clustered(same).low > 0.7


@given(n=st.integers(0, 500), hits=st.integers(0, 500))
def test_wilson_holds_the_share_and_narrows(n: int, hits: int) -> None:
    hits = min(hits, n)
    found = wilson(hits, n)
    assert 0.0 <= found.low <= found.share <= found.high <= 1.0 or n == 0
    wider = wilson(hits, n, z=3.0)
    assert wider.low <= found.low and found.high <= wider.high


def test_wilson_as_published() -> None:
    low, high = wilson(8, 10).low, wilson(8, 10).high
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson(0, 0) == (0.0, 0.0, 1.0, 0)
    with pytest.raises(ValueError, match="3 hits of 2"):
        wilson(3, 2)


def test_what_could_be_told_and_is_not_stops_a_release_and_what_is_too_small_does_not() -> None:
    small = whole(audit(attempts(0.0, count=40), CONFIG))
    assert gate_of(small, CONFIG) is Gate.TOO_FEW and release_fault([small], CONFIG) == ""
    wide = ShortcutConfig(enabled=True, tolerance=0.05)
    needed = questions_needed(0.25, wide)
    assert 322 < needed < 324  # z² 0.3 0.7 / 0.05²
    unread = whole(audit([one._replace(outcome=Scored.UNSCORED) for one in attempts(0.0)], wide))
    assert gate_of(unread, wide) is Gate.UNTOLD and "1600 of 1600 attempts unreadable" in release_fault([unread], wide)
    at_chance = small.model_copy(update={"questions": needed, "chance": 0.25, "outcome": Outcome.NO_VERDICT})
    assert gate_of(at_chance, wide) is Gate.UNTOLD
    assert gate_of(at_chance.model_copy(update={"questions": needed - 1}), wide) is Gate.TOO_FEW


@given(chance=st.floats(0, 0.9), tolerance=st.floats(0.01, 0.1))
def test_with_the_questions_needed_a_group_at_chance_passes_and_with_fewer_it_does_not(
    chance: float, tolerance: float
) -> None:
    needed = questions_needed(chance, ShortcutConfig(tolerance=tolerance))
    assert _wilson(chance, needed, needed).high <= chance + tolerance + 1e-9
    assert needed < 3 or _wilson(chance, needed - 2, needed).high > chance + tolerance - 1e-9
