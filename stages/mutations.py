"""The ways a reader could go wrong at a hop, each as a small edit of the program.

An edit replaces the value of one step by that of a few new steps over earlier ones. The certifier evaluates edits
with the fast executor; `spliced` writes the whole mutated program, which the second executor runs. Kinds:

- ``delete``: the hop is skipped (attention stays where it was), or a relation is dropped from the set;
- ``flip``: the predicate is replaced by its opposite, or a choice takes its other branch;
- ``rival``: the runner-up is taken for the referent;
- ``unselect``: the selection is dropped: is there only one thing it could have been?
- ``stray``: a wrong member of the described set is taken (the population that luck is measured on).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from schemas.program import Program, Step, canonical
from stages.execute import apply_step, operator_of
from stages.hops import described_set_of, source_of
from stages.operators.operator import Role, Value, ValueType
from stages.scene_index import SceneIndex


class Mutation(NamedTuple):
    """One edit of a program."""

    hop: int
    """Step number of the hop it belongs to."""
    kind: str
    step: int
    """The step whose value is replaced."""
    replacement: tuple[Step, ...]
    """New steps; an input ``i`` below ``step`` is that step of the program, ``step + j`` is the j-th new step."""


def mutations_of(program: Program, hop: int, index: SceneIndex, values: Sequence[Value | None]) -> list[Mutation]:
    """Returns every mutation of one hop but strays: of its own step and of the relations its set comes through."""
    step = program.steps[hop]
    operator = operator_of(step.operator)
    found = [] if operator.output is not ValueType.ONE else _of_selection(program, hop, index, values)
    if operator.role is Role.PERCEIVE:
        found += _flip_of(program, hop, hop)
    position = step.inputs[-1]
    while operator_of(program.steps[position].operator).role is Role.RELATE:
        found += _of_relation(program, hop, position)
        position = program.steps[position].inputs[-1]
    return found


def choice_mutations(program: Program, executed: Sequence[int]) -> list[Mutation]:
    """Returns, for each executed choice, the edit that takes the other branch."""
    found = []
    for number in executed:
        step = program.steps[number]
        if step.operator in ("choose", "choose_number"):
            truth, yes, no = step.inputs
            found.append(Mutation(number, "flip", number, (Step(step.operator, (truth, no, yes)),)))
    return found


def _of_selection(program: Program, hop: int, index: SceneIndex, values: Sequence[Value | None]) -> list[Mutation]:
    step = program.steps[hop]
    found: list[Mutation] = []
    source = source_of(program, hop)
    if source is not None:
        found.append(Mutation(hop, "delete", hop, (program.steps[source],)))
    if step.operator != "only":
        found += _flip_of(program, hop, hop)
        found.append(Mutation(hop, "rival", hop, _without(program, hop, _id_of(index, values[hop]), step)))
        found.append(Mutation(hop, "unselect", hop, _unselected(program, hop)))
    return found


def _id_of(index: SceneIndex, position: Value | None) -> str:
    if position is None:
        raise ValueError("a hop of an executed program lands on an instance")
    return index.instances[position].instance_id


def _without(program: Program, hop: int, instance_id: str, step: Step) -> tuple[Step, ...]:
    """The same selection from the set without one instance: the runner-up."""
    bits = step.inputs[-1]
    return (
        Step("instance", (), (instance_id,)),
        Step("set_of", (hop,)),
        Step("except", (bits, hop + 1)),
        Step(step.operator, (*step.inputs[:-1], hop + 2), step.params),
    )


def _unselected(program: Program, hop: int) -> tuple[Step, ...]:
    """The one member there is, if there is one; nearest and farthest never mean the instance they start from."""
    step = program.steps[hop]
    if len(step.inputs) == 1:
        return (Step("only", step.inputs),)
    one, bits = step.inputs
    return (Step("set_of", (one,)), Step("except", (bits, hop)), Step("only", (hop + 1,)))


def stray_members(program: Program, hop: int, values: Sequence[Value | None]) -> int:
    """Returns the wrong members of the described set that a hop chooses from; nothing for a hop that chooses none."""
    if operator_of(program.steps[hop].operator).output is not ValueType.ONE:
        return 0
    described, landing = values[described_set_of(program, hop)], values[hop]
    return 0 if described is None or landing is None else described & ~(1 << landing)


def strays_of(program: Program, hop: int, index: SceneIndex, values: Sequence[Value | None]) -> list[Mutation]:
    """Returns one mutation per wrong member: the hop goes there."""
    return [
        Mutation(hop, "stray", hop, (Step("instance", (), (index.instances[i].instance_id,)),))
        for i in index.members(stray_members(program, hop, values))
    ]


def _of_relation(program: Program, hop: int, position: int) -> list[Mutation]:
    step = program.steps[position]
    dropped = Mutation(hop, "delete", position, (program.steps[step.inputs[-1]],))
    return [dropped, *_flip_of(program, hop, position)]


def _flip_of(program: Program, hop: int, position: int) -> list[Mutation]:
    step = program.steps[position]
    flipped = operator_of(step.operator).flip(step.params)
    return [] if flipped is None else [Mutation(hop, "flip", position, (Step(flipped[0], step.inputs, flipped[1]),))]


def spliced(program: Program, mutation: Mutation) -> Program:
    """Returns the whole mutated program, canonical."""
    at, extra = mutation.step, len(mutation.replacement)
    shift = extra - 1

    def moved(i: int) -> int:
        return i if i < at else i + shift

    steps = [*program.steps[:at], *mutation.replacement]
    steps += [Step(s.operator, tuple(moved(i) for i in s.inputs), s.params) for s in program.steps[at + 1 :]]
    return canonical(Program(steps=tuple(steps)))


class Downstream:
    """Re-executes what depends on a changed step, remembering every application it has seen."""

    def __init__(self, index: SceneIndex, program: Program, values: Sequence[Value | None]) -> None:
        """Remembers the dependants of each step."""
        self.index = index
        self.program = program
        self.values = list(values)
        self.dependants = _dependants(tuple([step.inputs for step in program.steps]))
        self.seen: dict[tuple[Value | None, ...], Value | None] = {}

    def answer_of(self, mutation: Mutation) -> Value | None:
        """Returns the answer of the mutated program, None where it is undefined."""
        at = mutation.step
        local = self.values[:at]
        for step in mutation.replacement:
            local.append(apply_step(self.index, step, local))
        return self.answer_if(at, local[-1])

    def answer_if(self, number: int, value: Value | None) -> Value | None:
        """Returns the answer if one step had another value."""
        if number == len(self.values) - 1:
            return value
        if value == self.values[number]:
            return self.values[-1]
        steps, seen, index = self.program.steps, self.seen, self.index
        changed = self.values.copy()
        changed[number] = value
        for later in self.dependants[number]:
            step = steps[later]
            key = (later, *[changed[i] for i in step.inputs])
            if key not in seen:
                seen[key] = apply_step(index, step, changed)
            changed[later] = seen[key]
        return changed[-1]


@lru_cache(maxsize=2_000)
def _dependants(inputs: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Returns per step the later steps that depend on it, ascending."""
    reached: list[set[int]] = [set() for _ in inputs]
    for number in range(len(inputs) - 1, -1, -1):
        for i in inputs[number]:
            reached[i] |= reached[number] | {number}
    return tuple(tuple(sorted(later)) for later in reached)
