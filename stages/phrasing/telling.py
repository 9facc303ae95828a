"""A certified program in words: the question, the text of every hop, and the gold reasoning trace with its evidence."""

import random
from collections.abc import Mapping
from typing import NamedTuple

from schemas.question import Hop, TraceStep
from stages.certify import Certified
from stages.execute import operator_of
from stages.operators.operator import Value, ValueType
from stages.phrasing.narrator import Narrator, head_of
from stages.phrasing.nouns import noun_phrase
from stages.scene_index import SceneIndex

Boxes = tuple[tuple[float, float, float, float], ...]
_SIGNS = {"add": "plus", "subtract": "minus", "multiply": "times"}


class Telling(NamedTuple):
    """Everything that is said about one question."""

    question: str
    hops: tuple[Hop, ...]
    trace: tuple[TraceStep, ...]
    told: tuple[str, ...]
    """The question's sentences: one per established instance, then what is asked for."""
    established: tuple[int, ...]
    """Steps of the program whose instances the sentences establish."""
    traced: tuple[int, ...]
    """Step of the program that each step of the trace tells; the last step of the trace, the answer, has none."""


Evidence = tuple[tuple[str, ...], Boxes]
"""Ids and boxes of instances, in the same order."""


def tell(
    index: SceneIndex, certified: Certified, rng: random.Random, evidence: Mapping[int, Evidence] | None = None
) -> Telling:
    """Returns the question's text, its hops with evidence, and its trace.

    ``evidence`` says for some steps of the program what they land on, instead of what they do; a trace that goes wrong
    is told so.

    Raises:
        ValueError: the program has a form for which there is no plain wording.
    """
    teller = _Teller(index, certified, rng)
    teller.evidence.update(evidence or {})
    question, hops, trace = teller.question(), teller.hops(), teller.trace()
    return Telling(question, hops, trace, tuple(teller.said), tuple(teller.narrator.told), tuple(teller.traced))


