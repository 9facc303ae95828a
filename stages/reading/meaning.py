"""What the words of a question say of its steps, in order: a second opinion on a text that the reader cannot read.

A text becomes the sequence of its content marks: kinds of things, adjectives, directions, orderings, ordinals,
references, operations. Two texts of one meaning, one thing established at a time, have the same sequence. Between
marks a text may say what says nothing ("please find", "can be seen") and no other word: "twice", "striped" or "if" may
change the number. It is stricter than meaning: many a good paraphrase is refused; what it lets through says the same
things in the same order.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from stages.phrasing.nouns import ordinal_word
from stages.reading.lexicon import Lexicon

_FAR = r"(?:farthest|furthest|most)"
_MARKS: tuple[tuple[str, str], ...] = (
    ("first place", r"\(1 = first\)"),
    ("order leftmost", r"(?:counting )?from (?:the )?left(?: to (?:the )?right)?|going from left to right"),
    ("order rightmost", r"(?:counting )?from (?:the )?right(?: to (?:the )?left)?"),
    ("order highest", r"from the top(?: of the picture)?(?: down)?"),
    ("order lowest", r"from the bottom(?: of the picture)?(?: up)?"),
    ("started", r"(?:that |which )?you (?:started|began) with|the starting \w+"),
    ("leftmost", rf"{_FAR} (?:to the )?left|left-?most|at the far left|on the far left"),
    ("rightmost", rf"{_FAR} (?:to the )?right|right-?most|at the far right|on the far right"),
    ("highest", r"highest(?: up)?|topmost|uppermost"),
    ("lowest", r"lowest(?: down)?|bottommost|lowermost"),
    ("frontmost", r"(?:closest|nearest) to the (?:viewer|camera)"),
    ("backmost", r"(?:farthest|furthest) (?:away )?from the (?:viewer|camera)"),
    ("front", r"(?:closer|nearer) to the (?:viewer|camera) than|in front of"),
    ("behind", r"(?:farther|further)(?: away)? from the (?:viewer|camera) than|behind"),
    ("left", r"(?:to the |on the |farther |further )?left(?: side)?(?: in the picture than| of| than)"),
    ("right", r"(?:to the |on the |farther |further )?right(?: side)?(?: in the picture than| of| than)"),
    ("above", r"higher(?: up)?(?: in the picture)? than|above"),
    ("below", r"lower(?: down)?(?: in the picture)? than|below|beneath"),
    ("nearest", r"nearest|closest"),
    ("farthest", r"farthest|furthest"),
    ("closer", r"closer|nearer"),
    ("largest", r"(?:that looks |which looks )?(?:largest|biggest)"),
    ("smallest", r"(?:that looks |which looks )?smallest"),
    ("touching", r"touching(?: or overlapping)?|that touch(?:es)?|overlapping"),
    ("inside", r"inside|within"),
    ("between", r"between(?! the number)"),
    ("same colour", r"same colou?r"),
    ("same material", r"same material|made of the same"),
    ("same size", r"same size"),
    ("same", r"same"),
    ("more", r"more .{1,60}? than"),
    ("fewer", r"(?:fewer|less) .{1,60}? than"),
    ("equal", r"as many .{1,60}? as"),
    ("otherwise", r"otherwise|if not|else"),
    ("sum", r"sum of|add|plus|in sum|added to"),
    ("difference", r"difference|differ|apart"),
    ("product", r"multiply|multiplied|product|times"),
    ("minus", r"take .{1,80}? away|subtract|minus|what is left"),
    ("points", r"points"),
    ("pips", r"dots|pips"),
    ("number on", r"(?:number|digit)s? (?:on|written on|shown on)|number does .{1,60}? carry|which number|what number"),
    ("asked again", r"how many are there\?|what do you get\?|go to it\."),
    ("how many", r"how many|count the|count all|the number of|number of"),
    ("place", r"which place|what place|which position"),
    ("only", r"only|just one|single"),
    ("not", r"not|n't|no|without|except|excluding|but the"),
    ("half", r"(?:left|right|upper|lower) half"),
    ("other", r"others?"),
    ("it", r"it|that one|this one"),
    ("found", r"you found"),
)
_GREEDY = frozenset({"more", "fewer", "equal", "minus"})
"""Marks that span things: only their first word is passed over, so that what they span is seen too."""
_DIFFER = re.compile(r"by how much do (.+?) differ\b")
"""Of the two ways to ask for a difference the one that names it last; it is read as the other."""
_UNTOLD = frozenset({"other", "first place", "asked again"})
"""Marks that templates add or leave out as English wants it."""


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_FIRST_OF_ALL = re.compile(r"(?:^|(?<=[.?!] ))first,? ")
_SAYS_NOTHING = frozenset(
    (
        "a an the this that these those which who whose what when where how it's that's what's there's it its "
        "they them their you your we us i me my one ones of to in on at from with for by than as and is are "
        "was were be been do does can could would have has there here now then next after afterwards finally "
        "also please let let's begin choose consider continue find focus give go identify locate look move "
        "name note notice pick proceed report say search see seen select show shown spot start state take "
        "tell turn visible appear appears lie lies located placed positioned situated stand stands sit sits "
        "number picture image photo away among carry between count get total"
    ).split()
)
"""Words between marks that change no number. What a template says there it may say too."""


def marks_of(text: str, lexicon: Lexicon) -> tuple[str, ...]:
    """Returns the content marks of a text, in reading order."""
    found = _scan(_told(text), _scanner(_frozen(lexicon.nouns), _frozen(lexicon.adjectives)))
    return tuple(mark for _, _, mark in found if mark not in _UNTOLD)


def says_as_much(text: str, template: str, lexicon: Lexicon) -> bool:
    """Returns whether a text says the same things in the same order as the template's text."""
    if marks_of(text, lexicon) != marks_of(template, lexicon):
        return False
    return strange_words(text, lexicon) <= strange_words(template, lexicon)


