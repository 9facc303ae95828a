"""What a hop is, defined once, on the program.

A hop is an operator application that moves attention:
- a `select` operator (nearest, extreme, ...) that finds one instance by looking at others. It is an `instance_chain`
  hop where the set it chooses from, or the operator itself, depends on an earlier instance; else a `perception` hop
  (from many to one). `only` on a purely described set ("the green cup") names an instance without looking at others:
  no hop.
- a `perceive` operator (count, read, rank, ...): a `perception` hop, between one and many, or a number read off.

Reasoning steps (add, compare, choose) are not hops. Only executed steps count: of a choice, the branch it takes.
"""

from collections.abc import Sequence
from functools import lru_cache

from schemas.program import Program
from schemas.question import HopKind
from stages.execute import operator_of
from stages.operators.operator import Role, ValueType


def hop_kinds(program: Program, executed: Sequence[int]) -> dict[int, HopKind]:
    """Returns the hops among the executed steps, by step number, with their kinds."""
    found: dict[int, HopKind] = {}
    anchored = _anchored(tuple([(step.operator, step.inputs) for step in program.steps]))
    for number in executed:
        step = program.steps[number]
        role = operator_of(step.operator).role
        if role is Role.PERCEIVE:
            found[number] = HopKind.PERCEPTION
        elif role is Role.SELECT:
            if any(anchored[i] for i in step.inputs):
                found[number] = HopKind.INSTANCE_CHAIN
            elif step.operator != "only":
                found[number] = HopKind.PERCEPTION
    return found


@lru_cache(maxsize=2_000)
def _anchored(skeleton: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[bool, ...]:
    """Returns per step whether its value depends on one instance."""
    anchored: list[bool] = []
    for operator, inputs in skeleton:
        is_one = operator_of(operator).output is ValueType.ONE
        anchored.append(is_one or any([anchored[i] for i in inputs]))
    return tuple(anchored)


def described_set_of(program: Program, number: int) -> int:
    """Returns the step of the described set that a select step chooses from, walking past relations to instances."""
    step = program.steps[number]
    position = step.inputs[-1]
    while operator_of(program.steps[position].operator).role is Role.RELATE:
        position = program.steps[position].inputs[-1]
    return position


def source_of(program: Program, number: int) -> int | None:
    """Returns the step of the instance that a chain hop starts from; None where the hop starts from no instance."""
    operators = [operator_of(step.operator) for step in program.steps]
    position = number
    while True:
        step = program.steps[position]
        for i in step.inputs:
            if operators[i].output is ValueType.ONE:
                return i
        if not step.inputs or operators[step.inputs[-1]].output is not ValueType.SET:
            return None
        position = step.inputs[-1]
