"""Traces gone wrong: proved by execution, wrong at the labelled step and right before it, by both executors."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.program import Program, Step
from schemas.question import TraceStep
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from stages.synthesize import SynthesizeConfig, synthesize
from stages.traces.claims import Claim, box_iou, first_wrong_step, truth_of
from stages.traces.corrupt import corruptions, proved_step, retell
from stages.traces.flaws import Flaw
from stages.traces.wording import response_text, step_lines, step_spans, trace_text
from tests.layouts import random_scene

BOUNDS = (0.8, 1.25)


COUNTED = ("count", "exists", "read", "measure", "rank")


@pytest.fixture(scope="module")
def scenes():
    return [random_scene(f"traces {number}", 7, 10) for number in range(14)]


@pytest.fixture(scope="module")
def made(scenes):
    """Returns every question with its scene, gold trace and corruptions."""
    found = []
    for scene in scenes:
        index = SceneIndex(scene)
        for question in synthesize(scene, SynthesizeConfig(per_image=2, oversample=2), 3, "test").questions:
            gold = retell(index, question)
            found.append((scene, question, gold, corruptions(index, question, gold, BOUNDS)))
    assert len(found) > 80
    return found


@pytest.fixture(scope="module")
def told(scenes, made):
    """Returns per question what the second executor says each traced step yields, all in two statements' worth."""
    boxes = {instance.instance_id: instance.box_xyxy for scene in scenes for instance in scene.instances}
    whole = [ProgramRun(question.image_id, gold.program) for _, question, gold, _ in made]
    prefixes = [
        ProgramRun(question.image_id, Program(steps=gold.program.steps[: number + 1]))
        for _, question, gold, _ in made
        for number in gold.telling.traced
    ]
    with SecondExecutor(scenes) as executor:
        referents, answers = executor.referents(whole), executor.answers(whole)
        values = iter(executor.answers(prefixes))
    found = []
    for (_, _, gold, _), denoted, answer in zip(made, referents, answers, strict=True):
        claims = []
        for number in gold.telling.traced:
            step, value = gold.program.steps[number], next(values)
            of = number if value is None else step.inputs[0]
            ids = tuple(sorted(denoted[of])) if value is None or step.operator in COUNTED else ()
            claims.append(Claim(ids[0] if value is None else str(value), ids, tuple(boxes[i] for i in ids)))
        found.append((*claims, Claim(str(answer), *claims[-1][1:])))
    return found


def test_gold_traces_are_the_stored_ones_and_right_by_both_executors(made, told):
    for (_, question, gold, _), truth in zip(made, told, strict=True):
        assert gold.telling.trace == question.trace and gold.telling.question == question.question
        assert first_wrong_step(question.trace, gold.truth) is None
        assert first_wrong_step(question.trace, truth) is None


def test_every_corruption_is_wrong_at_its_step_and_right_before_it_by_both_executors(made, told):
    proved = 0
    for (_, question, gold, found), truth in zip(made, told, strict=True):
        for corruption in found.values():
            assert proved_step(corruption.trace, gold) == corruption.step
            assert first_wrong_step(corruption.trace, truth) == corruption.step
            assert corruption.trace[: corruption.step] == question.trace[: corruption.step]
            assert corruption.trace[corruption.step] != question.trace[corruption.step]
            proved += 1
    assert proved > 300


def test_at_least_seven_kinds_of_flaws_occur_and_every_question_has_several(made):
    kinds = Counter(flaw for _, _, _, found in made for flaw in found)
    assert set(kinds) == set(Flaw)
    assert all(len(found) >= 2 for _, _, _, found in made)


def test_a_wrong_path_ends_in_another_number_unless_it_is_lucky(made):
    for _, question, _, found in made:
        for flaw, corruption in found.items():
            same = corruption.answer == str(question.answer)
            assert same is (flaw in (Flaw.LUCKY_PATH, Flaw.SHIFTED_BOX))


def test_the_program_a_corruption_follows_gives_its_number(scenes, made):
    followed = [
        (corruption, ProgramRun(question.image_id, Program.from_json(corruption.follows)))
        for _, question, _, found in made
        for corruption in found.values()
        if corruption.follows
    ]
    with SecondExecutor(scenes) as executor:
        answers = executor.answers([run for _, run in followed])
    assert len(followed) > 100
    for (corruption, _), answer in zip(followed, answers, strict=True):
        assert corruption.answer == str(answer)


def test_corrupted_responses_are_about_as_long_as_the_gold_ones(made):
    ratios = [
        len(response_text(one.trace)) / len(response_text(gold.telling.trace))
        for _, _, gold, found in made
        for one in found.values()
    ]
    assert min(ratios) >= BOUNDS[0] and max(ratios) <= BOUNDS[1]
    assert 0.97 < sum(ratios) / len(ratios) < 1.03


def test_corruptions_are_a_function_of_the_question(made):
    for scene, question, gold, found in made[:20]:
        assert corruptions(SceneIndex(scene), question, gold, BOUNDS) == found


def test_every_step_of_a_response_is_a_line_of_json_in_its_span(made):
    for _, question, _, found in made[:60]:
        for trace in (question.trace, *(one.trace for one in found.values())):
            text = response_text(trace)
            assert text.startswith(trace_text(trace)) and text.endswith(f"\n\n\\boxed{{{trace[-1].value}}}")
            for step, line, span in zip(trace, step_lines(trace), step_spans(trace), strict=True):
                assert text[span.start : span.end] == line
                said = json.loads(line)
                assert list(said) == ["step", "title", "content", "evidence", "next_action"]
                assert len(said["evidence"]) == len(step.boxes_xyxy)


BOXES = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50)).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)


@given(BOXES, BOXES)
def test_iou_is_symmetric_bounded_and_one_for_equal_boxes(a, b):
    assert box_iou(a, b) == box_iou(b, a)
    assert 0 <= box_iou(a, b) <= 1
    assert box_iou(a, a) == 1


def step(value="1", ids=(), boxes=()):
    return TraceStep(title="", content="", next_action="", value=value, instance_ids=ids, boxes_xyxy=boxes)


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ([step("1"), step("2")], None),
        ([step("1"), step("3")], 1),
        ([step("1")], 1),
        ([step("1"), step("2"), step("2")], 2),
        ([step("1", ("a",)), step("2")], 0),
        ([], 0),
    ],
)
def test_the_first_wrong_step_is_found(steps, wrong):
    assert first_wrong_step(steps, [Claim("1", (), ()), Claim("2", (), ())]) == wrong


def test_a_box_counts_down_to_half_an_overlap():
    truth = [Claim("a", ("a",), ((0.0, 0.0, 9.0, 9.0),))]
    assert first_wrong_step([step("a", ("a",), ((3.0, 0.0, 12.0, 9.0),))], truth) is None  # 6 of 12
    assert first_wrong_step([step("a", ("a",), ((4.0, 0.0, 13.0, 9.0),))], truth) == 0
    assert first_wrong_step([step("a", ("a",))], truth) == 0


def test_an_undefined_step_has_no_truth():
    index = SceneIndex(random_scene("traces 1", 7, 10))
    program = Program(
        steps=(Step("scene"), Step("category", (0,), ("nothing",)), Step("only", (1,)), Step("count", (1,)))
    )
    with pytest.raises(ValueError, match="step 2 is undefined"):
        truth_of(index, program, [2])
