"""Solvers and judges: three outcomes, sequential attempts, planted defects that judge the judge."""

import json
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scripted_answers.judging import find_fault
from schemas.calibration import Calibration
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRole
from schemas.rollout import Rollout, Scored, View
from schemas.verdict import Outcome
from stages.canaries import KINDS, plant, plant_batch
from stages.domains import load_domain
from stages.parsing.reply import Fault, Unreadable
from stages.rubric import (
    CLEAN,
    Case,
    FaultKind,
    Judgement,
    RubricConfig,
    ask_judge,
    calibrate,
    case_of,
    distrust,
    family_of,
    read_judge,
    verdicts_of,
)
from stages.scene_index import SceneIndex
from stages.solve import (
    SolveConfig,
    Tally,
    ask_attempt,
    attempts_left,
    band_of,
    judge_blind,
    judge_solved,
    known_without_picture,
    read_attempt,
    tally,
)
from tests.stages.models.questions import QUESTION, SCENE, questions

GENERAL = load_domain("general")
CONFIG = SolveConfig(enabled=True, attempts={View.BLIND: 4, View.FULL: 8})
RUBRIC = RubricConfig(enabled=True)


SOLVER = {"job": "solve", "role": ModelRole.SOLVER, "model": "s"}


def rollouts(view: View, said: Sequence[int | None]) -> list[Rollout]:
    """Attempts with these answers; None commits to no number."""
    found = []
    for attempt, answer in enumerate(said):
        request = ask_attempt(QUESTION, SCENE, (view, "a table"), attempt, (CONFIG, GENERAL))
        text = "I do not know." if answer is None else f"It is \\boxed{{{answer}}}"
        reply = ModelReply(
            request_key=f"k{attempt}",
            job=request.job,
            role=ModelRole.SOLVER,
            model="s",
            texts=(text,),
            finish_reasons=("stop",),
        )
        found.append(read_attempt(QUESTION, request, view, reply))
    return found


GOLD, WRONG = QUESTION.answer, QUESTION.answer + 1


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ([GOLD] * 8, Outcome.FAIL),
        ([WRONG] * 8, Outcome.NO_VERDICT),
        ([GOLD] * 3 + [WRONG] * 5, Outcome.PASS),
        ([GOLD, WRONG, None, None, None], Outcome.NO_VERDICT),
        ([None] * 8, Outcome.NO_VERDICT),
        ([], Outcome.NO_VERDICT),
    ],
)
def test_a_question_passes_where_it_is_solved_sometimes(said: list[int | None], outcome: Outcome) -> None:
    verdict = judge_solved(QUESTION, rollouts(View.FULL, said), CONFIG)
    assert verdict.outcome is outcome
    if outcome is Outcome.PASS:
        assert verdict.score == 3 / 8 and "medium" in verdict.reason


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ([WRONG] * 4, Outcome.PASS), ([GOLD] * 4, Outcome.FAIL), ([GOLD, WRONG, WRONG, WRONG], Outcome.PASS),
        ([None] * 4, Outcome.NO_VERDICT), ([], Outcome.NO_VERDICT),
    ],
)  # fmt: skip
def test_a_question_fails_where_it_is_solved_without_its_picture(said: list[int | None], outcome: Outcome) -> None:
    assert judge_blind(QUESTION, rollouts(View.BLIND, said), CONFIG).outcome is outcome


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ([GOLD, None, None, None, None, None], Outcome.NO_VERDICT), ([WRONG, None, None, None], Outcome.NO_VERDICT),
        ([WRONG, WRONG, None, None], Outcome.PASS), ([GOLD, GOLD, None, None], Outcome.FAIL),
    ],
)  # fmt: skip
def test_blind_attempts_that_say_no_number_do_not_make_a_question_pass(said, outcome: Outcome) -> None:
    assert judge_blind(QUESTION, rollouts(View.BLIND, said), CONFIG).outcome is outcome


def test_a_view_that_is_silent_does_not_excuse_one_that_gives_the_answer_away() -> None:
    silent = rollouts(View.CAPTION, [None] * 4)
    assert judge_blind(QUESTION, [*rollouts(View.BLIND, [GOLD] * 4), *silent], CONFIG).outcome is Outcome.FAIL
    assert judge_blind(QUESTION, [*rollouts(View.BLIND, [WRONG] * 4), *silent], CONFIG).outcome is Outcome.NO_VERDICT


