"""No judge passes what is not proved: every stored fact is found again, and a tampered one fails."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.program import Program
from schemas.question import HopKind, Question, Variant
from schemas.scene import Scene
from schemas.verdict import Outcome, Verdict
from stages.certify import CertifyConfig
from stages.judge import JudgeConfig, bounds_for, judge
from stages.margins import MarginConfig
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene

JUDGES = ("second_executor", "certificates", "text_rules")
SCENES = tuple(random_scene(f"judge {i}") for i in range(12))
QUESTIONS = tuple(q for scene in SCENES for q in synthesize(scene, SynthesizeConfig(), 9, "c").questions)
FULL = next(q for q in QUESTIONS[:40] if q.variant is Variant.FULL and q.hops[0].kind is HopKind.INSTANCE_CHAIN)


def outcomes(
    question: Question, scenes: tuple[Scene, ...] = SCENES, config: JudgeConfig | None = None
) -> dict[str, Verdict]:
    scenes = scenes or tuple(scene for scene in SCENES if scene.image.image_id == question.image_id)
    return {verdict.judge: verdict for verdict in judge(scenes, [question], config or JudgeConfig())}


def failing(question: Question) -> set[str]:
    return {name for name, verdict in outcomes(question).items() if verdict.outcome is not Outcome.PASS}


def with_hop(question: Question, place: int = 0, **changes: object) -> Question:
    hops = list(question.hops)
    hops[place] = hops[place].model_copy(update=changes)
    return question.model_copy(update={"hops": tuple(hops)})


def test_honest_questions_of_every_variant_pass_every_judge() -> None:
    verdicts = judge(SCENES, QUESTIONS, JudgeConfig())
    assert [v for v in verdicts if v.outcome is not Outcome.PASS] == []
    assert Counter(verdict.judge for verdict in verdicts) == dict.fromkeys(JUDGES, len(QUESTIONS))
    assert [v.question_id for v in verdicts] == [q.question_id for q in QUESTIONS for _ in JUDGES]
    assert all(verdict.reason == "" for verdict in verdicts)
    assert {question.variant for question in QUESTIONS} == set(Variant)


TAMPERINGS: dict[str, Callable[[Question], Question]] = {
    "answer is stored": lambda q: q.model_copy(update={"answer": q.answer + 1}),
    "hop_count is stored": lambda q: q.model_copy(update={"hop_count": q.hop_count + 1}),
    "margin is stored": lambda q: q.model_copy(update={"margin": q.margin * 1.000001}),
    "luck is stored": lambda q: q.model_copy(update={"luck": q.luck + 0.01}),
    "strict is stored": lambda q: q.model_copy(update={"strict": not q.strict}),
    "question_id is stored": lambda q: q.model_copy(update={"question_id": "0" * 32}),
    "hop steps is stored": lambda q: with_hop(q, step=q.hops[0].step + 1),
    "hop kinds is stored": lambda q: with_hop(q, kind=HopKind.PERCEPTION),
    "hop lucks is stored": lambda q: with_hop(q, luck=0.2),
    "hop values is stored": lambda q: with_hop(q, value=q.hops[-1].value),
    "hop candidates is stored": lambda q: with_hop(q, candidates=q.hops[0].candidates + 1),
    "hop instances is stored": lambda q: with_hop(q, instance_ids=("nobody",)),
    "hop boxes is stored": lambda q: with_hop(q, boxes_xyxy=((0.0, 0.0, 1.0, 1.0),)),
    "program is stored": lambda q: q.model_copy(update={"program": q.program.replace(",", ", ")}),
}


@pytest.mark.parametrize("reason", TAMPERINGS)
def test_every_tampered_fact_fails_the_certificates(reason: str) -> None:
    tampered = TAMPERINGS[reason](FULL)
    verdict = outcomes(tampered)["certificates"]
    assert verdict.outcome is Outcome.FAIL
    assert reason in verdict.reason


def test_a_missing_hop_fails() -> None:
    assert "certificates" in failing(FULL.model_copy(update={"hops": FULL.hops[1:]}))


def test_a_wrong_answer_fails_the_second_executor_too() -> None:
    verdict = outcomes(FULL.model_copy(update={"answer": FULL.answer + 3}))["second_executor"]
    assert (verdict.outcome, verdict.reason) == (
        Outcome.FAIL,
        f"the second executor gives {FULL.answer}, stored is {FULL.answer + 3}",
    )


@given(number=st.integers(0, len(QUESTIONS) - 1), data=st.data())
@settings(max_examples=60)
def test_another_program_is_never_passed_for_the_stored_one(number: int, data: st.DataObject) -> None:
    """Also where its answer is the same: the id is the program's."""
    question = QUESTIONS[number]
    program = Program.from_json(question.program)
    at = data.draw(st.integers(0, len(program.steps) - 1))
    others = {"left": "right", "right": "left", "nearest": "farthest", "leftmost": "rightmost", "highest": "lowest"}
    step = program.steps[at]
    changed = step._replace(
        operator=others.get(step.operator, step.operator), params=tuple(others.get(p, p) for p in step.params)
    )
    other = Program(steps=(*program.steps[:at], changed, *program.steps[at + 1 :]))
    if other != program:
        assert "certificates" in failing(question.model_copy(update={"program": other.to_json()}))