class _Teller:
    """The narrator says each sentence once; hops and trace quote it."""

    def __init__(self, index: SceneIndex, certified: Certified, rng: random.Random) -> None:
        self.index = index
        self.program = certified.program
        self.values = certified.values
        self.certified = certified
        self.narrator = Narrator(certified.program, certified.values, rng)
        self.said = self.narrator.sentences()
        self.facts: dict[int, str] = {}
        self.evidence: dict[int, Evidence] = {}
        self.traced: list[int] = []

    def question(self) -> str:
        return " ".join(self.said)

    def hops(self) -> tuple[Hop, ...]:
        return tuple(
            Hop(
                step=proof.step,
                operator=self.program.steps[proof.step].operator,
                kind=proof.kind,
                text=self._fact(proof.step),
                value=self._value(proof.step),
                instance_ids=self._evidence(proof.step)[0],
                boxes_xyxy=self._evidence(proof.step)[1],
                candidates=proof.candidates,
                luck=proof.luck,
            )
            for proof in self.certified.hops
        )

    def trace(self) -> tuple[TraceStep, ...]:
        steps: list[TraceStep] = []
        for number, sentence in zip(self.narrator.told, self.said, strict=False):
            steps += [self._perceived(i) for i in self._compared(number)]
            title = f"Find the {head_of(self.program, number)}"
            steps.append(self._trace_step(number, title, f"{sentence} It is {self._named(number)}."))
        answer = len(self.program.steps) - 1
        steps += [self._perceived(i) for i in self._numbers(answer)]
        if operator_of(self.program.steps[answer].operator).role == "reason":
            steps.append(self._trace_step(answer, "Work it out", self._fact(answer)))
        last = steps[-1]
        done = TraceStep(
            title="Answer",
            content=f"The answer is {self.certified.answer}.",
            next_action="summary",
            value=str(self.certified.answer),
            instance_ids=last.instance_ids,
            boxes_xyxy=last.boxes_xyxy,
        )
        return (*steps, done)

    def _perceived(self, number: int) -> TraceStep:
        titles = {"count": "Count", "read": "Read the number", "rank": "Find the place", "measure": "Count the marks"}
        return self._trace_step(number, titles.get(self.program.steps[number].operator, "Look"), self._fact(number))

    def _trace_step(self, number: int, title: str, content: str) -> TraceStep:
        ids, boxes = self._evidence(number)
        self.traced.append(number)
        return TraceStep(
            title=title,
            content=content,
            next_action="continue",
            value=self._value(number),
            instance_ids=ids,
            boxes_xyxy=boxes,
        )

    def _compared(self, number: int) -> list[int]:
        """The counts behind a routed instance."""
        step = self.program.steps[number]
        return list(self.program.steps[step.inputs[0]].inputs) if step.operator == "choose" else []

    def _numbers(self, number: int) -> list[int]:
        """The perceived numbers that the answer is worked out from, in order; or the answer itself."""
        step = self.program.steps[number]
        if operator_of(step.operator).role == "reason":
            return [found for i in step.inputs for found in self._numbers(i)]
        return [number]

    def _value(self, number: int) -> str:
        value = self.values[number]
        if operator_of(self.program.steps[number].operator).output is ValueType.ONE:
            return self.index.instances[self._defined(number)].instance_id
        return str(value)

    def _defined(self, number: int) -> Value:
        value = self.values[number]
        if value is None:
            raise ValueError(f"step {number} was not executed")
        return value

    def _evidence(self, number: int) -> Evidence:
        """The instances a step lands on: one referent, the counted set, or the instance that was read."""
        if number not in self.evidence:
            self.evidence[number] = self._find_evidence(number)
        return self.evidence[number]

    def _find_evidence(self, number: int) -> Evidence:
        step = self.program.steps[number]
        if operator_of(step.operator).output is ValueType.ONE:
            members = [self._defined(number)]
        elif step.operator in ("count", "exists"):
            members = list(self.index.members(self._defined(step.inputs[0])))
        elif step.operator in ("read", "measure", "rank"):
            members = [self._defined(step.inputs[0])]
        else:
            members = []
        found = [self.index.instances[i] for i in members]
        return tuple(instance.instance_id for instance in found), tuple(instance.box_xyxy for instance in found)

    def _named(self, number: int) -> str:
        """An instance by its looks and place: "the red metal can centred at (120, 88)"."""
        instance = self.index.instances[self._defined(number)]
        looks = {a.key: a.value for a in instance.attributes if a.confidence >= self.index.margins.confidence}
        words = [looks[key] for key in ("colour", "material") if key in looks]
        x, y = instance.centroid_xy
        return f"the {' '.join([*words, instance.category])} centred at ({x:.0f}, {y:.0f})"

    def _fact(self, number: int) -> str:
        """What a step finds, in words, said the same way wherever it is said."""
        if number not in self.facts:
            self.facts[number] = self._state(number)
        return self.facts[number]

    def _state(self, number: int) -> str:
        step, value = self.program.steps[number], self.values[number]
        match step.operator:
            case "count":
                return f"{_capitalised(self._counted(number))} is {value}."
            case "read":
                return f"The number on {self._named(step.inputs[0])} is {value}."
            case "measure":
                marks = {"points": "points", "pips": "dots"}.get(str(step.params[0]), str(step.params[0]))
                return f"{_capitalised(self._named(step.inputs[0]))} has {value} {marks}."
            case "rank":
                things = noun_phrase(self.program, step.inputs[1]).plural
                return f"{_capitalised(self._named(step.inputs[0]))} has place {value} among the {things}."
            case "difference":
                first, second = (self.values[i] for i in step.inputs)
                return f"The difference between {first} and {second} is {value}."
            case "add" | "subtract" | "multiply":
                first, second = (self.values[i] for i in step.inputs)
                return f"{first} {_SIGNS[step.operator]} {second} is {value}."
        if number in self.narrator.told:
            sentence = self.said[self.narrator.told.index(number)]
            return f"{sentence} It is {self._named(number)}."
        return f"It is {self._named(number)}."

    def _counted(self, number: int) -> str:
        self.narrator.last = self.narrator.told[-1] if self.narrator.told else None
        return self.narrator.number_phrase(number)


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
