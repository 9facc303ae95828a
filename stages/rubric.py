"""Rubric: a model judges questions on the domain's axes, and planted defects judge the judge.

In: questions, the canaries of their batch, and replies. Out: one verdict per question and axis, one calibration row per
known case. A judge is believed where the planted defects of the run, all together, rule out that it misses too many:
one that passes everything passes nothing. A batch whose own are clearly worse has no verdicts. Unsure, unreadable and
contradictory answers are no verdict.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from schemas.calibration import Calibration
from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.question import Question
from schemas.record import Record
from schemas.verdict import Outcome, Verdict
from stages.asking import Wanted, make_request, whole
from stages.domains import Domain
from stages.intervals import wilson
from stages.parsing.reply import Fault, Reply, Unreadable, read_reply

VERSION = 3
CLEAN = "clean"

Boxes = tuple[tuple[float, float, float, float], ...]


class RubricConfig(Record):
    """How questions are judged by a model."""

    enabled: bool = False
    batch: int = Field(default=20, ge=1, le=200)
    """Questions judged together with canaries of their own."""
    canaries: int = Field(default=60, ge=0, le=1_000)
    """Least planted defects of a run, where its questions allow so many; a batch has one of each kind in any case."""
    max_missed: float = Field(default=0.3, ge=0, le=1)
    """Share of planted defects that a judge may miss: that it misses more has to be ruled out with 95% confidence."""
    allow_same_family: bool = False
    """Whether a judge of the generator's own family is allowed: it forgives its kin."""
    max_tokens: int = Field(default=1_200, ge=64)


class FaultKind(StrEnum):
    """What a judge finds wrong."""

    NONE = "none"
    WRONG_ANSWER = "wrong_answer"
    AMBIGUOUS = "ambiguous"
    DEAD_HOP = "dead_hop"
    GIVE_AWAY = "give_away"
    WRONG_BOX = "wrong_box"
    OTHER = "other"


class Said(StrEnum):
    """A judge's word on one axis."""

    PASS = "pass"
    FAIL = "fail"
    UNSURE = "unsure"


class AxisReply(Reply):
    """One axis."""

    axis: str = Field(min_length=1, max_length=40)
    verdict: Said
    fault: FaultKind
    score: int = Field(ge=1, le=100)
    reason: str = Field(max_length=1_000)


class JudgeReply(Reply):
    """The judge's answer."""

    case: str = Field(min_length=1, max_length=20)
    own_answer: int | None = Field(ge=-1_000_000, le=1_000_000)
    axes: tuple[AxisReply, ...] = Field(min_length=1, max_length=12)


class Case(NamedTuple):
    """One question before the judge, real or planted. The judge cannot tell them apart."""

    case_id: str
    question_id: str
    image_id: str
    text: str
    answer: int
    hops: tuple[tuple[str, Boxes], ...]
    """Words and boxes of each hop."""
    kind: str = ""
    """The planted defect; empty for a question that is really judged."""


class Judgement(NamedTuple):
    """What a judge said of one case."""

    outcomes: Mapping[str, Outcome]
    """By axis."""
    scores: Mapping[str, int]
    reasons: Mapping[str, str]
    named: str
    """The first fault it named."""

    @property
    def overall(self) -> Outcome:
        """Fail where any axis failed, pass where all passed, else no verdict."""
        said = set(self.outcomes.values())
        if Outcome.FAIL in said:
            return Outcome.FAIL
        return Outcome.PASS if said == {Outcome.PASS} else Outcome.NO_VERDICT


def case_of(question: Question) -> Case:
    """Returns a question as it stands before the judge."""
    hops = tuple((hop.text, hop.boxes_xyxy) for hop in question.hops)
    return Case(
        case_name(question.question_id),
        question.question_id,
        question.image_id,
        question.question,
        question.answer,
        hops,
    )


def case_name(text: str) -> str:
    """Returns a short name that says nothing about what it names."""
    return f"c{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def ask_judge(case: Case, config: RubricConfig, domain: Domain) -> ModelRequest:
    """Returns the request for one case."""
    slots = {
        "case": case.case_id,
        "question": json.dumps(case.text, ensure_ascii=False),
        "answer": str(case.answer),
        "hops": "\n".join(_hop_line(number, hop) for number, hop in enumerate(case.hops, 1)) or "(none given)",
        "axes": "\n".join(f"- `{axis.name}`: {axis.rubric}" for axis in domain.axes),
    }
    wanted = Wanted("judge", "judge", ModelRole.JUDGE, case.question_id, JudgeReply)
    pictures = [whole(case.image_id)]
    return make_request(wanted, slots, pictures, Sampling(max_tokens=config.max_tokens), domain)


def _hop_line(number: int, hop: tuple[str, Boxes]) -> str:
    text, boxes = hop
    places = "; ".join(", ".join(f"{value:.0f}" for value in box) for box in boxes) or "no box"
    return f"{number}. {json.dumps(text, ensure_ascii=False)} lands on: {places}"


