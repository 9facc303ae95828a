"""Programs as trees, and when two programs say the same."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.program import Param, Program, Step, canonical


class Expression(NamedTuple):
    """An operator applied to expressions: a program without step numbers, so that parts can be put together freely."""

    operator: str
    inputs: "tuple[Expression, ...]" = ()
    params: tuple[Param, ...] = ()


SCENE = Expression("scene")


def to_program(tree: Expression) -> Program:
    """Returns the canonical program of a tree; equal subtrees become one step."""
    steps: list[Step] = []
    numbers: dict[Expression, int] = {}

    def visit(node: Expression) -> int:
        if node not in numbers:
            inputs = tuple([visit(part) for part in node.inputs])
            steps.append(Step(node.operator, inputs, node.params))
            numbers[node] = len(steps) - 1
        return numbers[node]

    visit(tree)
    return canonical(Program(steps=tuple(steps)))


def to_tree(program: Program) -> Expression:
    """Returns the tree of a well-formed program."""
    nodes: list[Expression] = []
    for step in program.steps:
        nodes.append(Expression(step.operator, tuple([nodes[i] for i in step.inputs]), step.params))
    return nodes[-1]


def normal_form(program: Program) -> str:
    """Returns a text that is equal for programs of equal meaning: adjectives and unions in a fixed order.

    Commuting adjectives ("red metal", "metal red") and the parts of a union are all that the operators let commute
    inside a description; sums keep their order, which costs a retelling and never lets another meaning pass.
    """
    return to_program(_sorted(to_tree(program))).to_json()


def says_the_same(first: Program, second: Program) -> bool:
    """Returns whether two well-formed programs have the same meaning, step by step."""
    return normal_form(first) == normal_form(second)


def _sorted(node: Expression) -> Expression:
    if node.operator == "attribute":
        pairs: list[tuple[Param, ...]] = []
        inner = node
        while inner.operator == "attribute":
            pairs.append(inner.params)
            inner = inner.inputs[0]
        found = _sorted(inner)
        for pair in sorted(set(pairs), key=repr):
            found = Expression("attribute", (found,), pair)
        return found
    if node.operator == "union":
        return joined(sorted({_sorted(part) for part in _parts(node)}, key=repr))
    return node._replace(inputs=tuple([_sorted(part) for part in node.inputs]))


def joined(parts: Sequence[Expression]) -> Expression:
    """Returns the union of sets, built from the left; the set itself where there is one."""
    found = parts[0]
    for part in parts[1:]:
        found = Expression("union", (found, part))
    return found


def _parts(node: Expression) -> list[Expression]:
    return [node] if node.operator != "union" else [part for side in node.inputs for part in _parts(side)]