def test_the_leakiest_view_decides() -> None:
    said = [*rollouts(View.BLIND, [WRONG] * 4), *rollouts(View.CATEGORIES, [GOLD] * 4)]
    verdict = judge_blind(QUESTION, said, CONFIG)
    assert verdict.outcome is Outcome.FAIL and verdict.reason.startswith("categories")


@given(st.lists(st.sampled_from([GOLD, WRONG, None]), max_size=12))
def test_attempts_end_and_an_unscored_one_moves_no_rate(said: list[int | None]) -> None:
    found = tally(rollouts(View.FULL, said))
    assert found.rate == tally(rollouts(View.FULL, [one for one in said if one is not None])).rate
    left = attempts_left(View.FULL, found, CONFIG)
    assert 0 <= left <= CONFIG.round and found.asked + left <= 12 or left == 0
    assert attempts_left(View.CROP, found, CONFIG) == 0


@given(correct=st.integers(0, 4), scored=st.integers(0, 4), final=st.integers(0, 4))
def test_stopping_early_never_changes_a_blind_verdict(correct: int, scored: int, final: int) -> None:
    correct = min(correct, scored)
    if attempts_left(View.BLIND, Tally(correct, scored, scored), CONFIG) or not scored:
        return
    rest = 4 - scored
    now = judge_blind(QUESTION, rollouts(View.BLIND, [GOLD] * correct + [WRONG] * (scored - correct)), CONFIG)
    later = [GOLD] * (correct + min(final, rest)) + [WRONG] * (scored - correct + rest - min(final, rest))
    assert judge_blind(QUESTION, rollouts(View.BLIND, later), CONFIG).outcome is now.outcome


def test_a_sure_band_stops_the_attempts() -> None:
    sure = CONFIG.model_copy(update={"attempts": {View.FULL: 200}})
    assert attempts_left(View.FULL, Tally(50, 100, 100), sure) == 0
    assert attempts_left(View.FULL, Tally(30, 100, 100), sure) == CONFIG.round
    assert attempts_left(View.FULL, Tally(100, 100, 100), sure) == CONFIG.round
    assert band_of(Tally(50, 100, 100).rate, CONFIG) == CONFIG.bands[1]


def test_an_outage_is_unscored_and_no_view_without_a_picture_sends_one() -> None:
    for view in View:
        request = ask_attempt(QUESTION, SCENE, (view, "cups"), 3, (CONFIG, GENERAL))
        assert bool(request.image_ids) == (view in (View.FULL, View.CROP)) and request.draw == 3
    error = ModelReply(request_key="k", job="solve.full", role=ModelRole.SOLVER, model="s", error=ErrorKind.TIMEOUT)
    found = read_attempt(QUESTION, request, View.FULL, error)
    assert (found.outcome, found.answer) == (Scored.UNSCORED, None) and "timeout" in found.reason
    assert str(len(SCENE.instances)) not in known_without_picture(View.BLIND, SCENE, "")


CASES = questions(4)
INDEXES = {scene.image.image_id: SceneIndex(scene) for scene, _ in CASES}
SCENES = {scene.image.image_id: scene for scene, _ in CASES}


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_defect_is_one(kind: FaultKind) -> None:
    planted = [case for _, one in CASES if (case := plant(one, INDEXES[one.image_id], kind, 0))]
    assert len(planted) > 10
    for case in planted:
        prompt = ask_judge(case, RUBRIC, GENERAL).messages[1].parts[-1].text
        fault, _ = find_fault(SCENES[case.image_id], prompt, case.answer)
        assert fault, (kind, case.text)
        assert kind.value not in prompt and case.kind == kind.value


def test_a_sound_question_has_no_fault() -> None:
    for scene, question in CASES[:40]:
        prompt = ask_judge(case_of(question), RUBRIC, GENERAL).messages[1].parts[-1].text
        assert find_fault(scene, prompt, question.answer) == ("", question.answer)


def judged(case: Case, verdict: str, fault: str = "none", score: int = 95) -> Judgement | Unreadable:
    rows = [
        {"axis": axis.name, "verdict": verdict, "fault": fault, "score": score, "reason": "because"}
        for axis in GENERAL.axes
    ]
    return read_judge(json.dumps({"case": case.case_id, "own_answer": case.answer, "axes": rows}), case, GENERAL)


