"""Judge: the static judges of the spine, each with a verdict per question.

In: scenes and the questions on them. Out: verdicts. `second_executor` recomputes the answer in SQL; `certificates`
proves the stored program again from the stored scene and compares; `text_rules` reads the words, and tells the program
again to see that the words are its. A judge that cannot decide says no verdict, never pass.
"""

import random
from collections.abc import Iterator, Sequence

from schemas.program import Program, question_id_of, written_id_of
from schemas.question import Question, Variant, Wording
from schemas.record import Record
from schemas.scene import Scene
from schemas.verdict import Outcome, Verdict
from stages.certify import Certified, CertifyConfig, Rejected, certify
from stages.execute import check_program, operator_of
from stages.margins import MarginConfig
from stages.operators.operator import ValueType
from stages.phrasing.telling import Telling, tell
from stages.reading.expression import says_the_same
from stages.reading.lexicon import lexicon_of
from stages.reading.meaning import says_as_much
from stages.reading.reader import read_question
from stages.scene_index import SceneIndex
from stages.second_executor import ProgramRun, SecondExecutor
from stages.text_rules import bad_text, give_aways, spelled_answer

VERSION = 4


class JudgeConfig(Record):
    """The bounds questions were certified with; they are proved again with the same."""

    margins: MarginConfig = MarginConfig()
    certify: CertifyConfig = CertifyConfig(min_hops=3, max_hops=6)
    written: CertifyConfig = CertifyConfig(min_hops=2, max_hops=8)
    """Bounds of questions that a model wrote."""


def bounds_for(question: Question, config: JudgeConfig) -> CertifyConfig:
    """Returns the bounds of a variant: shorter ones need neither both kinds of hop nor the least number."""
    if question.wording is Wording.WRITTEN:
        return config.written
    if question.variant is Variant.FULL:
        return config.certify
    return config.certify.model_copy(update={"both_kinds": False, "min_hops": 1})


def judge(scenes: Sequence[Scene], questions: Sequence[Question], config: JudgeConfig) -> tuple[Verdict, ...]:
    """Returns three verdicts per question, in the order of the questions.

    Raises:
        KeyError: a question is on an image that is not among the scenes.
    """
    indexes = {scene.image.image_id: SceneIndex(scene, config.margins) for scene in scenes}
    answers = _second_answers(scenes, questions)
    return tuple(
        verdict
        for question, answer in zip(questions, answers, strict=True)
        for verdict in _verdicts(indexes[question.image_id], question, answer, config)
    )


def _second_answers(scenes: Sequence[Scene], questions: Sequence[Question]) -> list[int | str | None]:
    """Returns per question the second executor's answer, None where undefined, a message for a malformed program."""
    runs: dict[int, ProgramRun] = {}
    answers: list[int | str | None] = [None] * len(questions)
    for number, question in enumerate(questions):
        try:
            program = Program.from_json(question.program)
            check_program(program)
        except ValueError as error:
            answers[number] = f"malformed program: {error}"
        else:
            runs[number] = ProgramRun(question.image_id, program)
    with SecondExecutor(scenes) as executor:
        found = executor.answers(list(runs.values())) if runs else []
    for number, answer in zip(runs, found, strict=True):
        answers[number] = answer
    return answers


def _verdicts(
    index: SceneIndex, question: Question, answer: int | str | None, config: JudgeConfig
) -> Iterator[Verdict]:
    if not question.program and question.wording is Wording.WRITTEN:
        yield from _unproved(question)
        return
    if isinstance(answer, str):
        for name in ("second_executor", "certificates", "text_rules"):
            yield _verdict(question, name, answer)
        return
    yield _verdict(question, "second_executor", _answer_fault(question, answer))
    found = certify(index, Program.from_json(question.program), bounds_for(question, config))
    yield _verdict(question, "certificates", _certificate_fault(index, question, found))
    told = [] if isinstance(found, Rejected) else list(_told_otherwise(index, question, found))
    yield _verdict(question, "text_rules", "; ".join([*give_aways(question), *bad_text(question.question), *told]))


def _unproved(question: Question) -> Iterator[Verdict]:
    """Without a program code can read the words and vouches for nothing."""
    yield _verdict(question, "text_rules", "; ".join([*spelled_answer(question), *bad_text(question.question)]))
    for name in ("second_executor", "certificates"):
        silent = _verdict(question, name, "no program was recovered from the words")
        yield silent.model_copy(update={"outcome": Outcome.NO_VERDICT})


