"""Step rewards: truth tables of the gate and the box measures, what each signal notices, labels on tokens."""

import ast
import json
import math
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.release import hopyard_process as process

A = (0.0, 0.0, 10.0, 10.0)


def line(number, content, evidence=(), title="Look"):
    said = {"step": number, "title": title, "content": content, "evidence": [list(box) for box in evidence]}
    return json.dumps({**said, "next_action": "continue"})


RESPONSE = "\n".join(
    [
        line(1, "Start with the red cup farthest to the left.", [A]),
        line(2, "The ball nearest to the red cup is green.", [(20, 20, 40, 40)]),
        line(3, "To the right of the green ball there are three boxes.", [(50, 0, 60, 10), (70, 0, 80, 10)]),
        line(4, "The answer for the boxes is 3."),
    ]
)
QUESTION = "Start with the red cup farthest to the left. Go to the ball nearest to it. How many boxes are to its right?"
KNOWN = [A, (20.0, 20.0, 40.0, 40.0), (50.0, 0.0, 60.0, 10.0), (70.0, 0.0, 80.0, 10.0)]


@pytest.mark.parametrize(
    ("right", "reward", "expected"),
    [
        (True, 0.9, 1.5),  # right, sound: base + alpha
        (True, 0.8, 1.0 + 0.5 * 0.8),  # on the upper line: between
        (True, 0.5, 1.25),
        (True, 0.3, 1.0 + 0.5 * 0.3),  # on the lower line: between
        (True, 0.29, 0.1),  # right, unsound: a lucky guess
        (True, 0.0, 0.1),
        (True, math.nan, 0.1),
        (False, 0.0, 0.0),
        (False, 1.0, 0.0),  # wrong: whatever the process
    ],
)
def test_the_gate_has_four_branches(right, reward, expected):
    assert process.gated(right, reward) == pytest.approx(expected)
    assert process.gated(right, reward, format_reward=0.2) == pytest.approx(expected + 0.2)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_better_process_never_earns_less_and_a_wrong_answer_never_more_than_a_right_one(a, b):
    low, high = sorted((a, b))
    assert process.gated(True, low) <= process.gated(True, high)
    assert process.gated(False, high) < process.gated(True, low)


@pytest.mark.parametrize(
    ("a", "b", "iou", "giou"),
    [
        (A, A, 1.0, 1.0),
        (A, (0, 0, 10, 5), 0.5, 0.5),
        (A, (5, 0, 15, 10), 1 / 3, 1 / 3),
        (A, (10, 0, 20, 10), 0.0, 0.0),  # they share an edge
        (A, (20, 0, 30, 10), 0.0, -1 / 3),  # apart: a third of the hull is empty
        (A, (10, 10, 0, 0), 0.0, -1.0),  # reversed corners
        (A, (5, 5, 5, 9), 0.0, -1.0),  # no area
        ((3, 3, 3, 3), (3, 3, 3, 3), 0.0, -1.0),
    ],
)
def test_box_measures(a, b, iou, giou):
    assert process.iou(a, b) == pytest.approx(iou) == process.iou(b, a)
    assert process.giou(a, b) == pytest.approx(giou) == process.giou(b, a)


@pytest.mark.parametrize(
    ("right", "found", "expected"),
    [
        (True, (0, 0, 10, 5), 1.0),
        (True, (0, 0, 10, 4.9), 0.0),
        (False, A, 0.0),
        (True, None, 0.0),
        (True, (10, 10, 0, 0), 0.0),
    ],
)
def test_acc_at_iou_needs_the_answer_and_half_the_box(right, found, expected):
    assert process.acc_at_iou(right, found, A) == expected


def test_several_boxes_are_paired_one_to_one():
    two = [A, (20.0, 0.0, 30.0, 10.0)]
    assert process.match_share(two, two) == process.match_share(two[::-1], two) == 1.0
    assert process.match_share([A, A], two) == 0.5
    assert process.match_share([A], two) == pytest.approx(2 / 3)
    assert process.match_share([], two) == process.match_share(two, []) == 0.0
    assert process.match_share([], []) == 1.0