def calibrated(cases: Sequence[Case], missed: int) -> tuple[Calibration, ...]:
    """What is known of a judge that misses the first so many of these defects."""
    said = {
        case.case_id: judged(case, "pass") if number < missed else judged(case, "fail", "ambiguous", 10)
        for number, case in enumerate(cases)
    }
    return calibrate(cases, said, "arbiter", "0")


def test_a_judge_that_passes_planted_defects_passes_nothing() -> None:
    members = [question for _, question in CASES[:5]]
    planted = plant_batch(members, INDEXES, 0)
    assert [case.kind for case in planted] == [kind.value for kind in KINDS]
    rows = calibrated(planted, missed=5)
    doubt = distrust(rows, rows, RUBRIC)
    assert "missed 5 of 5" in doubt and not any(row.caught for row in rows)
    found = verdicts_of(members[0], judged(case_of(members[0]), "pass"), GENERAL, ("arbiter", doubt))
    assert {verdict.outcome for verdict in found} == {Outcome.NO_VERDICT}
    assert distrust((), (), RUBRIC) == "no defect could be planted in this batch"


PLANTED = plant_batch([question for _, question in CASES], INDEXES, 0, 60)


@pytest.mark.parametrize(("missed", "believed"), [(0, True), (6, True), (11, True), (12, False), (30, False)])
def test_a_judge_is_believed_where_missing_too_many_is_ruled_out(missed: int, believed: bool) -> None:
    run = calibrated(PLANTED, missed)
    assert len(run) == 60
    assert (distrust(run[-5:], run, RUBRIC) == "") == believed
    twice = [*run, *(row.model_copy(update={"batch": "1"}) for row in run)]
    assert distrust(run[-5:], twice, RUBRIC) == distrust(run[-5:], run, RUBRIC), "the same asked again says nothing new"


def test_five_cases_without_a_miss_prove_nothing_and_a_batch_far_worse_than_the_run_is_not_believed() -> None:
    few = calibrated(PLANTED[:5], 0)
    assert "up to 43%" in distrust(few, few, RUBRIC)
    run = calibrated(PLANTED, 4)
    assert "4 of 4 planted defects of this batch" in distrust(run[:4], run, RUBRIC)
    assert distrust(run[:8], run, RUBRIC) == "" == distrust(run[4:], run, RUBRIC)


def test_more_canaries_are_of_every_kind_in_turn_and_of_other_questions() -> None:
    assert len({case.case_id for case in PLANTED}) == 60
    kinds = Counter(case.kind for case in PLANTED)
    assert set(kinds) == {kind.value for kind in KINDS} and max(kinds.values()) - min(kinds.values()) <= 1
    few = plant_batch([CASES[0][1]], INDEXES, 0, 60)
    assert 3 <= len(few) <= len(KINDS) and plant_batch([], INDEXES, 0, 60) == ()


def test_silence_about_a_planted_defect_is_no_catch_and_about_a_clean_case_no_alarm() -> None:
    case = case_of(QUESTION)._replace(kind=CLEAN)
    silent = {case.case_id: Unreadable(Fault.PROSE, "it talks")}
    assert calibrate([case], silent, "arbiter", "0")[0].caught
    assert not calibrate([case._replace(kind="wrong_answer")], silent, "arbiter", "0")[0].caught


@pytest.mark.parametrize(
    ("verdict", "fault", "score", "outcome"),
    [
        ("pass", "none", 95, Outcome.PASS), ("pass", "none", 30, Outcome.FAIL), ("fail", "ambiguous", 90, Outcome.FAIL),
        ("unsure", "none", 95, Outcome.NO_VERDICT),
    ],
)  # fmt: skip
def test_an_axis_passes_only_where_the_judge_is_sure_and_the_score_suffices(
    verdict: str, fault: str, score: int, outcome: Outcome
) -> None:
    found = verdicts_of(QUESTION, judged(case_of(QUESTION), verdict, fault, score), GENERAL, ("arbiter", ""))
    assert {one.outcome for one in found} == {outcome}
    assert [one.judge for one in found] == [f"rubric:{axis.name}" for axis in GENERAL.axes]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen3-VL-235B-A22B", "qwen"), ("qwen2.5-vl-7b", "qwen"), ("OpenGVLab/InternVL3-78B", "internvl"),
        ("/models/llava-1.5/", "llava"), ("gemma-3-27b-it", "gemma"), ("42", "42"),
    ],
)  # fmt: skip
def test_the_family_is_what_a_name_begins_with(model: str, family: str) -> None:
    assert family_of(model) == family
