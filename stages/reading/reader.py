"""Reader: a question in the engine's English back to the program it says. Deterministic, and no part of any model.

It knows the operators' own templates and nothing else: what it cannot read it says so, what can be read in two ways
is not read at all. `read_question(tell(program)) == program` is a law of the tests.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from schemas.program import Program
from stages.execute import check_program
from stages.phrasing.nouns import ordinal_word, singular_of
from stages.reading.expression import SCENE, Expression, joined, normal_form, to_program
from stages.reading.lexicon import Lexicon
from stages.reading.templates import matches, templates_of
from stages.terms import OPPOSITE_KEY, REGIONS, Key

VERSION = 1

MAX_CHARACTERS = 1_200
"""A longer text is no question of ours."""
_MAX_READINGS = 64
_LEADS = ("From there, ", "Then ", "Next, ")
_SENTENCE = re.compile(r"(?<=[.?])\s+")
_RELATIONS = ("related", "same_attribute", "between", "closer")
_ORDINALS = {ordinal_word(n): n for n in range(1, 13)}


UNUSED = "a thing that it establishes is never used"


class Unread(NamedTuple):
    """Why a text has no program here."""

    reason: str


class _Told(NamedTuple):
    """An instance that the text has established."""

    one: Expression
    head: str


_Story = tuple[_Told, ...]


def read_question(text: str, lexicon: Lexicon) -> Program | Unread:
    """Returns the one program that the text says, or why it has none."""
    if len(text) > MAX_CHARACTERS:
        return Unread(f"{len(text)} characters, more than {MAX_CHARACTERS}")
    sentences = split_sentences(text)
    if len(sentences) > 14:
        return Unread(f"{len(sentences)} sentences")
    reader = _Reader(lexicon)
    found = {normal_form(program): program for program in islice(reader.readings(sentences, ()), _MAX_READINGS)}
    if not found:
        return Unread(UNUSED if reader.unused else "a sentence is none of the engine's")
    if len(found) > 1:
        return Unread(f"it can be read in {len(found)} ways")
    return next(iter(found.values()))


def split_sentences(text: str) -> list[str]:
    """Returns the sentences of a text, each with its full stop or question mark."""
    return _SENTENCE.split(text.strip())


class _Reader:
    """Reads with one lexicon. Every method yields all readings of a piece of text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.unused = False
        """Something was read that leaves an established thing unused."""

    def readings(self, sentences: list[str], story: _Story) -> Iterator[Program]:
        if not sentences:
            return
        if len(sentences) <= 2:
            for number in self.asks(" ".join(sentences), story):
                program = to_program(number)
                if not _uses_all(number, story):
                    self.unused = True
                elif _is_sound(program):
                    yield program
        for told in self.introductions(sentences[0], story):
            yield from self.readings(sentences[1:], (*story, told))

    def introductions(self, sentence: str, story: _Story) -> Iterator[_Told]:
        """Yields what instance a sentence establishes."""
        text = next((sentence[len(lead) :] for lead in _LEADS if sentence.startswith(lead)), sentence)
        text = text[:1].upper() + text[1:]
        text = f"Start with{text[11:]}" if text.startswith("Now look at ") else text
        for operator in ("only", "extreme", "nth", "nearest", "farthest"):
            for key, template in templates_of(operator):
                if key in ("anchor", "move", "named"):
                    yield from self._select(operator, template, text, story)
        for _, template in templates_of("choose"):
            yield from self._route(template, text)

    def _select(self, operator: str, template: str, text: str, story: _Story) -> Iterator[_Told]:
        for filled in matches(_joint(template), text):
            for described, head in self._sets_of(filled, story):
                for ends in self._ends(operator, filled, story):
                    inputs = (*ends[0], described)
                    yield _Told(Expression(operator, inputs, ends[1]), head)

    def _sets_of(self, filled: dict[str, str], story: _Story) -> Iterator[tuple[Expression, str]]:
        if "names" in filled:
            yield from ((found, "thing") for found in self.names(filled["names"], "and"))
        elif "set" in filled:
            yield from self.narrowed(filled["set"], story)
        else:
            yield from self.nouns(filled.get("thing") or filled["things"])

    def _ends(
        self, operator: str, filled: dict[str, str], story: _Story
    ) -> Iterator[tuple[tuple[Expression, ...], tuple[str | int, ...]]]:
        """Yields the other inputs and the params of a selection."""
        match operator:
            case "only":
                yield (), ()
            case "extreme":
                yield from (((), (key,)) for key in _keys("extreme", filled["which"]))
            case "nth":
                place = _ORDINALS.get(filled["ordinal"])
                if place:
                    yield from (((), (key, place)) for key in _keys("nth", filled["which"]))
            case _:
                yield from (((one,), ()) for one in self.references(filled["one"], story))

    def _route(self, template: str, text: str) -> Iterator[_Told]:
        for filled in matches(template, text):
            for yes in _keys("extreme", filled["which"]):
                if OPPOSITE_KEY[yes] not in _keys("extreme", filled["other"]):
                    continue
                for described, head in self.nouns(filled["thing"]):
                    for truth in self.truths(filled["truth"]):
                        ends = [Expression("extreme", (described,), (key,)) for key in (yes, OPPOSITE_KEY[yes])]
                        yield _Told(Expression("choose", (truth, *ends)), head)

    def truths(self, text: str) -> Iterator[Expression]:
        for how, template in templates_of("compare"):
            for filled in matches(template, text):
                for first, _ in self.nouns(filled["first"]):
                    for second, _ in self.nouns(filled["second"]):
                        counts = Expression("count", (first,)), Expression("count", (second,))
                        yield Expression("compare", counts, (how,))

    def asks(self, text: str, story: _Story) -> Iterator[Expression]:
        """Yields what number a text asks for."""
        yield from self._count_asks(text, story)
        yield from self._shared_asks(text, story)
        yield from self._seen_asks(text, story)
        yield from self._rank_asks(text, story)
        yield from self._sum_asks(text, story)

    def _count_asks(self, text: str, story: _Story) -> Iterator[Expression]:
        for filled in _filled("count", ("ask", "named", "several"), text):
            sets = self.names(filled["names"], "and") if "names" in filled else self._plain(filled["things"])
            for described in sets:
                for found in self.located(described, filled["where"], story):
                    yield Expression("count", (found,))

    def _shared_asks(self, text: str, story: _Story) -> Iterator[Expression]:
        for filled in _filled("same_attribute", ("ask",), text):
            for described in self._plain(filled["things"]):
                for one in self.references(filled["one"], story):
                    yield Expression("count", (Expression("same_attribute", (one, described), (filled["key"],)),))

    def _seen_asks(self, text: str, story: _Story) -> Iterator[Expression]:
        for filled in _filled("read", ("ask",), text):
            yield from (Expression("read", (one,), ("digit",)) for one in self.references(filled["one"], story))
        for key in ("points", "pips"):
            for filled in _filled("measure", (key,), text):
                yield from (Expression("measure", (one,), (key,)) for one in self.references(filled["one"], story))

    def _rank_asks(self, text: str, story: _Story) -> Iterator[Expression]:
        for key, template in templates_of("rank"):
            for filled in matches(template, text):
                for described in self._ranked(filled["things"]):
                    for one in self.references(filled["one"], story):
                        yield Expression("rank", (one, described), (key,))

    def _sum_asks(self, text: str, story: _Story) -> Iterator[Expression]:
        for operator in ("add", "subtract", "multiply", "difference"):
            for filled in _filled(operator, ("ask",), text):
                for first in self.numbers(filled["first"], story):
                    for second in self.numbers(filled["second"], story):
                        yield Expression(operator, (first, second))

    def _plain(self, text: str) -> Iterator[Expression]:
        yield from (found for found, _ in self.nouns(text))

    def _ranked(self, text: str) -> Iterator[Expression]:
        yield from self.names(text, "and")
        if text.startswith("the "):
            yield from self._plain(text[4:])

    def numbers(self, text: str, story: _Story) -> Iterator[Expression]:
        """Yields the numbers that a noun phrase like "the number of cups to the left of it" means."""
        for filled in _filled("count", ("noun",), text):
            for described in self._plain(filled["things"]):
                for found in self.located(described, filled["where"], story):
                    yield Expression("count", (found,))
        for filled in _filled("read", ("noun",), text):
            yield from (Expression("read", (one,), ("digit",)) for one in self.references(filled["one"], story))

    def narrowed(self, text: str, story: _Story) -> Iterator[tuple[Expression, str]]:
        """Yields the sets that "cups to the left of it" means, with the noun's head."""
        for cut in (found.start() for found in re.finditer(" ", text)):
            for described, head in self.nouns(text[:cut]):
                for found in self.located(described, text[cut + 1 :], story):
                    if found != described:
                        yield found, head

    def located(self, described: Expression, where: str, story: _Story) -> Iterator[Expression]:
        """Yields a described set narrowed by where its members are; "in the picture" narrows nothing."""
        if where == "in the picture":
            yield described
        for operator in _RELATIONS:
            for key, template in templates_of(operator):
                if key == "ask":
                    continue
                for filled in matches(template, where):
                    for one in self.references(filled["one"], story):
                        yield from self._related(operator, key, (one, described), (filled, story))

    def _related(
        self, operator: str, key: str, inputs: tuple[Expression, Expression], words: tuple[dict[str, str], _Story]
    ) -> Iterator[Expression]:
        one, described = inputs
        filled, story = words
        if operator == "related":
            yield Expression("related", (one, described), (key,))
        elif operator == "same_attribute":
            yield Expression("same_attribute", (one, described), (filled["key"],))
        else:
            for other in self.references(filled["other"], story):
                yield Expression(operator, (one, other, described))

    def references(self, text: str, story: _Story) -> Iterator[Expression]:
        """Yields the instance that "it", "the cup you started with" or "the oven" means at this point."""
        if text == "it":
            if story:
                yield story[-1].one
            return
        if not text.startswith("the "):
            return
        for position, told in enumerate(story):
            suffix = "you started with" if position == 0 else f"you found {ordinal_word(position + 1)}"
            if text == f"the {told.head} {suffix}":
                yield told.one
        yield from (Expression("only", (described,)) for described, _ in self.nouns(text[4:]))

    def names(self, text: str, conjunction: str) -> Iterator[Expression]:
        """Yields the union that "the bowl, the oven and the sink" means."""
        parts = _unlisted(text, conjunction)
        if len(parts) > 1 and all(part.startswith("the ") for part in parts):
            found = [next(iter(self.nouns(part[4:], plain=True)), None) for part in parts]
            if None not in found:
                yield joined([pair[0] for pair in found if pair is not None])

    def nouns(self, text: str, plain: bool = False) -> Iterator[tuple[Expression, str]]:
        """Yields the sets that a noun phrase means, with the bare noun."""
        for half in REGIONS:
            suffix = f" in the {half} of the picture"
            if text.endswith(suffix):
                for inner, head in self.nouns(text.removesuffix(suffix), plain):
                    yield Expression("region", (inner,), (half,)), head
        for conjunction in () if plain else ("or", "and"):
            parts = _unlisted(text.removeprefix("other "), conjunction)
            found = [next(iter(self.nouns(part, plain=True)), None) for part in parts]
            if len(parts) > 1 and None not in found:
                yield joined([pair[0] for pair in found if pair is not None]), "thing"
        yield from self._described(text.removeprefix("other ").split(" "))

    def _described(self, words: list[str]) -> Iterator[tuple[Expression, str]]:
        """Yields what adjectives and a noun mean; the first word that is no adjective begins the noun, or none does."""
        pairs: list[tuple[str, str]] = []
        for cut, word in enumerate(words):
            named = self._named(" ".join(words[cut:]))
            if named is not None:
                described, head = named
                for pair in pairs:
                    described = Expression("attribute", (described,), pair)
                yield described, head
            key = self.lexicon.adjectives.get(word)
            if not key:
                return
            pairs.append((key, word))

    def _named(self, noun: str) -> tuple[Expression, str] | None:
        if noun in ("thing", "things"):
            return SCENE, "thing"
        category = self.lexicon.nouns.get(noun)
        return None if category is None else (Expression("category", (SCENE,), (category,)), singular_of(category))


def _filled(operator: str, keys: tuple[str, ...], text: str) -> Iterator[dict[str, str]]:
    for key, template in templates_of(operator):
        if key in keys:
            yield from matches(template, text)


def _joint(template: str) -> str:
    """Takes a set and its place as one slot: where one ends and the other begins is found by reading."""
    return template.replace("{things} {where}", "{set}").replace("{thing} {where}", "{set}")


def _keys(operator: str, text: str) -> list[str]:
    return [key for key, template in templates_of(operator) if key in set(Key) and template == text]


def _unlisted(text: str, conjunction: str) -> list[str]:
    """Returns the parts of "a, b or c"; the text itself where it is no list."""
    first, mark, last = text.rpartition(f" {conjunction} ")
    return [*first.split(", "), last] if mark else [text]


def _uses_all(number: Expression, story: _Story) -> bool:
    """Returns whether the answer depends on everything that was established."""
    seen: set[Expression] = set()
    waiting = [number]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += node.inputs
    return all(told.one in seen for told in story)


def _is_sound(program: Program) -> bool:
    try:
        check_program(program)
    except ValueError:
        return False
    return True
