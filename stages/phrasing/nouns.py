"""Nouns as people use them: plurals, ordinals and number words, by `inflect` plus the words it cannot know."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from schemas.program import Program
from stages.english import ENGLISH

_PAIRS = {
    "skis": ("pair of skis", "pairs of skis"),
    "scissors": ("pair of scissors", "pairs of scissors"),
    "tv": ("TV", "TVs"),
}
"""Categories whose name is already a plural or an abbreviation."""

LATERAL = frozenset(
    "person bicycle car motorcycle airplane bus train truck boat bird cat dog horse sheep cow elephant bear zebra"
    " giraffe chair couch bed".split()
)
"""Things with a left and right of their own: for them sides are always said to be the picture's."""


class NounPhrase(NamedTuple):
    """A described set in words."""

    singular: str
    plural: str
    head: str
    """The bare singular noun."""


@lru_cache(maxsize=4096)
def singular_of(category: str) -> str:
    """Returns the singular noun of a category name."""
    return _PAIRS[category][0] if category in _PAIRS else category


@lru_cache(maxsize=4096)
def plural_of(category: str) -> str:
    """Returns the plural noun of a category name."""
    return _PAIRS[category][1] if category in _PAIRS else str(ENGLISH.plural_noun(category) or category)


@lru_cache(maxsize=256)
def ordinal_word(number: int) -> str:
    """Returns "second" for 2."""
    return str(ENGLISH.number_to_words(ENGLISH.ordinal(str(number))))


@lru_cache(maxsize=256)
def number_word(number: int) -> str:
    """Returns "two" for 2."""
    return str(ENGLISH.number_to_words(str(number)))


def noun_phrase(program: Program, number: int) -> NounPhrase:
    """Returns the words of a described set, adjectives in the order they are nested in the program.

    Raises:
        ValueError: the step is not a plain description (scene, category, attribute, region or union).
    """
    step = program.steps[number]
    match step.operator:
        case "scene":
            return NounPhrase("thing", "things", "thing")
        case "category":
            name = str(step.params[0])
            return NounPhrase(singular_of(name), plural_of(name), singular_of(name))
        case "attribute":
            inner = noun_phrase(program, step.inputs[0])
            return _described(program, number, inner)
        case "region":
            inner = noun_phrase(program, step.inputs[0])
            where = f"in the {step.params[0]} of the picture"
            return NounPhrase(f"{inner.singular} {where}", f"{inner.plural} {where}", inner.head)
        case "union":
            parts = [noun_phrase(program, i) for i in union_parts(program, number)]
            singular = listed([part.singular for part in parts], "or")
            return NounPhrase(singular, listed([part.plural for part in parts], "and"), "thing")
    raise ValueError(f"step {number} ({step.operator}) is not a plain description")


def union_parts(program: Program, number: int) -> list[int]:
    """Returns the sets that a union joins, left to right; the set itself where it is no union."""
    step = program.steps[number]
    if step.operator != "union":
        return [number]
    return [part for i in step.inputs for part in union_parts(program, i)]


def listed(words: Sequence[str], conjunction: str) -> str:
    """Returns "a, b or c"."""
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def _described(program: Program, number: int, inner: NounPhrase) -> NounPhrase:
    """Adjectives stand in the order size, colour, material whatever the order of the steps."""
    adjectives: list[tuple[str, str]] = []
    while program.steps[number].operator == "attribute":
        key, value = program.steps[number].params
        adjectives.append((str(key), str(value)))
        number = program.steps[number].inputs[0]
    order = {"size": 0, "colour": 1, "material": 2}
    words = " ".join(value for key, value in sorted(adjectives, key=lambda pair: order.get(pair[0], 3)))
    bare = noun_phrase(program, number)
    return NounPhrase(f"{words} {bare.singular}", f"{words} {bare.plural}", inner.head)
