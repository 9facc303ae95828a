"""Other words for the engine's sentences, back again, and changes that alter their meaning."""

import random
import re
from collections.abc import Callable

_PAIRS: tuple[tuple[str, str], ...] = (
    ("Start with the ", "Begin at the "),
    ("Find the ", "First locate the "),
    ("Go to the ", "Move on to the "),
    ("go to the ", "move on to the "),
    ("Look for the ", "Search for the "),
    (", take the one ", ", choose the one "),
    (", pick the one ", ", select the one "),
    ("How many ", "Tell how many "),
    (" farthest to the left", " furthest left"),
    (" farthest to the right", " furthest right"),
    (" to the left of ", " on the left side of "),
    (" to the right of ", " on the right side of "),
    (" higher up in the picture than ", " higher up than "),
    (" lower down in the picture than ", " lower down than "),
    (" nearest to ", " that is closest to "),
    (" What number is on ", " State which number is on "),
)
"""The engine's words, and others of the same meaning that its reader does not know."""

GENTLE = frozenset({"Tell how many "})


def reword(text: str, rng: random.Random) -> str:
    """Returns the text in other words of the same meaning: at least one phrase is changed where any can be."""
    usable = [pair for pair in _PAIRS if pair[0] in text]
    if not usable:
        return text
    chosen = [pair for pair in usable if rng.random() < 0.6] or [rng.choice(usable)]
    for old, new in chosen:
        text = text.replace(old, new)
    return text


def plain(text: str) -> str:
    """Returns the engine's words for a reworded text."""
    for old, new in sorted(_PAIRS, key=lambda pair: -len(pair[1])):
        text = text.replace(new, old)
    return text


Change = Callable[[str, random.Random, tuple[str, ...]], str]

_OPPOSITE = {
    "to the left of": "to the right of",
    "farther left": "farther right",
    "farthest to the left": "farthest to the right",
    "higher up in the picture than": "lower down in the picture than",
    "highest up": "lowest down",
    "nearest": "farthest",
    "closest to it": "farthest from it",
    "in front of": "behind",
    "closer to the viewer": "farther from the viewer",
    "closest to the viewer": "farthest from the viewer",
    "looks largest": "looks smallest",
    "from left to right": "from right to left",
    "from the left": "from the right",
    "the same colour": "the same material",
    "second": "third",
    "more": "fewer",
    "sum of": "difference between",
}


def change_meaning(text: str, nouns: dict[str, str], adjectives: tuple[str, ...], rng: random.Random) -> str | None:
    """Returns the text with another meaning: a direction turned round, a kind exchanged, an adjective or a step gone.

    Args:
        text: in the engine's words.
        nouns: noun as written -> its category.
        adjectives: words that describe things.
        rng: chooses.
    """
    found = [*_turned(text), *_exchanged(text, nouns), *_stripped(text, adjectives), *_shortened(text)]
    return rng.choice(found) if found else None


def _turned(text: str) -> list[str]:
    both = {**_OPPOSITE, **{new: old for old, new in _OPPOSITE.items()}}
    return [
        re.sub(rf"\b{re.escape(old)}\b", new, text, count=1)
        for old, new in both.items()
        if re.search(rf"\b{re.escape(old)}\b", text)
    ]


def _exchanged(text: str, nouns: dict[str, str]) -> list[str]:
    changed = []
    for noun, category in nouns.items():
        if not re.search(rf"\b{re.escape(noun)}\b", text):
            continue
        plural = noun.endswith("s")
        others = [one for one, kind in nouns.items() if kind != category and one.endswith("s") == plural]
        changed += [re.sub(rf"\b{re.escape(noun)}\b", other, text) for other in others[:3]]
    return changed


def _stripped(text: str, adjectives: tuple[str, ...]) -> list[str]:
    return [re.sub(rf"\b{word} ", "", text, count=1) for word in adjectives if re.search(rf"\b{word} ", text)]


def _shortened(text: str) -> list[str]:
    sentences = re.split(r"(?<=[.?])\s+", text)
    return [" ".join([*sentences[:1], *sentences[2:]])] if len(sentences) > 2 else []
