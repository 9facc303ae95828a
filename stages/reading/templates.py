"""Templates read backward: every way in which a text can be an instance of one."""

import re
from collections.abc import Iterator
from functools import cache

from stages.execute import operator_of

_SLOT = re.compile(r"\{(\w+)\}")

Filled = dict[str, str]


@cache
def templates_of(operator: str) -> tuple[tuple[str, str], ...]:
    """Returns the operator's templates as (key, template) pairs, in the order of its file."""
    pairs = (phrase.partition(": ") for phrase in operator_of(operator).phrases)
    return tuple((key, template) for key, colon, template in pairs if colon)


def matches(template: str, text: str) -> Iterator[Filled]:
    """Yields every way to fill the slots of a template so that it becomes the text; no slot is empty."""
    parts = _SLOT.split(template)
    yield from _match(parts[1::2], parts[0::2], text)


def _match(slots: list[str], literals: list[str], text: str) -> Iterator[Filled]:
    if not text.startswith(literals[0]):
        return
    rest = text[len(literals[0]) :]
    if not slots:
        if not rest:
            yield {}
        return
    following = literals[1]
    start = 1
    while True:
        found = (
            (len(rest) if start <= len(rest) else -1)
            if not following and len(slots) == 1
            else rest.find(following, start)
        )
        if found < start:
            return
        for filled in _match(slots[1:], literals[1:], rest[found:]):
            if slots[0] not in filled or filled[slots[0]] == rest[:found]:
                yield {slots[0]: rest[:found]} | filled
        if not following:
            return
        start = found + 1
