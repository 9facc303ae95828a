"""What the steps of a trace claim, and the first claim that executing the question's program refutes.

A step claims a value (an instance id or a number), the instances it is about and their boxes. It is right where value
and instances are what the program yields at that step, and every box meets the instance's own with IoU 0.5 or more.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.program import Program
from schemas.question import TraceStep
from stages.execute import execute, operator_of
from stages.operators.operator import Value, ValueType
from stages.scene_index import SceneIndex

Box = tuple[float, float, float, float]
MIN_IOU = 0.5
"""Acc@50IoU: a box that overlaps less is another place (MultihopSpatial)."""
_OF_THE_SET = frozenset({"count", "exists"})
_OF_THE_ONE = frozenset({"read", "measure", "rank"})


class Claim(NamedTuple):
    """What one step says."""

    value: str
    instance_ids: tuple[str, ...]
    boxes_xyxy: tuple[Box, ...]
    """Pixels, half-open, in the order of the ids."""


def truth_of(index: SceneIndex, program: Program, traced: Sequence[int]) -> tuple[Claim, ...]:
    """Returns what each traced step of the program yields, executed from scratch, and the answer as a last claim.

    Raises:
        ValueError: a traced step or the answer is undefined.
    """
    values = execute(index, program)
    claims = [_claim(index, program, values, number) for number in traced]
    return (*claims, Claim(str(_defined(values, len(values) - 1)), *(claims[-1][1:] if claims else ((), ()))))


def first_wrong_step(trace: Sequence[TraceStep], truth: Sequence[Claim]) -> int | None:
    """Returns the position of the first step that claims something else than the truth, None where all are right.

    A trace that ends too early or goes on too long is wrong at the first position that only one of both has.
    """
    for position, (step, claim) in enumerate(zip(trace, truth, strict=False)):
        if not is_right(step, claim):
            return position
    return None if len(trace) == len(truth) else min(len(trace), len(truth))


def is_right(step: TraceStep, claim: Claim) -> bool:
    """Whether a step claims the truth."""
    if step.value != claim.value or step.instance_ids != claim.instance_ids:
        return False
    boxes = zip(step.boxes_xyxy, claim.boxes_xyxy, strict=False)
    return len(step.boxes_xyxy) == len(claim.boxes_xyxy) and all(box_iou(a, b) >= MIN_IOU for a, b in boxes)


def box_iou(a: Box, b: Box) -> float:
    """Returns intersection over union of two half-open boxes, 0 where either has no area."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def _claim(index: SceneIndex, program: Program, values: Sequence[Value | None], number: int) -> Claim:
    step, value = program.steps[number], _defined(values, number)
    if operator_of(step.operator).output is ValueType.ONE:
        members: Sequence[int] = [value]
    elif step.operator in _OF_THE_SET:
        members = index.members(_defined(values, step.inputs[0]))
    elif step.operator in _OF_THE_ONE:
        members = [_defined(values, step.inputs[0])]
    else:
        members = []
    found = [index.instances[i] for i in members]
    is_one = operator_of(step.operator).output is ValueType.ONE
    text = index.instances[value].instance_id if is_one else str(value)
    return Claim(text, tuple(i.instance_id for i in found), tuple(i.box_xyxy for i in found))


def _defined(values: Sequence[Value | None], number: int) -> Value:
    value = values[number]
    if value is None:
        raise ValueError(f"step {number} is undefined")
    return value
