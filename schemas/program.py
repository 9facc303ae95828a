"""A program: a typed DAG of operators whose execution yields the answer."""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from schemas.record import Record

SCHEMA_VERSION = 1

Param = str | int
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Step(NamedTuple):
    """One operator application."""

    operator: str
    inputs: tuple[int, ...] = ()
    """Indices of earlier steps, in the operator's argument order."""
    params: tuple[Param, ...] = ()


class Program(Record):
    """Steps in execution order; the last one is the answer and every other one is needed by it."""

    steps: tuple[Step, ...]

    def to_json(self) -> str:
        """Returns the canonical JSON text: ``[[operator, [inputs], [params]], ...]``."""
        return f"[{','.join([_step_json(step) for step in self.steps])}]"

    @classmethod
    def from_json(cls, text: str) -> "Program":
        """Returns the program of a JSON text; raises ValueError where it has another form."""
        try:
            rows = json.loads(text)
        except RecursionError:
            raise ValueError("a program is not that deep") from None
        if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
            raise ValueError("a program is a JSON list of [operator, [inputs], [params]]; inputs are step numbers")
        return cls(steps=tuple(Step(name, tuple(inputs), tuple(params)) for name, inputs, params in rows))


@lru_cache(maxsize=10_000)
def _step_json(step: Step) -> str:
    """Steps recur from program to program. True and 1.0 are no inputs or params: they would be one step with 1."""
    return _ENCODER.encode(step)


def _is_row(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 3 or not isinstance(row[1], list) or not isinstance(row[2], list):
        return False
    return all(type(one) is int for one in row[1]) and all(type(one) in (int, str) for one in row[2])


def canonical(program: Program) -> Program:
    """Returns the same program with dead steps removed, equal steps merged and a fixed order."""
    return canonical_program(program.steps)


def canonical_program(steps: Sequence[Step]) -> Program:
    """Returns the canonical program of well-formed steps, which are not checked again.

    Order is depth first from the answer, inputs left to right, so two programs with the same meaning step by step
    become the same text.
    """
    kept: list[Step] = []
    index_of: dict[Step, int] = {}
    moved: list[int] = [-1] * len(steps)

    def visit(index: int) -> int:
        found = moved[index]
        if found >= 0:
            return found
        operator, inputs, params = steps[index]
        visited = tuple([visit(i) for i in inputs])
        renamed = steps[index] if visited == inputs else Step(operator, visited, params)
        place = index_of.get(renamed, -1)
        if place < 0:
            place = index_of[renamed] = len(kept)
            kept.append(renamed)
        moved[index] = place
        return place

    visit(len(steps) - 1)
    return Program.model_construct(steps=tuple(kept))


def written_id_of(image_id: str, text: str) -> str:
    """Returns the id of a written question: a hash of the image id and the words, so that neither can change."""
    return hashlib.sha256(f"{image_id}\nwritten\n{text}".encode()).hexdigest()[:32]


def question_id_of(image_id: str, program_json: str) -> str:
    """Returns the id of a program question: a hash of the image id and the canonical program's JSON."""
    return hashlib.sha256(f"{image_id}\n{program_json}".encode()).hexdigest()[:32]