def read_judge(text: str, case: Case, domain: Domain) -> Judgement | Unreadable:
    """Returns what a reply says of a case, or why that is no verdict."""
    said = read_reply(text, JudgeReply)
    if isinstance(said, Unreadable):
        return said
    if said.case != case.case_id:
        return Unreadable(Fault.WRONG_CONTENT, f"it judges case {said.case!r}, asked was {case.case_id}")
    wanted = {axis.name: axis for axis in domain.axes}
    if sorted(axis.axis for axis in said.axes) != sorted(wanted):
        return Unreadable(Fault.WRONG_CONTENT, f"it judges {', '.join(axis.axis for axis in said.axes)}"[:200])
    fault = _contradiction(said, case)
    if fault:
        return Unreadable(Fault.CONTRADICTORY, fault)
    return Judgement(
        outcomes={axis.axis: _outcome(axis, wanted[axis.axis].least) for axis in said.axes},
        scores={axis.axis: axis.score for axis in said.axes},
        reasons={axis.axis: " ".join(axis.reason.split())[:300] for axis in said.axes},
        named=next((axis.fault.value for axis in said.axes if axis.fault is not FaultKind.NONE), FaultKind.NONE.value),
    )


def _outcome(axis: AxisReply, least: int) -> Outcome:
    if axis.verdict is Said.UNSURE:
        return Outcome.NO_VERDICT
    return Outcome.PASS if axis.verdict is Said.PASS and axis.score >= least else Outcome.FAIL


def _contradiction(said: JudgeReply, case: Case) -> str:
    """Says where an answer contradicts itself: such an answer is no verdict."""
    for axis in said.axes:
        if (axis.verdict is Said.FAIL) == (axis.fault is FaultKind.NONE) and axis.verdict is not Said.UNSURE:
            return f"on {axis.axis} it says {axis.verdict.value} and names the fault {axis.fault.value}"
    passed = all(axis.verdict is Said.PASS for axis in said.axes)
    if passed and said.own_answer != case.answer:
        return f"it passes the answer {case.answer}, and its own is {said.own_answer}"
    return ""


def calibrate(
    cases: Sequence[Case], said: Mapping[str, Judgement | Unreadable], model: str, batch: str
) -> tuple[Calibration, ...]:
    """Returns a row per known case of a batch: the planted ones, and proved ones given as ``kind`` "clean"."""
    rows = []
    for case in cases:
        judgement = said[case.case_id]
        silent = isinstance(judgement, Unreadable)
        outcome = Outcome.NO_VERDICT if isinstance(judgement, Unreadable) else judgement.overall
        rows.append(
            Calibration(
                case_id=case.case_id,
                image_id=case.image_id,
                question_id=case.question_id,
                model=model,
                batch=batch,
                kind=case.kind,
                outcome=outcome,
                caught=outcome is not Outcome.FAIL if case.kind == CLEAN else outcome is Outcome.FAIL,
                named="" if isinstance(judgement, Unreadable) else judgement.named,
                detail=judgement.text if silent and isinstance(judgement, Unreadable) else case.text,
            )
        )
    return tuple(rows)


def distrust(batch: Sequence[Calibration], run: Sequence[Calibration], config: RubricConfig) -> str:
    """Returns why a batch's judge is not believed; nothing where it is.

    Args:
        batch: the known cases of the batch: a judge that was fine elsewhere may have been exchanged since.
        run: those of all batches together: five cases tell a good judge from a bad one about as well as a coin.
        config: says how much may be missed.
    """
    here, everywhere = _planted(batch), _planted(run)
    if not here:
        return "no defect could be planted in this batch"
    missed = [row for row in everywhere if not row.caught]
    rate = wilson(len(missed), len(everywhere))
    if rate.high > config.max_missed:
        return (
            f"the judge missed {len(missed)} of {len(everywhere)} planted defects ({_kinds(missed)}): "
            f"up to {rate.high:.0%} of all, and {config.max_missed:.0%} are allowed"
        )
    missed = [row for row in here if not row.caught]
    if wilson(len(missed), len(here)).low > config.max_missed:
        return f"the judge missed {len(missed)} of {len(here)} planted defects of this batch ({_kinds(missed)})"
    return ""


def _planted(rows: Sequence[Calibration]) -> list[Calibration]:
    """Returns the planted cases, each once: asked again in another batch it says nothing new."""
    return list({row.case_id: row for row in rows if row.kind != CLEAN}.values())


def _kinds(rows: Sequence[Calibration]) -> str:
    return ", ".join(sorted({row.kind for row in rows})) or "none"


def verdicts_of(
    question: Question, judgement: Judgement | Unreadable, domain: Domain, by: tuple[str, str]
) -> tuple[Verdict, ...]:
    """Returns one verdict per axis.

    Args:
        question: what was judged.
        judgement: what the judge said.
        domain: the axes.
        by: name of the judge, and why its batch is not believed (empty where it is).
    """
    model, doubt = by
    rows = []
    for axis in domain.axes:
        score = None
        if isinstance(judgement, Unreadable):
            outcome, reason = Outcome.NO_VERDICT, judgement.text
        elif doubt:
            outcome, reason = Outcome.NO_VERDICT, doubt
        else:
            outcome, reason = judgement.outcomes[axis.name], judgement.reasons[axis.name]
            score = float(judgement.scores[axis.name])
        rows.append(
            Verdict(
                question_id=question.question_id,
                image_id=question.image_id,
                judge=f"rubric:{axis.name}",
                outcome=outcome,
                reason=reason,
                model=model,
                score=score,
                text_sha256=text_hash(question.question),
            )
        )
    return tuple(rows)


def text_hash(text: str) -> str:
    """Returns the hash by which a judged text is known."""
    return hashlib.sha256(text.encode()).hexdigest()


def family_of(model: str) -> str:
    """Returns the family that a model's name begins with: "qwen" of "Qwen/Qwen3-VL-235B-A22B"."""
    name = model.rstrip("/").rpartition("/")[2].lower()
    letters = "".join(mark if mark.isalpha() else " " for mark in name).split()
    return letters[0] if letters else name
