"""Questions and ways to answers that a model wrote: executed, scored, kept with a cause or dropped with a reason."""

import json
import random

import pytest

from benchmarks.scripted_answers.wording import plain, reword
from schemas.drop import Drop, DropReason
from schemas.program import Program, written_id_of
from schemas.question import Question, Wording
from schemas.rollout import Scored
from schemas.trace import TraceKind
from schemas.verdict import Outcome
from stages.certify import Rejected
from stages.compose import (
    ComposeConfig,
    Made,
    Written,
    ask_question,
    compose,
    listed_instances,
    read_written,
    written_cell,
)
from stages.domains import load_domain
from stages.judge import JudgeConfig, judge
from stages.parsing.reply import Fault, Unreadable
from stages.reading.lexicon import lexicon_of
from stages.reading.reader import Unread, read_question
from stages.recover import Contradicted, Told, Unclear, Words, ask_program, settle, verify_program
from stages.scene_index import SceneIndex
from stages.trace import (
    AnswerReply,
    Graded,
    Path,
    TraceConfig,
    broken_path,
    choose_best,
    finish_path,
    read_step,
    start_path,
)
from tests.stages.models.questions import questions

GENERAL = load_domain("general")
SCENE, QUESTION = next(pair for pair in questions(4) if pair[1].variant == "full")
INDEX = SceneIndex(SCENE)
CONFIG = ComposeConfig(enabled=True)
MADE = Made("writer-1", "f" * 64, "hopchain", 1, "hash", 0)
PROGRAM = Program.from_json(QUESTION.program)
BY = ("writer-1", "arbiter", "f" * 64, "hash", 0)


def prove(text: str, program: Program, read: Program | Unread) -> Told | Rejected | Unclear | Contradicted:
    words = Words(text, written_id_of(SCENE.image.image_id, text), 0)
    return verify_program(INDEX, words, program, read, CONFIG.certify)


def write(text: str, answer: int) -> Question | Drop:
    read = read_question(text, lexicon_of(SCENE))
    program = settle(read, None)
    proof = prove(text, program, read) if isinstance(program, Program) else program
    return compose(SCENE, Written(text, answer, (("a hop", (0,)),), "free_form"), proof, CONFIG, MADE)


def test_a_written_question_is_proved_by_executing_its_words() -> None:
    made = write(QUESTION.question, QUESTION.answer)
    assert isinstance(made, Question) and made.program == QUESTION.program
    assert (made.wording, made.model, made.style) == (Wording.WRITTEN, "writer-1", "hopchain")
    assert made.question_id == written_id_of(SCENE.image.image_id, made.question) != QUESTION.question_id
    assert {verdict.outcome for verdict in judge([SCENE], [made], JudgeConfig())} == {Outcome.PASS}
    other = made.model_copy(update={"answer": made.answer + 1})
    assert Outcome.FAIL in {verdict.outcome for verdict in judge([SCENE], [other], JudgeConfig())}


def test_a_number_that_execution_contradicts_is_a_drop() -> None:
    made = write(QUESTION.question, QUESTION.answer + 1)
    assert isinstance(made, Drop) and made.reason is DropReason.ANSWER_DISAGREES
    assert f"execution gives {QUESTION.answer}" in made.detail


def test_without_a_program_only_people_can_vouch_for_it() -> None:
    text = "Which number of things would a careful person call ready for use?"
    made = write(text, 3)
    assert isinstance(made, Question) and made.program == "" and not made.strict
    outcomes = {one.judge: one.outcome for one in judge([SCENE], [made], JudgeConfig())}
    assert outcomes == {
        "text_rules": Outcome.PASS, "second_executor": Outcome.NO_VERDICT, "certificates": Outcome.NO_VERDICT,
    }  # fmt: skip
    told = write("Which of the three things would a careful person call ready for use?", 3)
    assert isinstance(told, Question) and told.program == ""
    fault = {one.judge: (one.outcome, one.reason) for one in judge([SCENE], [told], JudgeConfig())}["text_rules"]
    assert fault == (Outcome.FAIL, "answer: the text spells the answer 3")
    refused = compose(
        SCENE, Written(text, 3, (), "free_form"), Unclear("?"), CONFIG.model_copy(update={"people": False}), MADE
    )
    assert isinstance(refused, Drop) and refused.reason is DropReason.NOT_EXECUTABLE


def test_a_parsers_program_must_say_what_the_words_say() -> None:
    text = reword(QUESTION.question, random.Random(0))
    read = read_question(text, lexicon_of(SCENE))
    assert isinstance(read, Unread) and plain(text) == QUESTION.question
    assert isinstance(prove(text, PROGRAM, read), Told)
    others = [
        Program.from_json(one.program)
        for scene, one in questions(4)
        if scene is SCENE and one.program != QUESTION.program
    ]
    assert others
    for other in others:
        assert not isinstance(prove(text, other, read), Told)


def test_readings_that_differ_settle_nothing() -> None:
    other = next(Program.from_json(one.program) for _, one in questions(4) if one.program != QUESTION.program)
    assert isinstance(settle(PROGRAM, other), Contradicted)
    assert settle(PROGRAM, PROGRAM) == PROGRAM == settle(PROGRAM, Unclear("two meanings"))
    assert settle(Unread("not ours"), other) == other
    for silent in (None, Unclear("two meanings"), Unreadable(Fault.PROSE, "it talks")):
        assert isinstance(settle(Unread("not ours"), silent), Unclear)


