"""What a question says, whatever small words it says it with; and whether a text is one of a benchmark's."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

_SMALL = frozenset(
    "a an the of to in on at it its is are be was were there then now next go take look find start with from and for "
    "that this which please can you see do does picture image photo question".split()
)
"""Words that two wordings of one question may differ in. Numbers, sides, orders and negations are none of them."""
_NUMBERS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_GRAM = 5
_ENOUGH = 0.95
"""Share of a question's runs of five words that must stand in one text of a benchmark."""
_LEAST_WORDS = 8
"""Shorter texts ("How many people are there?") are everybody's; they count as known only with a known picture."""


def words_of(text: str) -> tuple[str, ...]:
    """Returns the words of a text in lower case, numbers in digits."""
    return tuple(_NUMBERS.get(word, word) for word in _WORD.findall(text.casefold()))


def content_words(text: str) -> tuple[str, ...]:
    """Returns the words that carry what is asked, in order: without small words and without plural s."""
    return tuple(_singular(word) for word in words_of(text) if word not in _SMALL)


class KnownTexts:
    """The texts of benchmarks, to be asked whether they have a question."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._where: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self.count = 0
        for text in texts:
            for gram in _grams(words_of(text)):
                self._where[gram].add(self.count)
            self.count += 1

    def has(self, text: str) -> bool:
        """Whether one of the texts holds most of this one, word for word."""
        words = words_of(text)
        grams = _grams(words)
        if len(words) < _LEAST_WORDS:
            return False
        hits: dict[int, int] = defaultdict(int)
        for gram in grams:
            for number in self._where.get(gram, ()):
                hits[number] += 1
        return max(hits.values(), default=0) >= _ENOUGH * len(grams)


def _grams(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + _GRAM]) for start in range(len(words) - _GRAM + 1)]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