def test_steps_are_rewarded_by_their_evidence_and_place():
    gold = [[A], [(20.0, 20.0, 40.0, 40.0)], [(50.0, 0.0, 60.0, 10.0), (70.0, 0.0, 80.0, 10.0)], []]
    assert process.step_rewards(RESPONSE, gold) == [1.0, 1.0, 1.0, 1.0]
    lines = RESPONSE.split("\n")
    assert process.step_rewards("\n".join(lines[1:]), gold) == [0.0, 0.0, 0.0, 0.0]
    assert process.step_rewards("\n".join(lines[:2]), gold) == [1.0, 1.0, 0.0, 0.0]
    assert process.step_rewards("nothing", gold) == [0.0] * 4


def test_each_signal_notices_what_it_is_for():
    base = process.sr_signals(QUESTION, RESPONSE, KNOWN)
    assert set(base) == set(process.SIGNALS) and all(0 <= value <= 1 for value in base.values())
    lines = RESPONSE.split("\n")
    shuffled = process.sr_signals(QUESTION, "\n".join([lines[2], lines[0], lines[3], lines[1]]), KNOWN)
    assert shuffled["step_coherence"] < base["step_coherence"]
    repeated = process.sr_signals(QUESTION, "\n".join([lines[0], lines[0], *lines[1:]]), KNOWN)
    assert repeated["non_redundancy"] < base["non_redundancy"]
    elsewhere = process.sr_signals(QUESTION, RESPONSE, [(200.0, 200.0, 300.0, 300.0)])
    assert elsewhere["visual_grounding"] == 0.0 < base["visual_grounding"] == 1.0
    reworded = RESPONSE.replace("there are three boxes", "one can see three boxes").replace("Start with", "Look at")
    other = process.sr_signals(QUESTION, reworded, KNOWN)
    assert abs(other["semantic_alignment"] - base["semantic_alignment"]) < 0.05
    off_topic = process.sr_signals("Which dog sleeps under the old oak?", RESPONSE, KNOWN)
    assert off_topic["semantic_alignment"] < base["semantic_alignment"]
    assert off_topic["lexical_fidelity"] < base["lexical_fidelity"]
    assert process.sr_signals(QUESTION, "no steps", KNOWN) == dict.fromkeys(process.SIGNALS, 0.0)


def test_weights_follow_reliability_and_noise_gets_none():
    rng = random.Random(0)
    outcomes = [float(rng.random() < 0.5) for _ in range(2000)]
    rows = [
        {
            "semantic_alignment": 0.7 * outcome + 0.3 * rng.random(),
            "lexical_fidelity": 0.3 * outcome + 0.7 * rng.random(),
            "non_redundancy": rng.random(),
            "visual_grounding": 1 - outcome,
            "step_coherence": 0.5,
        }
        for outcome in outcomes
    ]
    weights = process.fit_weights(rows, outcomes)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["semantic_alignment"] > weights["lexical_fidelity"] > 0
    assert weights["non_redundancy"] == weights["visual_grounding"] == weights["step_coherence"] == 0
    assert 0 <= process.sr_reward(rows[0], weights) <= 1
    assert set(process.fit_weights([], []).values()) == {0.0}
    assert set(process.fit_weights(rows[:5], [1.0] * 5).values()) == {0.0}


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_cooling_is_monotone(reward, a, b, c, d):
    narrow, wide = sorted((a, b))
    weak, strong = sorted((c, d))
    assert process.cooled(reward, narrow, strong) <= process.cooled(reward, wide, strong) + 1e-12
    assert process.cooled(reward, narrow, strong) <= process.cooled(reward, narrow, weak) + 1e-12
    assert 0 <= process.cooled(reward, narrow, strong) <= reward
    assert process.cooled(reward, 0.5, strong) == reward


