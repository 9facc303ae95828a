"""What an operator is: a typed function over a scene, with its SQL twin, its margin and its words."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from schemas.program import Param, Step
from stages.scene_index import SceneIndex

Value = int | bool
"""A set of instances (bits), one instance (position), a number or a truth, by the operator's type."""


class ValueType(StrEnum):
    """Types of program values."""

    SET = "set"
    ONE = "one"
    NUMBER = "number"
    TRUTH = "truth"


class Role(StrEnum):
    """What an operator does to attention; hops are defined on roles (see `stages.hops`)."""

    DESCRIBE = "describe"
    """A set settled by words and looks alone."""
    RELATE = "relate"
    """A set narrowed by where its members are, seen from one instance or two."""
    SELECT = "select"
    """One instance out of a set."""
    PERCEIVE = "perceive"
    """A number or truth read off the picture."""
    REASON = "reason"
    """Arithmetic and logic on what was perceived."""


Run = Callable[[SceneIndex, tuple[Value, ...], tuple[Param, ...]], Value | None]
"""(index, defined inputs, params) -> value, or None where the result is undefined."""
MarginOf = Callable[[SceneIndex, tuple[Value, ...], tuple[Param, ...], Value], float]
"""(index, inputs, params, output) -> distance from the decision line in cut-offs."""
Flip = Callable[[tuple[Param, ...]], tuple[str, tuple[Param, ...]] | None]
"""params -> operator name and params of the opposite predicate, or None where there is no opposite."""


def certain(index: SceneIndex, inputs: tuple[Value, ...], params: tuple[Param, ...], output: Value) -> float:
    """Returns infinity: no perceptual fact is used."""
    return float("inf")


MAX_NUMBER = 10**9
"""Largest absolute value of a number: beyond it a result is undefined, so that products of two fit 64 bits in SQL."""


def bounded(number: int) -> int | None:
    """Returns the number, None beyond `MAX_NUMBER`."""
    return number if abs(number) <= MAX_NUMBER else None


def parsed(text: str | None) -> int | None:
    """Returns the number written in one to nine decimal digits, None for anything else."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 9 else None


def no_flip(params: tuple[Param, ...]) -> None:
    """Returns None: the predicate has no opposite."""
    return None


@dataclass(frozen=True)
class Example:
    """A program on the example scene of the tests, and what it yields: names of instances, a number or a truth."""

    steps: tuple[Step, ...]
    yields: tuple[str, ...] | str | int | bool


@dataclass(frozen=True)
class Operator:
    """One operator. `run` and `sql` are two independent definitions of the same function.

    `sql` is a SELECT over the table ``cur`` (node, image, a, b, c, p0, p1: the applications to evaluate, their input
    nodes defined), the value tables ``sets`` and ``ones`` (node, inst), ``numbers`` and ``truths`` (node, val), and the
    facts ``inst``, ``attr``, ``contact`` and ``img``. It returns (node, inst) for a set or one instance and (node, val)
    else; where the result is undefined it returns no row.
    """

    name: str
    inputs: tuple[ValueType, ...]
    output: ValueType
    role: Role
    run: Run
    sql: str
    example: Example
    phrases: tuple[str, ...]
    """Templates of the operator's words; slots in braces are filled by `stages.phrasing`."""
    params: tuple[str, ...] = ()
    margin: MarginOf = certain
    fact: str = "none"
    """The perceptual fact its margin measures."""
    flip: Flip = no_flip
