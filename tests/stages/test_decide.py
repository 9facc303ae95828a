"""Rules over votes: what settles a question, and when labels stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.annotation import HumanVerdict, Kind, Standing
from stages.decide import DecideConfig, Vote, decide, decide_in_full

NUMBERS = st.integers(0, 3)
VOTES = st.one_of(
    st.builds(lambda n: ("number", n), NUMBERS),
    st.sampled_from([("skip", None), ("ambiguous", None), ("wrong_image", None), ("unanswerable", None)]),
)


def make_votes(said) -> tuple[Vote, ...]:
    votes = []
    for number, (what, answer) in enumerate(said):
        if what == "skip":
            votes.append(Vote(f"a{number}", Kind.SKIP, None, None))
        else:
            verdict = HumanVerdict.VALID if what == "number" else HumanVerdict(what)
            votes.append(Vote(f"a{number}", Kind.ANSWER, verdict, answer))
    return tuple(votes)


def says(*numbers: int) -> tuple[Vote, ...]:
    return make_votes([("number", number) for number in numbers])


@given(st.lists(VOTES, max_size=4), NUMBERS)
def test_unanimous_4_is_confirmed_by_four_equal_own_numbers_and_nothing_else(said, own) -> None:
    ruling = decide(make_votes(said), own, DecideConfig(rule="unanimous-4"))
    if said == [("number", own)] * 4:
        assert (ruling.standing, ruling.answer) == (Standing.CONFIRMED, own)
    elif all(vote == ("number", own) for vote in said):
        assert (ruling.standing, ruling.wanted) == (Standing.OPEN, 4 - len(said))
    else:
        assert ruling.standing is Standing.REJECTED


@given(st.lists(VOTES, min_size=1, max_size=6), NUMBERS, st.sampled_from(["unanimous-4", "unanimous-2", "first-to-k"]))
def test_once_decided_no_later_vote_changes_it(said, own, rule) -> None:
    config = DecideConfig(rule=rule, k=2, most_labels=4)
    votes = make_votes(said)
    for count in range(len(votes)):
        early = decide(votes[:count], own, config)
        if early.standing is Standing.REJECTED:
            assert decide(votes[: count + 1], own, config).standing is Standing.REJECTED
        assert (early.wanted == 0) == (early.standing is not Standing.OPEN)


@given(st.lists(VOTES, max_size=4), NUMBERS)
def test_full_labelling_rules_as_sequential_labelling_does(said, own) -> None:
    votes = make_votes(said)
    full = decide_in_full(votes, own, DecideConfig())
    if len(said) < 4:
        assert full.standing is Standing.OPEN
    else:
        assert full.standing == decide(votes, own, DecideConfig(rule="unanimous-4")).standing


@given(st.lists(VOTES, min_size=1, max_size=7), NUMBERS, st.booleans())
def test_first_to_k_stays_as_the_first_to_get_there_decided_it(said, own, must_match) -> None:
    config = DecideConfig(rule="first-to-k", k=2, most_labels=4, must_match=must_match)
    votes = make_votes(said)
    rulings = [decide(votes[:count], own, config) for count in range(len(votes) + 1)]
    decided = [ruling for ruling in rulings if ruling.standing is not Standing.OPEN]
    assert all(ruling == decided[0] for ruling in decided)
    assert rulings[len(rulings) - len(decided) :] == decided  # once decided, never open again


def test_a_late_equal_number_does_not_overtake_the_one_that_was_first_to_k() -> None:
    free = DecideConfig(rule="first-to-k", k=2, must_match=False)
    assert decide(says(5, 7, 7, 5), None, free)[:2] == (Standing.CONFIRMED, 7)
    assert decide(says(5, 7, 7, 5), 7, DecideConfig(rule="first-to-k", k=2)).standing is Standing.CONFIRMED


def test_more_equal_answers_than_labels_are_refused_before_anything_is_rejected_by_them() -> None:
    with pytest.raises(ValueError, match="k is 5, and at most 4 labels are asked for"):
        DecideConfig(rule="first-to-k", k=5)
    assert DecideConfig(rule="unanimous-4", k=5).k == 5


def test_people_who_agree_on_another_number_do_not_confirm_the_question() -> None:
    assert decide(says(3, 3), 4, DecideConfig(rule="unanimous-2")).standing is Standing.REJECTED
    free = decide(says(3, 3), 4, DecideConfig(rule="unanimous-2", must_match=False))
    assert (free.standing, free.answer) == (Standing.CONFIRMED, 3)


def test_first_to_k_survives_one_slip_and_ends_when_no_k_can_agree() -> None:
    config = DecideConfig(rule="first-to-k", k=2, most_labels=3)
    assert decide(says(3, 4), 4, config).standing is Standing.OPEN
    assert decide(says(3, 4, 4), 4, config).standing is Standing.CONFIRMED
    assert decide(says(3, 2), 4, config).standing is Standing.REJECTED
    assert decide(make_votes([("ambiguous", None)] * 2), 4, config).standing is Standing.REJECTED


@pytest.mark.parametrize(
    ("posterior", "count", "standing"),
    [(0.96, 1, "confirmed"), (0.96, 0, "open"), (0.5, 2, "open"), (0.05, 1, "rejected"), (0.5, 4, "rejected")],
)
def test_the_posterior_decides_once_somebody_has_spoken(posterior, count, standing) -> None:
    config = DecideConfig(rule="posterior", p=0.95, low=0.1, most_labels=4)
    assert decide(says(*[4] * count), 4, config, posterior).standing == standing


def test_a_question_that_was_only_skipped_is_not_rejected_by_its_prior() -> None:
    config = DecideConfig(rule="posterior")
    skips = make_votes([("skip", None)] * 3)
    assert decide(skips, 4, config, 0.05).standing is Standing.OPEN
    assert decide((*skips, *says(9)), 4, config, 0.05).standing is Standing.REJECTED


def test_the_posterior_rule_without_a_posterior_is_a_bug() -> None:
    with pytest.raises(ValueError, match="posterior"):
        decide((), 4, DecideConfig(rule="posterior"))
