"""Trace: a model writes its way to an answer, one step per request; the answer is checked, the way is scored.

In: a question with a known answer, replies. Out: `Trace`s. Dropped: a path with a step that could not be read after the
retries, with no summary within the limit, with too few steps, or with a step that repeats an earlier one. Kept, with
its cause: a path that ends wrong or that the judge finds wrong. The best path of a question is the one with the highest
score among those that end right.
"""

import hashlib
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.instance import Instance
from schemas.model_request import ModelRequest, ModelRole, Part, Sampling
from schemas.question import Question
from schemas.record import Record
from schemas.rollout import Scored
from schemas.scene import Scene
from schemas.trace import Trace, TraceKind, WrittenStep
from stages.asking import Wanted, make_request, numbered, whole
from stages.domains import Domain
from stages.parsing.reply import Fault, Reply, Unreadable, clean_line, read_reply

VERSION = 1


class TraceConfig(Record):
    """How ways to an answer are written and chosen."""

    enabled: bool = False
    paths: int = Field(default=3, ge=1, le=16)
    """Independent paths per question."""
    min_steps: int = Field(default=2, ge=1)
    max_steps: int = Field(default=10, ge=2, le=32)
    retries: int = Field(default=2, ge=0, le=5)
    """Times that an unreadable step is asked for again."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_overlap: float = Field(default=0.9, gt=0, le=1)
    """A step that shares more of its words with an earlier one only repeats it."""
    min_best: int = Field(default=60, ge=1, le=100)
    """Least score of a path that is called good."""
    max_instances: int = Field(default=40, ge=1)
    """Instances listed for the model."""


class Next(StrEnum):
    """What follows a step."""

    CONTINUE = "continue"
    SUMMARY = "summary"


class StepReply(Reply):
    """One step."""

    title: str = Field(min_length=1, max_length=160)
    content: str = Field(min_length=1, max_length=2_000)
    evidence: tuple[int, ...] = Field(max_length=40)
    next_action: Next


class AnswerReply(Reply):
    """The number at the end."""

    answer: int | None = Field(ge=-1_000_000, le=1_000_000)


class ScoreReply(Reply):
    """The judge's grade."""

    first_bad_step: int | None = Field(ge=1, le=40)
    cause: str = Field(max_length=1_000)
    score: int = Field(ge=1, le=100)


class Path(NamedTuple):
    """A path while it is being written."""

    question: Question
    members: tuple[Instance, ...]
    """The instances the model was told of, in their order there."""
    number: int
    steps: tuple[WrittenStep, ...] = ()

    @property
    def is_finished(self) -> bool:
        """The last step asks for the summary."""
        return bool(self.steps) and self.steps[-1].next_action == Next.SUMMARY


class Graded(NamedTuple):
    """What the judge said of a path."""

    score: int
    first_bad_step: int | None
    cause: str


def start_path(question: Question, scene: Scene, number: int, config: TraceConfig) -> Path:
    """Returns an empty path."""
    largest = sorted(scene.instances, key=lambda one: (-one.area, one.instance_id))[: config.max_instances]
    used = {name for hop in question.hops for name in hop.instance_ids}
    members = {
        one.instance_id: one for one in (*largest, *scene.instances) if one in largest or one.instance_id in used
    }
    return Path(question, tuple(members[name] for name in sorted(members)), number)


def ask_step(path: Path, config: TraceConfig, domain: Domain) -> ModelRequest:
    """Returns the request for the next step of a path."""
    slots = {
        "things": numbered(path.members),
        "question": json.dumps(path.question.question, ensure_ascii=False),
        "steps": _told(path.steps) or "(none)",
        "number": str(len(path.steps) + 1),
        "most": str(config.max_steps),
    }
    wanted = Wanted("trace.step", "trace_step", ModelRole.GENERATOR, path.question.question_id, StepReply)
    sampling = Sampling(temperature=config.temperature, max_tokens=700)
    request = make_request(wanted, slots, _picture(path), sampling, domain)
    return request.model_copy(update={"draw": path.number})


def read_step(text: str, path: Path, retries: int, config: TraceConfig) -> WrittenStep | Unreadable:
    """Returns the next step of a path, or why a reply is none."""
    said = read_reply(text, StepReply)
    if isinstance(said, Unreadable):
        return said
    title, content = clean_line(said.title, 160), clean_line(said.content, 2_000)
    if title is None or content is None:
        return Unreadable(Fault.WRONG_CONTENT, "the step cannot be printed")
    if any(not 1 <= number <= len(path.members) for number in said.evidence):
        return Unreadable(Fault.WRONG_CONTENT, f"it names a thing that is not among the {len(path.members)} listed")
    if any(_overlap(content, step.content) > config.max_overlap for step in path.steps):
        return Unreadable(Fault.WRONG_CONTENT, "the step repeats an earlier one")
    if said.next_action is Next.SUMMARY and len(path.steps) + 1 < config.min_steps:
        return Unreadable(Fault.WRONG_CONTENT, f"it sums up after {len(path.steps) + 1} steps")
    evidence = [path.members[number - 1] for number in said.evidence]
    return WrittenStep(
        title=title,
        content=content,
        next_action=said.next_action.value,
        instance_ids=tuple(one.instance_id for one in evidence),
        boxes_xyxy=tuple(one.box_xyxy for one in evidence),
        retries=retries,
    )


