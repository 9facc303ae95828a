"""Answers as Label Studio keeps them to answers as we do. What is not plainly an answer is a problem, never one.

The server checks nothing of what it is sent, so a result may hold anything: a number as text, half numbers, unknown
names, nothing at all, a megabyte of it.
"""

import datetime
import json
from typing import Any, NamedTuple

from schemas.annotation import HumanVerdict, Kind

MOST = 10**9
"""A larger number, positive or negative, is no answer to any question here."""
MOST_NOTE = 1 << 20
_TYPES = {"verdict": "choices", "answer": "number", "note": "textarea", "report": "choices"}


class Said(NamedTuple):
    """One version of one answer."""

    kind: Kind
    verdict: HumanVerdict | None = None
    answer: int | None = None
    note: str = ""
    reported: bool = False
    problem: str = ""


def parse_annotation(annotation: object) -> Said:
    """Returns what an annotation says; a `Kind.PROBLEM` with the reason where it says nothing that counts."""
    if not isinstance(annotation, dict):
        return _problem("the annotation is no object")
    if annotation.get("was_cancelled") is True:
        return Said(Kind.SKIP)
    result = annotation.get("result")
    if not isinstance(result, list) or not result:
        return _problem("the result is empty")
    values: dict[str, Any] = {}
    for item in result:
        name = item.get("from_name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name not in _TYPES:
            return _problem(f"the result names {clean(name, 60)!r}, which is not on the screen")
        if name in values:
            return _problem(f"the result has {name} twice")
        if item.get("type") != _TYPES[name] or not isinstance(item.get("value"), dict):
            return _problem(f"{name} is not of the type {_TYPES[name]}")
        values[name] = item["value"]
    return _said(values)


def parse_seconds(annotation: dict[str, Any]) -> float | None:
    """Returns the time spent; None where it is missing or cannot be one."""
    seconds = annotation.get("lead_time")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 10**7:
        return None
    return float(seconds)


def parse_time(text: object) -> str:
    """Returns a time of the server as ISO 8601 in UTC with microseconds, so that texts compare as times do.

    Raises:
        ValueError: it is no time.
    """
    if not isinstance(text, str):
        raise ValueError(f"{clean(text, 40)!r} is no time")
    found = datetime.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{clean(text, 40)!r} has no time zone")
    return found.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clean(thing: object, most: int = MOST_NOTE) -> str:
    """Returns text that can be stored anywhere: no half characters, no NUL, not longer than ``most``."""
    text = thing if isinstance(thing, str) else json.dumps(thing, default=str)
    return text[:most].encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _said(values: dict[str, Any]) -> Said:
    note = _note(values.get("note"))
    reported = values.get("report", {}).get("choices") == ["problem"]
    chosen = values.get("verdict", {}).get("choices")
    verdict = chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else None
    if not isinstance(verdict, str) or verdict not in tuple(HumanVerdict):
        said = "no verdict" if "verdict" not in values else f"the verdict {clean(chosen, 60)}"
        return _problem(f"{said}: it must be one of {', '.join(HumanVerdict)}", note, reported)
    if verdict != HumanVerdict.VALID:
        return Said(Kind.ANSWER, HumanVerdict(verdict), None, note, reported)
    number = values.get("answer", {}).get("number")
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) > MOST:
        given = "no number" if "answer" not in values else f"the number {clean(number, 60)}"
        return _problem(f"valid with {given}: it must be a whole number", note, reported)
    return Said(Kind.ANSWER, HumanVerdict.VALID, number, note, reported)


def _note(value: Any) -> str:  # noqa: ANN401 - whatever was sent
    text = None if value is None else value.get("text")
    lines = [text] if isinstance(text, str) else text if isinstance(text, list) else []
    return clean("\n".join(line for line in lines if isinstance(line, str)))


def _problem(problem: str, note: str = "", reported: bool = False) -> Said:
    return Said(Kind.PROBLEM, note=note, reported=reported, problem=problem)
