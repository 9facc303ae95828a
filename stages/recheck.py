"""Recheck: every answer, necessity and luck of stored questions, recomputed in SQL by the second executor.

In: scenes and questions as stored. Out: what was checked and every mismatch. The mutated programs are written out in
full and run by the second executor alone; margins and uniqueness are proved again by the certifier from the stored
geometry.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.program import Program
from schemas.question import Question
from schemas.scene import Scene
from schemas.verdict import Outcome
from stages.execute import check_program, execute, executed_steps
from stages.hops import hop_kinds
from stages.judge import JudgeConfig, judge
from stages.mutations import Mutation, choice_mutations, mutations_of, spliced, strays_of
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor

_BATCH = 20_000


class Mismatch(NamedTuple):
    """One stored fact that did not come out again."""

    question_id: str
    what: str


class Recheck(NamedTuple):
    """What was recomputed."""

    questions: int
    programs: int
    """Programs run in SQL: the questions' own and all their mutations."""
    mismatches: tuple[Mismatch, ...]


class _Mutated(NamedTuple):
    question: Question
    mutation: Mutation
    run: ProgramRun


def recheck(scenes: Sequence[Scene], questions: Sequence[Question], config: JudgeConfig) -> Recheck:
    """Returns the outcome over all questions; a question whose image is missing is a mismatch."""
    known = {scene.image.image_id for scene in scenes}
    orphans = [
        Mismatch(q.question_id, f"image {q.image_id} is not in the tables")
        for q in questions
        if q.image_id not in known
    ]
    present = [question for question in questions if question.image_id in known]
    failed = [
        Mismatch(verdict.question_id, f"{verdict.judge}: {verdict.reason}")
        for verdict in judge(scenes, present, config)
        if verdict.outcome is not Outcome.PASS
    ]
    broken = {mismatch.question_id for mismatch in failed}
    sound = [question for question in present if question.question_id not in broken]
    mutated = list(_all_mutated(scenes, sound, config))
    wrong = list(_check_mutated(scenes, sound, mutated, config))
    return Recheck(len(questions), len(present) + len(mutated), (*orphans, *failed, *wrong))


def _all_mutated(scenes: Sequence[Scene], questions: Sequence[Question], config: JudgeConfig) -> Iterator[_Mutated]:
    indexes = {scene.image.image_id: SceneIndex(scene, config.margins) for scene in scenes}
    for question in questions:
        index = indexes[question.image_id]
        program = Program.from_json(question.program)
        check_program(program)
        values = execute(index, program)
        executed = executed_steps(program, values)
        found = choice_mutations(program, executed)
        for hop in hop_kinds(program, executed):
            found += mutations_of(program, hop, index, values) + strays_of(program, hop, index, values)
        for mutation in found:
            yield _Mutated(question, mutation, ProgramRun(question.image_id, spliced(program, mutation)))


def _check_mutated(
    scenes: Sequence[Scene], questions: Sequence[Question], mutated: Sequence[_Mutated], config: JudgeConfig
) -> Iterator[Mismatch]:
    hits: dict[tuple[str, int], list[int]] = {}
    with SecondExecutor(scenes) as executor:
        for start in range(0, len(mutated), _BATCH):
            batch = mutated[start : start + _BATCH]
            for row, answer in zip(batch, executor.answers([item.run for item in batch]), strict=True):
                same = answer == row.question.answer
                if row.mutation.kind == "stray":
                    hits.setdefault((row.question.question_id, row.mutation.hop), []).append(same)
                elif same:
                    text = f"{row.mutation.kind} of step {row.mutation.step} leaves the answer as it is"
                    yield Mismatch(row.question.question_id, f"necessity: {text}")
    for question in questions:
        for hop in question.hops:
            strays = hits.get((question.question_id, hop.step), [])
            luck = sum(strays) / len(strays) if strays else 0.0
            if luck != hop.luck or luck > config.certify.max_luck:
                yield Mismatch(question.question_id, f"luck of step {hop.step} is stored as {hop.luck}, found {luck}")