def strange_words(text: str, lexicon: Lexicon) -> frozenset[str]:
    """Returns the words between the marks of a text that are not known to say nothing."""
    left: list[str] = []
    told = _FIRST_OF_ALL.sub("", _told(text))
    place = 0
    for start, end, _ in _scan(told, _scanner(_frozen(lexicon.nouns), _frozen(lexicon.adjectives))):
        left += _WORD.findall(told[place:start])
        place = end
    left += _WORD.findall(told[place:])
    return frozenset(left) - _SAYS_NOTHING


class _Scanner(NamedTuple):
    """One pattern over all marks and words, and what the words mean by their number."""

    pattern: "re.Pattern[str]"
    meanings: tuple[str, ...]


def _told(text: str) -> str:
    return _DIFFER.sub(r"what is the difference between \1", " ".join(text.lower().split()))


def _scan(text: str, scanner: _Scanner) -> Iterator[tuple[int, int, str]]:
    """Yields the marks with where they stand, half-open."""
    place = 0
    while found := scanner.pattern.search(text, place):
        group = str(found.lastgroup)
        number = int(group[1:])
        name = scanner.meanings[number] if group.startswith("w") else _MARKS[number][0]
        greedy = name in _GREEDY and not group.startswith("w")
        place = found.start() + len(found[0].split()[0]) if greedy else found.end()
        yield found.start(), place, name


@lru_cache(maxsize=256)
def _scanner(nouns: tuple[tuple[str, str], ...], adjectives: tuple[tuple[str, str], ...]) -> _Scanner:
    """Returns the scanner of a lexicon; longer words go first, so that "cell phone" is no "phone"."""
    words: dict[str, str] = {noun.lower(): f"noun {category}" for noun, category in nouns}
    words |= {word.lower(): f"{key} {word}" for word, key in adjectives}
    words |= {"thing": "thing", "things": "thing", "object": "thing", "objects": "thing"}
    words |= {ordinal_word(n): f"place {n}" for n in range(2, 13)}
    ordered = sorted(words, key=lambda word: (-len(word), word))
    parts = [f"(?P<m{number}>(?<!\\w)(?:{mark})(?!\\w))" for number, (_, mark) in enumerate(_MARKS)]
    parts += [f"(?P<w{number}>\\b{re.escape(word)}\\b)" for number, word in enumerate(ordered)]
    return _Scanner(re.compile("|".join(parts)), tuple(words[word] for word in ordered))


def _frozen(words: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(words.items()))