def _verdict(question: Question, name: str, fault: str) -> Verdict:
    return Verdict(
        question_id=question.question_id,
        image_id=question.image_id,
        judge=name,
        outcome=Outcome.FAIL if fault else Outcome.PASS,
        reason=fault,
    )


def _answer_fault(question: Question, answer: int | None) -> str:
    if answer == question.answer:
        return ""
    return f"the second executor gives {'no answer' if answer is None else answer}, stored is {question.answer}"


def _told_otherwise(index: SceneIndex, question: Question, found: Certified) -> Iterator[str]:
    """Yields what is not said as the program is told: the text that ships is the text that was made of the program."""
    try:
        telling = tell(index, found, random.Random(f"{question.seed}:phrase:{question.question_id}"))
    except ValueError as error:
        yield f"the program has no wording: {error}"
        return
    if question.wording is not Wording.TEMPLATE:
        yield from _meant_otherwise(index, question, found, telling)
    elif telling.question != question.question:
        yield "the question is not what is told of the program"
    if telling.trace != question.trace:
        yield "the trace is not what is told of the program"
    if [hop.text for hop in telling.hops] != [hop.text for hop in question.hops]:
        yield "the text of a hop is not what is told of the program"


def _meant_otherwise(index: SceneIndex, question: Question, found: Certified, telling: Telling) -> Iterator[str]:
    """Yields what a text in other words does not say of the program: it has to be read back, by words alone."""
    lexicon = lexicon_of(index.scene)
    read = read_question(question.question, lexicon)
    if isinstance(read, Program):
        if not says_the_same(read, found.program):
            yield f"the words are read as another program: {read.to_json()}"
    elif not says_as_much(question.question, telling.question, lexicon):
        yield "the words do not say the steps of the program in their order"


def _certificate_fault(index: SceneIndex, question: Question, found: Certified | Rejected) -> str:
    if isinstance(found, Rejected):
        return f"{found.reason}: {found.detail}"
    return "; ".join(differences(question, found, index))


def differences(question: Question, found: Certified, index: SceneIndex) -> Iterator[str]:
    """Yields every stored fact that differs from what certification finds now."""
    evidence = [evidence_of(found, hop.step, index) for hop in found.hops]
    pairs = {
        "program": (question.program, found.program.to_json()),
        "question_id": (question.question_id, _id_of(question)),
        "answer": (question.answer, found.answer),
        "hop_count": (question.hop_count, len(found.hops)),
        "margin": (question.margin, found.margin),
        "luck": (question.luck, found.luck),
        "strict": (question.strict, found.luck == 0.0),
        "hop steps": ([hop.step for hop in question.hops], [hop.step for hop in found.hops]),
        "hop kinds": ([hop.kind for hop in question.hops], [hop.kind for hop in found.hops]),
        "hop lucks": ([hop.luck for hop in question.hops], [hop.luck for hop in found.hops]),
        "hop values": (
            [hop.value for hop in question.hops],
            [_value_text(found, hop.step, index) for hop in found.hops],
        ),
        "hop candidates": ([hop.candidates for hop in question.hops], [hop.candidates for hop in found.hops]),
        "hop instances": ([hop.instance_ids for hop in question.hops], [ids for ids, _ in evidence]),
        "hop boxes": ([hop.boxes_xyxy for hop in question.hops], [boxes for _, boxes in evidence]),
    }
    for name, (stored, now) in pairs.items():
        if stored != now:
            yield f"{name} is stored as {stored}, found {now}"


def _id_of(question: Question) -> str:
    if question.wording is Wording.WRITTEN:
        return written_id_of(question.image_id, question.question)
    return question_id_of(question.image_id, question.program)


def _value_text(found: Certified, number: int, index: SceneIndex) -> str:
    value = found.values[number]
    is_one = operator_of(found.program.steps[number].operator).output is ValueType.ONE
    return index.instances[int(value or 0)].instance_id if is_one else str(value)


def evidence_of(
    found: Certified, number: int, index: SceneIndex
) -> tuple[tuple[str, ...], tuple[tuple[float, float, float, float], ...]]:
    """Returns the ids and boxes a hop lands on: the referent, the counted set, or what a number was seen on."""
    step, operator = found.program.steps[number], operator_of(found.program.steps[number].operator)
    of_set = operator.output is not ValueType.ONE and operator.inputs[0] is ValueType.SET
    value = found.values[number if operator.output is ValueType.ONE else step.inputs[0]] or 0
    members = [index.instances[i] for i in (index.members(value) if of_set else [value])]
    return tuple(member.instance_id for member in members), tuple(member.box_xyxy for member in members)
