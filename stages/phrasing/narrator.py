"""A program as two or three short sentences: one thing established at a time, then one number asked for.

Every chain of instances is told in order; "it" is always the last thing established, an earlier one is named in full.
Wordings come from the operators' templates and are drawn by the caller's generator.
"""

import random
from collections.abc import Sequence
from functools import cache

from schemas.program import Program, Step
from stages.execute import operator_of
from stages.operators.operator import Role, Value, ValueType
from stages.phrasing.nouns import LATERAL, NounPhrase, listed, noun_phrase, ordinal_word, union_parts

_LEADS = ("", "", "From there, ", "Then ", "Next, ")


class Narrator:
    """Tells one program. `values` are the executed values: they say whether an instance is a member of a set."""

    def __init__(self, program: Program, values: Sequence[Value | None], rng: random.Random) -> None:
        """Finds the chain of instances."""
        self.program = program
        self.values = values
        self.rng = rng
        self.told = _told_instances(program)
        self.last: int | None = None
        self._nouns: dict[int, NounPhrase] = {}

    def sentences(self) -> list[str]:
        """Returns the sentences in reading order.

        Raises:
            ValueError: the program has a form for which there is no plain wording.
        """
        texts = []
        for position, number in enumerate(self.told):
            texts.append(self.introduce(number, position))
            self.last = number
        texts.append(self.ask(len(self.program.steps) - 1))
        return texts

    def noun(self, number: int) -> NounPhrase:
        """Returns the words of a described set, made once."""
        if number not in self._nouns:
            self._nouns[number] = noun_phrase(self.program, number)
        return self._nouns[number]

    def introduce(self, number: int, position: int) -> str:
        """Returns the sentence that establishes one instance."""
        step = self.program.steps[number]
        if step.operator == "choose":
            return self._route(step)
        if not step.inputs:
            raise ValueError(f"no wording for {step.operator}")
        described, where = self._set(step.inputs[-1])
        names = "" if where else self._names(step.inputs[-1], "and")
        fields = {"thing": described.singular, "things": described.plural, "where": where, "names": names}
        if step.operator in ("nearest", "farthest"):
            fields["one"] = self.reference(step.inputs[0])
            return self._led(self._template(step.operator, "named" if names else "move"), fields)
        if step.operator == "nth":
            fields["ordinal"] = ordinal_word(int(step.params[1]))
        if step.params:
            fields["which"] = self._template(step.operator, str(step.params[0]))
        if where:
            return self._led(self._template(step.operator, "move"), fields)
        text = self._template(step.operator, "named" if names else "anchor").format(**fields)
        return text if position == 0 else text.replace("Start with", "Now look at")

    def _led(self, template: str, fields: dict[str, str]) -> str:
        lead = self.rng.choice(_LEADS) if template.startswith(("Go to", "Find", "Look for")) else ""
        text = template.format(**fields)
        return lead + text[0].lower() + text[1:] if lead else text

    def _route(self, step: Step) -> str:
        truth, yes, no = (self.program.steps[i] for i in step.inputs)
        if truth.operator != "compare" or yes.operator != "extreme" or yes.inputs != no.inputs:
            raise ValueError(f"no wording for a choice by {truth.operator} between {yes.operator} and {no.operator}")
        counted = [self.noun(self.program.steps[i].inputs[0]).plural for i in truth.inputs]
        condition = self._template("compare", str(truth.params[0])).format(first=counted[0], second=counted[1])
        return self._template("choose", "anchor").format(
            truth=condition,
            thing=self.noun(yes.inputs[0]).singular,
            which=self._template("extreme", str(yes.params[0])),
            other=self._template("extreme", str(no.params[0])),
        )

    def ask(self, number: int) -> str:
        """Returns the question for a number."""
        step = self.program.steps[number]
        match step.operator:
            case "count":
                return self._ask_count(step)
            case "read":
                return self._template("read", "ask").format(one=self.reference(step.inputs[0]))
            case "measure":
                return self._template("measure", str(step.params[0])).format(one=self.reference(step.inputs[0]))
            case "rank":
                names = self._names(step.inputs[1], "and")
                things = names or f"the {self.noun(step.inputs[1]).plural}"
                template = self._template("rank", str(step.params[0]))
                return template.format(things=things, one=self.reference(step.inputs[0]))
            case "add" | "subtract" | "multiply" | "difference":
                first, second = (self.number_phrase(i) for i in step.inputs)
                return self._template(step.operator, "ask").format(first=first, second=second)
        raise ValueError(f"no wording for a question that ends in {step.operator}")

    def _ask_count(self, step: Step) -> str:
        described, where = self._set(step.inputs[0])
        fields = {"things": described.plural, "where": where or "in the picture"}
        narrowed = self.program.steps[step.inputs[0]]
        if narrowed.operator == "same_attribute":
            shared = {"key": str(narrowed.params[0]), "one": self.reference(narrowed.inputs[0])}
            return self._template("same_attribute", "ask").format(**shared, **fields)
        root = described_root(self.program, step.inputs[0])
        names = self._names(root, "and")
        if names:
            return self._template("count", "named").format(names=names, **fields)
        is_union = self.program.steps[root].operator == "union"
        return self._template("count", "several" if is_union else "ask").format(**fields)

    def _names(self, number: int, conjunction: str) -> str:
        """Returns "the bowl, the oven and the sink" for a union of categories with one member each, else nothing."""
        parts = union_parts(self.program, number)
        if len(parts) == 1 or any((self.values[i] or 0).bit_count() != 1 for i in parts):
            return ""
        return listed([f"the {self.noun(i).singular}" for i in parts], conjunction)

    def number_phrase(self, number: int) -> str:
        """Returns a number as a noun: "the number of cups to the left of it"."""
        step = self.program.steps[number]
        if step.operator == "count":
            described, where = self._set(step.inputs[0])
            return self._template("count", "noun").format(things=described.plural, where=where or "in the picture")
        if step.operator == "read":
            return self._template("read", "noun").format(one=self.reference(step.inputs[0]))
        raise ValueError(f"no wording for {step.operator} as a part of a sum")

    def reference(self, number: int) -> str:
        """Returns how an instance is referred to at this point of the text."""
        if number == self.last:
            return "it"
        step = self.program.steps[number]
        if step.operator == "only" and number not in self.told:
            return f"the {self.noun(step.inputs[0]).singular}"
        place = self.told.index(number)
        head = head_of(self.program, number)
        return f"the {head} you started with" if place == 0 else f"the {head} you found {ordinal_word(place + 1)}"

    def _set(self, number: int) -> tuple[NounPhrase, str]:
        """Returns a set in words: its description, and where its members are (empty where no relation narrows it)."""
        step = self.program.steps[number]
        if operator_of(step.operator).role is not Role.RELATE:
            return self.noun(number), ""
        described = self.noun(step.inputs[-1])
        one = step.inputs[0]
        fields = {"one": self.reference(one)}
        if step.operator == "related":
            return self._with_other(described, one, step), self._side(str(step.params[0]), one).format(**fields)
        if step.operator == "same_attribute":
            fields["key"] = str(step.params[0])
            return self._with_other(described, one, step), self._template("same_attribute", "where").format(**fields)
        fields["other"] = self.reference(step.inputs[1])
        return described, self._template(step.operator, "where").format(**fields)

    def _with_other(self, described: NounPhrase, one: int, step: Step) -> NounPhrase:
        """Says "other" where the instance itself has the described looks and could be taken for a member."""
        members, position = self.values[step.inputs[-1]], self.values[one]
        if step.operator == "related" and step.params[0] != "touching":
            return described
        if members is None or position is None or not members >> position & 1:
            return described
        return NounPhrase(f"other {described.singular}", f"other {described.plural}", described.head)

    def _side(self, relation: str, one: int) -> str:
        templates = _templates_of("related", relation)
        parts = union_parts(self.program, described_root(self.program, one))
        if any(self.noun(part).head in LATERAL for part in parts):
            templates = tuple(t for t in templates if "picture" in t or "viewer" in t) or templates
        return self.rng.choice(templates)

    def _template(self, operator: str, key: str) -> str:
        found = _templates_of(operator, key)
        return found[int(self.rng.random() * len(found))]


