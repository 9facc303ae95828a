"""Gold traces gone wrong at a known step, each proved by execution: wrong there, right before.

In: a scene index and a question as stored. Out: per kind of flaw one corrupted trace. Up to its first wrong step it is
the gold trace word for word; what it claims there is not what the question's program yields; after it, it goes on from
its own mistake. A candidate that is not provably so is not used; a kind without any is missing.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.program import Program
from schemas.question import Question, TraceStep
from stages.certify import Certified, HopProof
from stages.execute import execute, executed_steps
from stages.hops import hop_kinds
from stages.operators.operator import Value
from stages.phrasing.telling import Evidence, Telling, tell
from stages.scene_index import SceneIndex
from stages.traces.claims import MIN_IOU, Box, Claim, box_iou, first_wrong_step, truth_of
from stages.traces.flaws import Attempt, Flaw, attempts
from stages.traces.wording import response_text

VERSION = 1
_MOST_ATTEMPTS = 12
"""Candidates of one kind that are looked at."""
_MOST_ANSWER = 99


class Gold(NamedTuple):
    """A question's trace, told again, with what its steps are."""

    program: Program
    telling: Telling
    truth: tuple[Claim, ...]


class Corruption(NamedTuple):
    """One corrupted trace."""

    flaw: Flaw
    step: int
    """Position of the first wrong step, from 0."""
    trace: tuple[TraceStep, ...]
    follows: str
    """JSON of a program that yields what the trace claims from the wrong step on; empty where no program does."""

    @property
    def answer(self) -> str:
        """What it comes to."""
        return self.trace[-1].value


def retell(index: SceneIndex, question: Question) -> Gold | None:
    """Returns the gold trace, told again from program and seed; None where the program does not give the answer here.

    It is the stored trace word for word where the wording has not changed since; either way every step is executed.
    """
    program = Program.from_json(question.program)
    values = execute(index, program)
    if values[-1] != question.answer:
        return None
    telling = _tell(index, program, values, question)
    return Gold(program, telling, truth_of(index, program, telling.traced))


def corruptions(
    index: SceneIndex, question: Question, gold: Gold, length_ratio: tuple[float, float]
) -> dict[Flaw, Corruption]:
    """Returns one corrupted trace per kind of flaw that can be proved on this question.

    ``length_ratio`` bounds the characters of the corrupted response over those of the gold one, both included.
    """
    if first_wrong_step(gold.telling.trace, gold.truth) is not None:
        raise ValueError(f"question {question.question_id}: its own trace is wrong")
    found: dict[Flaw, Corruption] = {}
    low, high = (bound * len(response_text(gold.telling.trace)) for bound in length_ratio)
    for flaw in Flaw:
        rng = random.Random(f"{question.seed}:corrupt:{question.question_id}:{flaw}")
        candidates = _shifted(index, gold, rng) if flaw is Flaw.SHIFTED_BOX else _told(index, question, gold, flaw)
        for candidate in candidates[:_MOST_ATTEMPTS]:
            if low <= len(response_text(candidate.trace)) <= high:
                found[flaw] = candidate
                break
    return found


def proved_step(trace: Sequence[TraceStep], gold: Gold) -> int | None:
    """Returns the position at which a trace is proved wrong; None where it is not, or differs from gold before."""
    wrong = first_wrong_step(trace, gold.truth)
    if wrong is None or tuple(trace[:wrong]) != gold.telling.trace[:wrong]:
        return None
    return wrong


def _told(index: SceneIndex, question: Question, gold: Gold, flaw: Flaw) -> list[Corruption]:
    rng = random.Random(f"{question.seed}:corrupt:{question.question_id}:{flaw}")
    found: list[Corruption] = []
    for attempt in attempts(index, gold.program, flaw, rng):
        trace = _trace_of(index, question, attempt)
        step = None if trace is None else proved_step(trace, gold)
        if trace is None or step is None or step == len(trace) - 1:
            continue
        if (trace[-1].value == str(question.answer)) is (flaw is Flaw.LUCKY_PATH):
            follows = "" if attempt.follows is None else attempt.follows.to_json()
            found.append(Corruption(flaw, step, trace, follows))
        if len(found) == _MOST_ATTEMPTS:
            break
    return found


def _trace_of(index: SceneIndex, question: Question, attempt: Attempt) -> tuple[TraceStep, ...] | None:
    """The trace of somebody who makes that mistake; None where there is no such trace."""
    answer = attempt.values[-1]
    if answer is None or not 0 <= answer <= _MOST_ANSWER:
        return None
    try:
        return _tell(index, attempt.program, attempt.values, question, attempt.evidence).trace
    except ValueError:  # no plain wording, or a step on the way is undefined
        return None


def _tell(
    index: SceneIndex,
    program: Program,
    values: Sequence[Value | None],
    question: Question,
    evidence: Mapping[int, Evidence] | None = None,
) -> Telling:
    """Tells a program with the words that the question's own text was drawn with."""
    executed = executed_steps(program, values)
    proofs = tuple(HopProof(step, kind, 0.0, 0) for step, kind in hop_kinds(program, executed).items())
    certified = Certified(program, tuple(values), tuple(executed), proofs, values[-1] or 0, 1.0, "", 0.0, 0)
    return tell(index, certified, random.Random(f"{question.seed}:phrase:{question.question_id}"), evidence)


def _shifted(index: SceneIndex, gold: Gold, rng: random.Random) -> list[Corruption]:
    """The gold trace with the box of one instance moved aside, in the evidence and in the words."""
    found = []
    told = gold.telling.trace
    for position, step in enumerate(told[:-1]):
        if len(step.boxes_xyxy) != 1 or len(step.instance_ids) != 1 or step.value != step.instance_ids[0]:
            continue
        moved = _moved(step.boxes_xyxy[0], index, rng)
        centre = index.instances[index.position_of[step.value]].centroid_xy
        if moved is None:
            continue
        shift = (moved[0] - step.boxes_xyxy[0][0], moved[1] - step.boxes_xyxy[0][1])
        said = f"({centre[0]:.0f}, {centre[1]:.0f})"
        content = step.content.replace(said, f"({centre[0] + shift[0]:.0f}, {centre[1] + shift[1]:.0f})")
        wrong = step.model_copy(update={"boxes_xyxy": (moved,), "content": content})
        trace = (*told[:position], wrong, *told[position + 1 :])
        found.append(Corruption(Flaw.SHIFTED_BOX, position, trace, ""))
    rng.shuffle(found)
    return found


def _moved(box: Box, index: SceneIndex, rng: random.Random) -> Box | None:
    """The box moved by 0.6 to 1.2 of its side, inside the picture, with an IoU below one half; None without room."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    ways = []
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        share = rng.uniform(0.6, 1.2)
        a, b = round(x0 + dx * share * width), round(y0 + dy * share * height)
        moved = (float(a), float(b), float(a + width), float(b + height))
        inside = moved[0] >= 0 and moved[1] >= 0 and moved[2] <= index.width and moved[3] <= index.height
        if inside and box_iou(moved, box) < MIN_IOU:
            ways.append(moved)
    return rng.choice(ways) if ways else None
