"""Strict reading of an untrusted reply: exactly one JSON object of exactly the wanted form, or the reason it is none.

Nothing is repaired. A fence, a second object, prose around the object, a missing or an extra key, a number as a text:
each is a fault with a name, and the model may be asked once more with it (`again`). Guessing what a reply meant is how
a failure becomes a fact.
"""

import json
import re
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.drop import DropReason

MAX_CHARACTERS = 40_000
"""A longer reply is not read."""
_MAX_DEPTH = 12
_THOUGHT = re.compile(r"\A\s*<think>(?:(?!</?think>).)*</think>", re.S)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
"""Control characters, and marks that change what a text looks like without being seen."""


class Fault(StrEnum):
    """What is wrong with a reply."""

    ERROR = "error"
    """There is none: the server failed, or was never asked."""
    EMPTY = "empty"
    TOO_LONG = "too_long"
    CUT_OFF = "cut_off"
    """It ran into the limit of tokens."""
    FENCED = "fenced"
    PROSE = "prose"
    """It does not begin with an object: prose, a refusal, another language."""
    BROKEN = "broken"
    """It begins as an object and is none: truncated, not JSON, too deep, a key twice."""
    SEVERAL = "several"
    """Something follows the object: another object, or prose."""
    WRONG_FORM = "wrong_form"
    """An object without the wanted keys, types or values."""
    WRONG_CONTENT = "wrong_content"
    """Of the right form, and it contradicts what was asked."""
    CONTRADICTORY = "contradictory"
    """A judgement that contradicts itself. It is not asked for again: told where, a judge would agree with itself."""


class Unreadable(NamedTuple):
    """Why a reply says nothing."""

    fault: Fault
    detail: str

    @property
    def reason(self) -> DropReason:
        """The drop reason of what hung on the reply."""
        return DropReason.NO_REPLY if self.fault is Fault.ERROR else DropReason.UNREADABLE_REPLY

    @property
    def text(self) -> str:
        """Fault and detail in one line."""
        return f"{self.fault.value}: {self.detail}"


class Reply(BaseModel):
    """The form of a reply: closed, frozen, and no value is turned into another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


ReplyType = TypeVar("ReplyType", bound=Reply)


def read_reply(text: str, form: type[ReplyType]) -> ReplyType | Unreadable:
    """Returns the reply as the wanted form, or its first fault."""
    found = strip_thought(text)
    if isinstance(found, Unreadable):
        return found
    fault = _not_one_object(found)
    if fault is not None:
        return fault
    try:
        return form.model_validate_json(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the object"
        return Unreadable(Fault.WRONG_FORM, f"{place}: {first['msg']}"[:200])
    except (RecursionError, ValueError):
        return Unreadable(Fault.BROKEN, "the object cannot be read")


def strip_thought(text: str) -> str | Unreadable:
    """Returns what follows a leading, closed thought (`<think>...</think>`), or why the reply is not looked at."""
    if len(text) > MAX_CHARACTERS:
        return Unreadable(Fault.TOO_LONG, f"{len(text)} characters, more than {MAX_CHARACTERS}")
    try:
        text.encode()
    except UnicodeEncodeError:
        return Unreadable(Fault.BROKEN, "it is not valid Unicode")
    bare = _THOUGHT.sub("", text, count=1).strip()
    if not bare:
        return Unreadable(Fault.EMPTY, "nothing is said")
    if "<think>" in bare or "</think>" in bare:
        return Unreadable(Fault.BROKEN, "a thought is not closed, or stands where no thought belongs")
    return bare


def schema_text(form: type[Reply]) -> str:
    """Returns the JSON Schema of a form, for servers that hold answers to one."""
    return json.dumps(form.model_json_schema(), sort_keys=True, separators=(",", ":"))


def clean_line(text: str, limit: int) -> str | None:
    """Returns a text set as one line, or None where it is empty, too long, or holds what cannot be printed."""
    line = " ".join(text.split())
    return None if not line or len(line) > limit or _UNPRINTABLE.search(line) else line


def _not_one_object(text: str) -> Unreadable | None:
    if text.startswith("```"):
        return Unreadable(Fault.FENCED, "the object stands in a code fence")
    if not text.startswith("{"):
        return Unreadable(Fault.PROSE, f"it begins with {text[:40]!r}")
    if _depth(text) > _MAX_DEPTH:
        return Unreadable(Fault.BROKEN, f"nested deeper than {_MAX_DEPTH}")
    try:
        _, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        return Unreadable(Fault.BROKEN, str(error)[:120])
    if text[end:].strip():
        return Unreadable(Fault.SEVERAL, f"after the object follows {text[end:].strip()[:40]!r}")
    return None


def _depth(text: str) -> int:
    """Returns an upper bound of the nesting: brackets inside texts count too."""
    depth = most = 0
    for mark in re.findall(r"[\[\]{}]", text):
        depth += 1 if mark in "[{" else -1
        most = max(most, depth)
    return most


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ValueError(f"the key {twice[:40]!r} stands twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:  # noqa: ANN401 - what the JSON decoder wants
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
