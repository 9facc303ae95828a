"""Rules on the words of a question: nothing in them may settle a hop, and they must read as English.

The give-away kinds are the seven known from caption-written chains (setting, identity, ordering, together, action,
attribute, hypernym), in the form they can take in program questions. Each rule returns what is wrong, or None.
"""

import re
from collections.abc import Iterator

from schemas.program import Program
from schemas.question import Question
from stages.execute import operator_of
from stages.operators.operator import Role
from stages.phrasing.nouns import number_word

VERSION = 1
MAX_WORDS = 120
_WORD = re.compile(r"[A-Za-z0-9'-]+")
_SETTINGS = frozenset(
    "kitchen street beach airport stadium office zoo farm bathroom bedroom restaurant classroom".split()
)
_TOGETHER = frozenset({"together", "pair", "couple", "trio", "both"})
_ACTIONS = frozenset("riding holding eating playing wearing driving sitting standing walking running".split())
_FORBIDDEN_MARKUP = ("<image>", "<video>", "<|", "{", "}")


def give_aways(question: Question) -> Iterator[str]:
    """Yields every way in which the question's words settle a hop or the answer."""
    words = [word.lower() for word in _WORD.findall(question.question)]
    yield from spelled_answer(question)
    for hop in question.hops:
        if hop.candidates == 1:
            yield f"identity: the words alone leave one candidate for the hop at step {hop.step}"
    program = Program.from_json(question.program)
    yield from _restated_attributes(program)
    yield from _restated_order(program)
    settings, actions, together = (_SETTINGS & set(words), _ACTIONS & set(words), _TOGETHER & set(words))
    if settings:
        yield f"setting: {', '.join(sorted(settings))}"
    if actions:
        yield f"action: {', '.join(sorted(actions))}"
    if together - ({"pair"} if "pair of" in question.question else set()):
        yield f"together: {', '.join(sorted(together))}"


def spelled_answer(question: Question) -> Iterator[str]:
    """Yields that the answer stands in the words; "one" and "zero" stand for much else."""
    spoken = {word.lower() for word in _WORD.findall(_without_place_hint(question.question))}
    if str(question.answer) in spoken or number_word(question.answer) in spoken - {"one", "zero"}:
        yield f"answer: the text spells the answer {question.answer}"


def _without_place_hint(text: str) -> str:
    """The fixed hint "(1 = first)" belongs to the form of the question, not to its content."""
    return text.replace("(1 = first)", "")


def _restated_attributes(program: Program) -> Iterator[str]:
    """Finds "red things of the same colour as it": the words say what the hop should find out."""
    for step in program.steps:
        if step.operator == "same_attribute":
            keys = _adjective_keys(program, step.inputs[1])
            if step.params[0] in keys:
                yield f"attribute: {step.params[0]} is named and asked for at once"


def _restated_order(program: Program) -> Iterator[str]:
    """Finds "the second cup from the left" being asked for its place from the left."""
    for step in program.steps:
        if step.operator == "rank" and program.steps[step.inputs[0]].operator in ("nth", "extreme"):
            found = program.steps[step.inputs[0]]
            if found.inputs[-1] == step.inputs[1] and found.params[0] == step.params[0]:
                yield f"ordering: the place asked for by {step.params[0]} was named before"


def _adjective_keys(program: Program, number: int) -> set[str]:
    keys: set[str] = set()
    while True:
        step = program.steps[number]
        if step.operator == "attribute":
            keys.add(str(step.params[0]))
        if not step.inputs or operator_of(step.operator).role not in (Role.DESCRIBE, Role.RELATE):
            return keys
        number = step.inputs[-1]


def bad_text(text: str) -> Iterator[str]:
    """Yields every defect of form: markup, length, unfinished sentences, doubled words."""
    if any(mark in text for mark in _FORBIDDEN_MARKUP):
        yield "markup in the text"
    words = _WORD.findall(text)
    if not 4 <= len(words) <= MAX_WORDS:
        yield f"{len(words)} words, wanted 4..{MAX_WORDS}"
    if not text.endswith("?"):
        yield "the text does not end in a question mark"
    if not text[:1].isupper() or "  " in text or text != text.strip():
        yield "the text is not set as sentences"
    doubled = [a for a, b in zip(words, words[1:], strict=False) if a.lower() == b.lower()]
    if doubled:
        yield f"the word {doubled[0]!r} stands twice"