def ask_answer(path: Path, domain: Domain) -> ModelRequest:
    """Returns the request for the number at the end. Who answers it sees the steps and no picture."""
    slots = {"question": json.dumps(path.question.question, ensure_ascii=False), "steps": _told(path.steps)}
    wanted = Wanted("trace.answer", "trace_answer", ModelRole.GENERATOR, path.question.question_id, AnswerReply)
    return make_request(wanted, slots, (), Sampling(max_tokens=200), domain)


def read_answer(text: str) -> AnswerReply | Unreadable:
    """Returns the number that the steps lead to, which may be none."""
    return read_reply(text, AnswerReply)


def ask_score(path: Path, answer: int | None, domain: Domain) -> ModelRequest:
    """Returns the request to grade a path."""
    slots = {
        "things": numbered(path.members),
        "question": json.dumps(path.question.question, ensure_ascii=False),
        "steps": _told(path.steps),
        "answer": "none" if answer is None else str(answer),
    }
    wanted = Wanted("trace.score", "trace_score", ModelRole.JUDGE, path.question.question_id, ScoreReply)
    return make_request(wanted, slots, _picture(path), Sampling(max_tokens=500), domain)


def read_score(text: str, path: Path) -> Graded | Unreadable:
    """Returns the grade of a path, or why a reply is none."""
    said = read_reply(text, ScoreReply)
    if isinstance(said, Unreadable):
        return said
    if said.first_bad_step is not None and said.first_bad_step > len(path.steps):
        return Unreadable(Fault.WRONG_CONTENT, f"it finds step {said.first_bad_step} wrong of {len(path.steps)}")
    return Graded(said.score, said.first_bad_step, " ".join(said.cause.split())[:300])


def finish_path(
    path: Path,
    answer: AnswerReply | Unreadable,
    graded: Graded | Unreadable,
    config: TraceConfig,
    by: tuple[str, str, str, str, int],
) -> Trace:
    """Returns a whole path with its outcome; which of the good ones is best is decided by `choose_best`.

    Args:
        path: the steps.
        answer: the number they lead to.
        graded: what the judge said.
        config: the bounds.
        by: generator, judge, prompt hash, config hash and seed.
    """
    number = None if isinstance(answer, Unreadable) else answer.answer
    outcome = Scored.UNSCORED
    if number is not None:
        outcome = Scored.CORRECT if number == path.question.answer else Scored.INCORRECT
    kind, cause = _kind_of(path, outcome, (answer, number), graded, config)
    return Trace(
        trace_id=trace_id_of(path.question.question_id, path.number),
        question_id=path.question.question_id,
        image_id=path.question.image_id,
        path=path.number,
        steps=path.steps,
        answer=number,
        outcome=outcome,
        score=None if isinstance(graded, Unreadable) else graded.score,
        first_bad_step=None if isinstance(graded, Unreadable) else graded.first_bad_step,
        kind=kind,
        cause=cause,
        model=by[0],
        judge_model=by[1],
        prompt_hash=by[2],
        config_hash=by[3],
        seed=by[4],
    )


def _kind_of(
    path: Path,
    outcome: Scored,
    said: tuple[AnswerReply | Unreadable, int | None],
    graded: Graded | Unreadable,
    config: TraceConfig,
) -> tuple[TraceKind, str]:
    answer, number = said
    if outcome is Scored.INCORRECT:
        told = "" if isinstance(graded, Unreadable) else graded.cause
        return (
            TraceKind.FLAWED,
            f"it ends in {number}, the answer is {path.question.answer}{': ' if told else ''}{told}",
        )
    if outcome is Scored.UNSCORED:
        return TraceKind.UNSCORED, answer.text if isinstance(answer, Unreadable) else "the steps lead to no number"
    if isinstance(graded, Unreadable):
        return TraceKind.UNSCORED, graded.text
    if graded.score < config.min_best or graded.first_bad_step is not None:
        place = "" if graded.first_bad_step is None else f"step {graded.first_bad_step}: "
        return TraceKind.FLAWED, f"{place}{graded.cause}" or f"scored {graded.score}"
    return TraceKind.GOOD, ""


def choose_best(traces: Sequence[Trace]) -> tuple[Trace, ...]:
    """Returns the traces of one question with its best one marked; the shorter, then the earlier one wins a tie."""
    good = [trace for trace in traces if trace.kind is TraceKind.GOOD]
    best = min(good, key=lambda trace: (-(trace.score or 0), len(trace.steps), trace.path), default=None)
    return tuple(trace.model_copy(update={"kind": TraceKind.BEST}) if trace is best else trace for trace in traces)


def broken_path(path: Path, fault: Unreadable) -> Drop:
    """Returns the drop of a path that came to no end."""
    reason = DropReason.NO_REPLY if fault.fault is Fault.ERROR else DropReason.BAD_TRACE
    detail = f"step {len(path.steps) + 1}: {fault.text}"
    return Drop(
        stage="trace",
        id=trace_id_of(path.question.question_id, path.number),
        parent_id=path.question.question_id,
        reason=reason,
        detail=detail,
    )


def trace_id_of(question_id: str, number: int) -> str:
    """Returns the id of a path."""
    return hashlib.sha256(f"{question_id}\ntrace\n{number}".encode()).hexdigest()[:32]


def _told(steps: Sequence[WrittenStep]) -> str:
    return "\n".join(f"{number}. {step.title}: {step.content}" for number, step in enumerate(steps, 1))


def _picture(path: Path) -> list[Part]:
    return [whole(path.question.image_id)]


def _overlap(text: str, other: str) -> float:
    """Returns the share of common words (Jaccard)."""
    one, two = set(text.lower().split()), set(other.lower().split())
    return len(one & two) / len(one | two) if one | two else 1.0