@cache
def _templates_of(operator: str, key: str) -> tuple[str, ...]:
    prefix = f"{key}: "
    found = tuple(phrase[len(prefix) :] for phrase in operator_of(operator).phrases if phrase.startswith(prefix))
    if not found:
        raise ValueError(f"operator {operator} has no wording for {key!r}")
    return found


def described_root(program: Program, number: int) -> int:
    """Returns the step of the described set behind a set narrowed by relations."""
    while operator_of(program.steps[number].operator).role is not Role.DESCRIBE:
        number = program.steps[number].inputs[-1]
    return number


def head_of(program: Program, number: int) -> str:
    """Returns the bare noun of the set that an instance step chooses from."""
    return noun_phrase(program, described_root(program, number)).head


def _told_instances(program: Program) -> list[int]:
    """Returns the instance steps that get a sentence: not branches of a choice, not names used only in passing."""
    branches: set[int] = set()
    passing: set[int] = set()
    started: set[int] = set()
    for step in program.steps:
        if step.operator == "choose":
            branches.update(step.inputs[1:])
        elif step.operator in ("between", "closer") and _is_name(program, step.inputs[1]):
            passing.add(step.inputs[1])
            started.add(step.inputs[0])
        else:
            started.update(step.inputs)
    ones = [i for i, step in enumerate(program.steps) if operator_of(step.operator).output is ValueType.ONE]
    return [i for i in ones if i not in branches and (i not in passing or i in started)]


def _is_name(program: Program, number: int) -> bool:
    step = program.steps[number]
    return step.operator == "only" and operator_of(program.steps[step.inputs[0]].operator).role is Role.DESCRIBE


def render_question(program: Program, values: Sequence[Value | None], rng: random.Random) -> str:
    """Returns the question's text.

    Raises:
        ValueError: the program has a form for which there is no plain wording.
    """
    return " ".join(Narrator(program, values, rng).sentences())