def test_tokens_belong_to_the_step_they_start_in_and_the_last_one_gets_the_reward():
    spans = [(0, 5), (6, 10)]
    offsets = [(0, 0), (0, 3), (3, 6), (6, 9), (9, 12), (12, 14)]
    assert process.step_of_tokens(offsets, spans) == [-1, 0, 0, 1, 1, -1]
    assert process.last_token_rewards(offsets, spans, [0.5, 1.0]) == [0.0, 0.0, 0.5, 0.0, 1.0, 0.0]


def test_spans_of_parsed_steps_are_characters_of_the_response():
    steps = process.parse_steps("Well.\n" + RESPONSE + "\n\n\\boxed{3}")
    text = "Well.\n" + RESPONSE
    assert [text[step.start : step.end] for step in steps] == RESPONSE.split("\n")


JUNK = st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.lists(st.integers()))
BROKEN = [
    "{" * 100_000 + "}",
    "[" * 100_000,
    '{"content": 1}',
    '{"content": "x", "evidence": "y"}',
    '{"content": "x", "evidence": [[1, 2, 3], [NaN, 0, 1, 1], [0, 0, 1e999, 1], ["a", 0, 1, 1], [true, 0, 2, 2]]}',
    '{"content": "x", "step": true}',
    "\ud800" * 1000,
    (line(1, "x") + "\n") * 10_000,
]


@settings(max_examples=200, deadline=None)
@given(st.one_of(JUNK, st.sampled_from(BROKEN)), JUNK)
def test_nothing_raises_on_text_of_a_model(text, gold):
    assert process.compute_score("any", text, gold, None, steps=gold) in (0.0, 0.1)
    assert process.process_reward([text], [gold], [gold]) == [process.compute_score("any", text, gold, steps=gold)]
    assert all(0 <= value <= 1 for value in process.sr_signals("a question", text, KNOWN).values())
    assert process.step_rewards(text, [[A]]) in ([0.0], [1.0])


@pytest.mark.parametrize("text", BROKEN)
def test_broken_steps_are_no_evidence(text):
    assert all(not step.evidence for step in process.parse_steps(text))


def test_verl_and_trl_get_the_gated_reward():
    steps = [{"gold_boxes_xyxy": [list(box)]} for box in (A, (20.0, 20.0, 40.0, 40.0))]
    right, wrong = RESPONSE + "\n\n\\boxed{3}", RESPONSE + "\n\n\\boxed{4}"
    assert process.compute_score("", right, "3", None, steps=steps) == 1.5
    assert process.compute_score("", wrong, "3", None, steps=steps) == 0.0
    assert process.compute_score("", "\\boxed{3}", "3", None, steps=steps) == 0.1  # a guess
    replies = [[{"role": "assistant", "content": text}] for text in (right, wrong, "\\boxed{3}")]
    assert process.process_reward(replies, solution=["3"] * 3, steps=[steps] * 3) == [1.5, 0.0, 0.1]


def test_trl_gets_one_reward_per_completion_also_for_typed_blocks_and_short_columns():
    steps = [{"gold_boxes_xyxy": [list(box)]} for box in (A, (20.0, 20.0, 40.0, 40.0))]
    blocks = [{"type": "text", "text": RESPONSE + "\n\n"}, {"type": "text", "text": "\\boxed{3}"}]
    replies = [[{"role": "assistant", "content": blocks}], RESPONSE + "\n\n\\boxed{3}"]
    assert process.process_reward(replies, solution=["3", "3"], steps=[steps, steps]) == [1.5, 1.5]
    assert process.process_reward(replies, solution=["3"], steps=[steps]) == [1.5, 0.0]
    assert process.process_reward(replies, solution=["3", "3"], steps=[steps]) == [1.5, 0.1]


def test_the_file_needs_nothing_but_python():
    tree = ast.parse(Path(process.__file__).read_text(encoding="utf-8"))
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= set(sys.stdlib_module_names)