@pytest.mark.parametrize(
    "program",
    [
        "",
        "no json",
        "[]",
        "{}",
        "[" * 3000,
        '[["scene",5,[]]]',
        '[["scene",[],[]]]',
        '[["scene",[],[]],["fly",[0],[]]]',
        '[["scene",[],[]],["count",[1],[]]]',
        '[["scene",[],[]],["count",[0],["x"]]]',
        '[["scene",[],[]],["nth",[0],["leftmost",1000000000000]],["read",[1],["digit"]]]',
        '[["count",[0],[]]]',
    ],
)
def test_a_malformed_program_fails_every_judge_and_spoils_no_other(program: str) -> None:
    malformed = FULL.model_copy(update={"program": program})
    verdicts = judge(SCENES[:2], [FULL, malformed, FULL], JudgeConfig())
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS] * 3 + [Outcome.FAIL] * 3 + [Outcome.PASS] * 3
    assert all(verdict.reason.startswith("malformed program: ") for verdict in verdicts[3:6])


def test_an_undefined_program_fails() -> None:
    program = '[["scene",[],[]],["category",[0],["unicorn"]],["only",[1],[]],["read",[2],["digit"]]]'
    found = outcomes(FULL.model_copy(update={"program": program}))
    assert found["second_executor"].reason.startswith("the second executor gives no answer")
    assert found["certificates"].reason.startswith("not_unique")


def test_numbers_that_overflow_fail_and_spoil_no_other() -> None:
    squares = "".join(f',["multiply",[{i},{i}],[]]' for i in range(1, 8))
    huge = FULL.model_copy(update={"program": f'[["scene",[],[]],["count",[0],[]]{squares}]'})
    verdicts = judge(SCENES, [huge, FULL], JudgeConfig())
    assert [verdict.outcome for verdict in verdicts[3:]] == [Outcome.PASS] * 3
    assert verdicts[0].outcome is Outcome.FAIL


def test_a_question_on_an_unknown_image_is_an_error() -> None:
    with pytest.raises(KeyError):
        judge(SCENES[:1], [FULL.model_copy(update={"image_id": "f" * 64})], JudgeConfig())


def test_a_changed_scene_fails_what_was_proved_on_the_old_one() -> None:
    """Things pushed about: where the proof holds no more, no judge says it does."""
    for question in QUESTIONS[::10]:
        scene = next(s for s in SCENES if s.image.image_id == question.image_id)
        fewer = scene.model_copy(update={"instances": scene.instances[1:]})
        gone = scene.instances[0].instance_id
        if any(gone in hop.instance_ids for hop in question.hops):
            assert outcomes(question, (fewer,))["certificates"].outcome is Outcome.FAIL


def test_stricter_bounds_fail_what_looser_ones_passed() -> None:
    for config in (
        JudgeConfig(certify=CertifyConfig(min_hops=3, max_hops=6, min_margin=50)),
        JudgeConfig(certify=CertifyConfig(min_hops=7, max_hops=9)),
        JudgeConfig(margins=MarginConfig(visible_area=0.5)),
        JudgeConfig(certify=CertifyConfig(min_hops=3, max_hops=6, min_answer=FULL.answer + 1)),
    ):
        assert outcomes(FULL, config=config)["certificates"].outcome is Outcome.FAIL


def test_shorter_variants_need_neither_both_kinds_nor_the_least_number_of_hops() -> None:
    config = JudgeConfig(certify=CertifyConfig(min_hops=3, max_hops=6))
    assert bounds_for(FULL, config) == config.certify
    single = next(q for q in QUESTIONS if q.variant is Variant.SINGLE)
    assert (bounds_for(single, config).min_hops, bounds_for(single, config).both_kinds) == (1, False)
    pretended = single.model_copy(update={"variant": Variant.FULL})
    assert outcomes(pretended)["certificates"].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "text", ["How many?", "", "How many cups are there", f"How many cups are {FULL.answer} there?"]
)
def test_bad_words_fail_the_text_rules_alone(text: str) -> None:
    assert failing(FULL.model_copy(update={"question": text})) == {"text_rules"}


def test_verdicts_do_not_depend_on_the_company() -> None:
    together = judge(SCENES, QUESTIONS[:30], JudgeConfig())
    apart = tuple(v for question in QUESTIONS[:30] for v in outcomes(question).values())
    assert together == apart
    assert judge(SCENES, [], JudgeConfig()) == ()


@pytest.mark.parametrize("field", ["question", "trace"])
def test_words_that_were_not_told_of_the_program_fail(field: str) -> None:
    other = FULL.question.replace("the", "a", 1) if field == "question" else FULL.trace[:-1]
    assert failing(FULL.model_copy(update={field: other})) == {"text_rules"}
