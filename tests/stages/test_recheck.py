"""Recheck runs every question and every mutation of it in SQL: nothing honest differs, nothing tampered passes."""

import pytest

from schemas.program import Program
from schemas.question import HopKind, Question, Variant
from stages.certify import CertifyConfig
from stages.execute import execute, executed_steps
from stages.hops import hop_kinds
from stages.judge import JudgeConfig
from stages.mutations import Downstream, choice_mutations, mutations_of, spliced, strays_of
from stages.recheck import Recheck, recheck
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene
from tests.stages.test_judge import TAMPERINGS

SCENES = tuple(random_scene(f"recheck {i}") for i in range(10))
QUESTIONS = tuple(q for scene in SCENES for q in synthesize(scene, SynthesizeConfig(), 4, "c").questions)
FULL = next(q for q in QUESTIONS if q.variant is Variant.FULL and q.hops[0].kind is HopKind.INSTANCE_CHAIN)


def checked(*questions: Question, config: JudgeConfig | None = None) -> Recheck:
    return recheck(SCENES, questions, config or JudgeConfig())


def test_honest_questions_have_no_mismatch_and_every_mutation_is_run() -> None:
    found = checked(*QUESTIONS)
    assert found.mismatches == ()
    assert found.questions == len(QUESTIONS)
    stated = [int(q.certificates[0].detail.split()[0]) for q in QUESTIONS]
    assert found.programs == len(QUESTIONS) + sum(stated)


@pytest.mark.parametrize("reason", TAMPERINGS)
def test_every_tampering_is_a_mismatch_of_its_question_alone(reason: str) -> None:
    tampered = TAMPERINGS[reason](FULL)
    others = [question for question in QUESTIONS[:20] if question.question_id != FULL.question_id]
    found = checked(*others, tampered)
    assert {mismatch.question_id for mismatch in found.mismatches} == {tampered.question_id}


def test_a_missing_image_and_a_malformed_program_are_mismatches() -> None:
    lost = FULL.model_copy(update={"image_id": "e" * 64})
    malformed = FULL.model_copy(update={"program": "[]"})
    assert checked(lost).mismatches[0].what == f"image {'e' * 64} is not in the tables"
    assert any("malformed" in mismatch.what for mismatch in checked(malformed).mismatches)


def test_nothing_to_check_is_nothing_found() -> None:
    assert checked() == Recheck(0, 0, ())


def test_a_bound_on_luck_that_was_not_kept_is_a_mismatch() -> None:
    lucky = [question for question in QUESTIONS if question.luck > 0]
    config = JudgeConfig(certify=CertifyConfig(min_hops=3, max_hops=6, max_luck=0))
    found = checked(*QUESTIONS, config=config)
    assert {mismatch.question_id for mismatch in found.mismatches} == {question.question_id for question in lucky}


def test_mutations_written_out_in_full_mean_what_the_certifier_evaluated() -> None:
    indexes = {scene.image.image_id: SceneIndex(scene) for scene in SCENES}
    runs: list[ProgramRun] = []
    expected: list[int | None] = []
    for question in QUESTIONS[::2]:
        index, program = indexes[question.image_id], Program.from_json(question.program)
        values = execute(index, program)
        executed = executed_steps(program, values)
        downstream = Downstream(index, program, values)
        found = choice_mutations(program, executed)
        for hop in hop_kinds(program, executed):
            found += mutations_of(program, hop, index, values) + strays_of(program, hop, index, values)
        for mutation in found:
            whole = spliced(program, mutation)
            runs.append(ProgramRun(question.image_id, whole))
            expected.append(downstream.answer_of(mutation))
            assert execute(index, whole)[-1] == expected[-1]
    with SecondExecutor(SCENES) as executor:
        assert executor.answers(runs) == expected
    assert len(runs) > 800
