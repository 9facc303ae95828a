"""Who is asked next: short queues first, nobody twice, no more at once than the configuration says."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stages.dispatch import DispatchConfig, Waiting, dispatch

TEAM = ("ann", "bea", "cem", "dov")
QUESTIONS = st.lists(
    st.tuples(st.sets(st.sampled_from(TEAM)), st.integers(1, 4), st.booleans(), st.floats(0, 1)), max_size=12
)


def make_waiting(questions) -> list[Waiting]:
    return [
        Waiting(f"q{number}", frozenset(asked), 0, wanted, in_full, priority)
        for number, (asked, wanted, in_full, priority) in enumerate(questions)
    ]


@given(QUESTIONS, st.integers(1, 5), st.integers(1, 4), st.randoms())
def test_limits_hold_and_order_does_not_matter(questions, queue, ahead, rng) -> None:
    waiting = make_waiting(questions)
    config = DispatchConfig(queue=queue, ahead=ahead)
    pairs = dispatch(waiting, dict.fromkeys(TEAM, 0), config, 7)
    assert len(pairs) == len(set(pairs))
    by_name = {question.question_id: question for question in waiting}
    for name, count in Counter(question for question, _ in pairs).items():
        question = by_name[name]
        assert count <= (question.wanted if question.in_full else min(question.wanted, ahead))
    assert all(annotator not in by_name[question].asked for question, annotator in pairs)
    assert max(Counter(annotator for _, annotator in pairs).values(), default=0) <= queue
    shuffled = list(waiting)
    rng.shuffle(shuffled)
    assert dispatch(shuffled, dict.fromkeys(TEAM, 0), config, 7) == pairs


def test_the_idle_annotator_is_asked_first_and_questions_are_spread_evenly() -> None:
    waiting = make_waiting([(set(), 4, False, 0.0)] * 12)
    pairs = dispatch(waiting, {"ann": 3, "bea": 0, "cem": 3, "dov": 3}, DispatchConfig(), 0)
    load = Counter({"ann": 3, "bea": 0, "cem": 3, "dov": 3}) + Counter(annotator for _, annotator in pairs)
    assert pairs[0][1] == "bea" and max(load.values()) - min(load.values()) <= 1


def test_higher_priority_and_nearly_decided_come_first() -> None:
    waiting = [
        Waiting("fresh", frozenset(), 0, 4, False, 1.0),
        Waiting("begun", frozenset({"ann"}), 0, 3, False, 1.0),
        Waiting("late", frozenset({"ann"}), 0, 1, False, 0.1),
    ]
    pairs = dispatch(waiting, dict.fromkeys(TEAM, 0), DispatchConfig(), 0)
    assert [question for question, _ in pairs] == ["begun", "fresh", "late"]