def test_the_parser_sees_the_words_and_no_picture() -> None:
    request = ask_program(QUESTION.question, lexicon_of(SCENE), "q", GENERAL)
    assert request.image_ids == () and QUESTION.program not in request.model_dump_json()


def test_the_writer_sees_the_picture_first_and_numbered_crops() -> None:
    request = ask_question(SCENE, "free_form", 1, CONFIG, GENERAL)
    parts = request.messages[1].parts
    assert parts[0].image_id == SCENE.image.image_id and parts[0].box_xyxy is None and parts[-1].text
    assert len(parts) - 2 == min(CONFIG.max_crops, len(listed_instances(SCENE, CONFIG)))
    assert request.messages != ask_question(SCENE, "free_form", 2, CONFIG, GENERAL).messages


@pytest.mark.parametrize(
    "hops",
    [
        [{"number": 2, "text": "x", "things": [], "builds_on": []}],
        [{"number": 1, "text": "x", "things": [99], "builds_on": []}],
        [{"number": 1, "text": "x", "things": [], "builds_on": [1]}],
        [],
    ],
)
def test_hops_that_contradict_themselves_are_unreadable(hops: list[object]) -> None:
    text = json.dumps({"hops": hops, "question": QUESTION.question, "answer": 1})
    assert isinstance(read_written(text, "free_form", 3), Unreadable)


def test_every_cell_of_a_written_question_has_the_levels_that_balancing_reads() -> None:
    for _, question in questions(4):
        assert len(written_cell(Program.from_json(question.program)).split("|")) == 6


def a_path(answer_steps: int = 3, number: int = 0) -> Path:
    path = start_path(QUESTION, SCENE, number, TraceConfig())
    for place in range(answer_steps):
        last = place == answer_steps - 1
        step = {
            "title": f"Step {place}",
            "content": " ".join(f"word{place}{letter}" for letter in "abcdef"),
            "evidence": [1],
            "next_action": "summary" if last else "continue",
        }
        found = read_step(json.dumps(step), path, 0, TraceConfig())
        assert not isinstance(found, Unreadable)
        path = path._replace(steps=(*path.steps, found))
    return path


GOLD = AnswerReply(answer=QUESTION.answer)


@pytest.mark.parametrize(
    ("answer", "graded", "kind"),
    [
        (GOLD, Graded(90, None, ""), TraceKind.GOOD),
        (GOLD, Graded(30, None, "vague"), TraceKind.FLAWED),
        (GOLD, Graded(95, 2, "wrong thing"), TraceKind.FLAWED),
        (AnswerReply(answer=QUESTION.answer + 1), Graded(95, None, ""), TraceKind.FLAWED),
        (AnswerReply(answer=None), Graded(95, None, ""), TraceKind.UNSCORED),
        (Unreadable(Fault.PROSE, "it talks"), Graded(95, None, ""), TraceKind.UNSCORED),
        (GOLD, Unreadable(Fault.PROSE, "it talks"), TraceKind.UNSCORED),
    ],
)
def test_a_path_is_good_only_where_it_ends_right_and_nothing_on_it_is_wrong(
    answer: AnswerReply | Unreadable, graded: Graded | Unreadable, kind: TraceKind
) -> None:
    trace = finish_path(a_path(), answer, graded, TraceConfig(), BY)
    assert trace.kind is kind and (trace.cause == "") == (kind is TraceKind.GOOD)
    assert (trace.outcome is Scored.CORRECT) == (answer == GOLD)


def test_the_best_path_has_the_highest_score_then_the_fewest_steps() -> None:
    made = [
        finish_path(a_path(steps, number), GOLD, Graded(score, None, ""), TraceConfig(), BY)
        for number, (steps, score) in enumerate([(4, 80), (3, 90), (2, 90), (2, 40)])
    ]
    kinds = [trace.kind for trace in choose_best(made)]
    assert kinds == [TraceKind.GOOD, TraceKind.GOOD, TraceKind.BEST, TraceKind.FLAWED]
    assert choose_best([]) == ()


def test_a_step_that_repeats_sums_up_too_soon_or_names_what_is_not_there_is_unreadable() -> None:
    path = a_path(3)._replace(steps=a_path(3).steps[:1])
    good = {"title": "t", "content": "something quite new", "evidence": [1], "next_action": "continue"}
    assert not isinstance(read_step(json.dumps(good), path, 1, TraceConfig()), Unreadable)
    repeated = good | {"content": path.steps[0].content}
    early = good | {"next_action": "summary"}
    stray = good | {"evidence": [999]}
    empty = path._replace(steps=())
    for text, where in ((repeated, path), (stray, path), (early, empty)):
        assert isinstance(read_step(json.dumps(text), where, 0, TraceConfig()), Unreadable)
    drop = broken_path(path, Unreadable(Fault.BROKEN, "cut"))
    assert drop.reason is DropReason.BAD_TRACE and drop.detail.startswith("step 2: broken")
