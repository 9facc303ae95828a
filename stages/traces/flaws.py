"""The ways a trace can go wrong: each an edit of the program or of what one of its steps yields, then executed on.

An `Attempt` says what a reader who makes one mistake would hold true at every step. Whether it really is wrong, and
where first, is not decided here (`stages.traces.corrupt`).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from schemas.program import Program, Step
from stages.execute import apply_step, execute, executed_steps, operator_of
from stages.hops import hop_kinds
from stages.mutations import Mutation, choice_mutations, mutations_of, spliced, stray_members
from stages.operators.operator import Role, Value, ValueType
from stages.phrasing.telling import Evidence
from stages.scene_index import SceneIndex

_SIDES = frozenset({"left_of", "right_of", "above", "below", "in_front_of", "behind"})
_ENDS = frozenset({"leftmost", "rightmost", "highest", "lowest"})
_COUNTED = frozenset({"count"})
_NUMBERS = frozenset({"count", "read", "measure", "rank"})


class Flaw(StrEnum):
    """What goes wrong."""

    WRONG_INSTANCE = "wrong_instance"
    """A hop lands on another member of its set."""
    WRONG_SIDE = "wrong_side"
    """Left for right, above for below, leftmost for rightmost."""
    WRONG_PREDICATE = "wrong_predicate"
    """Nearest for farthest, largest for smallest, or the other branch of a choice."""
    ATTRIBUTE_SWAP = "attribute_swap"
    """Another colour, size or material is looked for."""
    WRONG_CATEGORY = "wrong_category"
    """Another kind of thing is looked for."""
    OFF_BY_ONE = "off_by_one"
    """One thing too few or too many is counted, or a number is misread by one."""
    SKIPPED_HOP = "skipped_hop"
    """A hop is left out: the next one starts from where attention was."""
    LUCKY_PATH = "lucky_path"
    """The right number, by a wrong path."""
    SHIFTED_BOX = "shifted_box"
    """The right thing, pointed at in the wrong place."""
    ARITHMETIC_SLIP = "arithmetic_slip"
    """The right numbers, put together wrongly."""


class Attempt(NamedTuple):
    """What one mistake leads to."""

    flaw: Flaw
    program: Program
    """The program whose sentences are told."""
    values: tuple[Value | None, ...]
    """What each of its steps is held to yield."""
    evidence: Mapping[int, Evidence]
    """Where a step is held to land on other instances than its value says."""
    follows: Program | None
    """A program that yields the same numbers; None where no program does."""


def attempts(index: SceneIndex, program: Program, flaw: Flaw, rng: random.Random) -> Iterator[Attempt]:
    """Yields attempts of one kind in random order; of a shifted box there is none, its values are right."""
    values = execute(index, program)
    maker = _Maker(index, program, values, rng)
    found = list(maker.of(flaw))
    rng.shuffle(found)
    yield from found


class _Maker:
    def __init__(self, index: SceneIndex, program: Program, values: Sequence[Value | None], rng: random.Random) -> None:
        self.index = index
        self.program = program
        self.values = tuple(values)
        self.rng = rng
        self.executed = executed_steps(program, values)
        self.hops = hop_kinds(program, self.executed)

    def of(self, flaw: Flaw) -> Iterator[Attempt]:
        match flaw:
            case Flaw.WRONG_INSTANCE:
                yield from self._strayed(flaw, wanted=False)
            case Flaw.WRONG_SIDE | Flaw.WRONG_PREDICATE:
                yield from self._flipped(flaw)
            case Flaw.ATTRIBUTE_SWAP | Flaw.WRONG_CATEGORY:
                yield from self._swapped(flaw)
            case Flaw.OFF_BY_ONE:
                yield from self._miscounted()
            case Flaw.SKIPPED_HOP:
                yield from self._skipped()
            case Flaw.LUCKY_PATH:
                yield from self._strayed(flaw, wanted=True)
                yield from self._compensated()
                yield from self._mistaken_members()
            case Flaw.ARITHMETIC_SLIP:
                yield from self._slipped()

    def _strayed(self, flaw: Flaw, wanted: bool) -> Iterator[Attempt]:
        """Wrong members that give the gold number, or that do not."""
        for hop in self.hops:
            for stray in self.index.members(stray_members(self.program, hop, self.values)):
                values = self._rerun({hop: stray})
                if (values[-1] == self.values[-1]) is wanted:
                    name = self.index.instances[stray].instance_id
                    mutation = Mutation(hop, "stray", hop, (Step("instance", (), (name,)),))
                    yield Attempt(flaw, self.program, values, {}, spliced(self.program, mutation))

    def _flipped(self, flaw: Flaw) -> Iterator[Attempt]:
        for number in self.executed:
            step = self.program.steps[number]
            is_side = bool({*_SIDES, *_ENDS} & {str(param) for param in step.params})
            flipped = operator_of(step.operator).flip(step.params)
            if flipped is not None and is_side is (flaw is Flaw.WRONG_SIDE) and step.operator != "compare":
                yield from self._replaced(flaw, number, Step(flipped[0], step.inputs, flipped[1]))
        if flaw is Flaw.WRONG_PREDICATE:
            for mutation in choice_mutations(self.program, self.executed):
                yield from self._replaced(flaw, mutation.step, mutation.replacement[0])

    def _swapped(self, flaw: Flaw) -> Iterator[Attempt]:
        wanted = "attribute" if flaw is Flaw.ATTRIBUTE_SWAP else "category"
        for number in self.executed:
            step = self.program.steps[number]
            if step.operator != wanted:
                continue
            for params in self._others(step):
                yield from self._replaced(flaw, number, Step(step.operator, step.inputs, params))

    def _others(self, step: Step) -> list[tuple[str, ...]]:
        """Params of the same operator that hold of something else in the picture."""
        if step.operator == "category":
            return [(name,) for name in sorted(self.index.category_bits) if name != step.params[0]]
        key = str(step.params[0])
        return [pair for pair in sorted(self.index.attribute_bits) if pair[0] == key and pair[1] != step.params[1]]

    def _replaced(self, flaw: Flaw, number: int, step: Step) -> Iterator[Attempt]:
        """The program with one step put in place of another; step numbers stay what they are."""
        steps = (*self.program.steps[:number], step, *self.program.steps[number + 1 :])
        changed = Program(steps=steps)
        yield Attempt(flaw, changed, tuple(execute(self.index, changed)), {}, changed)

    def _miscounted(self) -> Iterator[Attempt]:
        for number in self._numbers():
            for change in (-1, 1):
                evidence = self._evidence_off_by(number, change)
                if evidence is not None:
                    value = (self.values[number] or 0) + change
                    yield Attempt(Flaw.OFF_BY_ONE, self.program, self._rerun({number: value}), evidence, None)

    def _numbers(self) -> list[int]:
        return [n for n in self.executed if self.program.steps[n].operator in _NUMBERS]

    def _evidence_off_by(self, number: int, change: int) -> dict[int, Evidence] | None:
        """The instances behind a number that is off by one; None where it cannot be."""
        step, value = self.program.steps[number], self.values[number]
        if value is None or value + change < (0 if step.operator in _COUNTED else 1):
            return None
        if step.operator not in _COUNTED:
            return {}
        counted = self.index.members(self.values[step.inputs[0]] or 0)
        others = [i for i in range(self.index.n) if i not in counted]
        if change > 0 and not others:
            return None
        members = [*counted, self.rng.choice(others)] if change > 0 else self._without_one(counted)
        return {number: self._seen(members)}

    def _without_one(self, members: Sequence[int]) -> list[int]:
        gone = self.rng.choice(members)
        return [i for i in members if i != gone]

    def _seen(self, members: Sequence[int]) -> Evidence:
        found = [self.index.instances[i] for i in members]
        return tuple(i.instance_id for i in found), tuple(i.box_xyxy for i in found)

    def _compensated(self) -> Iterator[Attempt]:
        """Two numbers off by one, so that their sum or difference is right again."""
        numbers = self._numbers()
        for first in numbers:
            for second in (n for n in numbers if n > first):
                for one, other in ((-1, 1), (1, -1), (1, 1), (-1, -1)):
                    seen = self._evidence_off_by(first, one), self._evidence_off_by(second, other)
                    if seen[0] is None or seen[1] is None:
                        continue
                    held = {first: (self.values[first] or 0) + one, second: (self.values[second] or 0) + other}
                    values = self._rerun(held)
                    if values[-1] == self.values[-1]:
                        yield Attempt(Flaw.LUCKY_PATH, self.program, values, {**seen[0], **seen[1]}, None)

    def _mistaken_members(self) -> Iterator[Attempt]:
        """The right count of the wrong things."""
        for number in (n for n in self._numbers() if self.program.steps[n].operator in _COUNTED):
            counted = self.index.members(self.values[self.program.steps[number].inputs[0]] or 0)
            others = [i for i in range(self.index.n) if i not in counted]
            if counted and others:
                members = sorted([*self._without_one(counted), self.rng.choice(others)])
                seen = {number: self._seen(members)}
                yield Attempt(Flaw.LUCKY_PATH, self.program, self.values, seen, None)

    def _skipped(self) -> Iterator[Attempt]:
        for hop in self.hops:
            for mutation in mutations_of(self.program, hop, self.index, self.values):
                if mutation.kind == "delete" and mutation.step == hop:
                    shorter = spliced(self.program, mutation)
                    values = tuple(execute(self.index, shorter))
                    yield Attempt(Flaw.SKIPPED_HOP, shorter, values, {}, shorter)

    def _slipped(self) -> Iterator[Attempt]:
        last = len(self.program.steps) - 1
        value = self.values[last]
        if operator_of(self.program.steps[last].operator).role is Role.REASON and value is not None:
            for change in (-1, 1):
                if value + change >= 0:
                    yield Attempt(Flaw.ARITHMETIC_SLIP, self.program, self._rerun({last: value + change}), {}, None)

    def _rerun(self, held: Mapping[int, Value]) -> tuple[Value | None, ...]:
        """Values where some steps are held to yield something else, and the rest follows from them."""
        values: list[Value | None] = []
        for number, step in enumerate(self.program.steps):
            values.append(held[number] if number in held else apply_step(self.index, step, values))
        return tuple(values)


def is_instance_step(program: Program, number: int) -> bool:
    """Whether a step yields one instance."""
    return operator_of(program.steps[number].operator).output is ValueType.ONE
