"""A trace as text: one JSON object per line, evidence as boxes, so that every step is a span of characters.

    {"step": 1, "title": "Find the cup", "content": "...", "evidence": [[12, 30, 80, 96]], "next_action": "continue"}

The keys and their order are fixed. A response is the lines of its trace, an empty line, and the number in a box.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from schemas.question import TraceStep


class Span(NamedTuple):
    """Where a step stands in a text, in Unicode code points, half-open."""

    start: int
    end: int


def step_lines(trace: Sequence[TraceStep]) -> tuple[str, ...]:
    """Returns one line per step."""
    return tuple(_line(number, step) for number, step in enumerate(trace, start=1))


def trace_text(trace: Sequence[TraceStep]) -> str:
    """Returns the reasoning alone."""
    return "\n".join(step_lines(trace))


def response_text(trace: Sequence[TraceStep]) -> str:
    """Returns the reasoning and the answer it comes to."""
    return f"{trace_text(trace)}\n\n\\boxed{{{trace[-1].value}}}"


def step_spans(trace: Sequence[TraceStep]) -> tuple[Span, ...]:
    """Returns where each step stands in `trace_text` and in `response_text`; line breaks belong to no step."""
    spans: list[Span] = []
    start = 0
    for line in step_lines(trace):
        spans.append(Span(start, start + len(line)))
        start += len(line) + 1
    return tuple(spans)


def _line(number: int, step: TraceStep) -> str:
    evidence = [[_short(edge) for edge in box] for box in step.boxes_xyxy]
    said = {"step": number, "title": step.title, "content": step.content, "evidence": evidence}
    return json.dumps({**said, "next_action": step.next_action}, ensure_ascii=False)


def _short(edge: float) -> int | float:
    return int(edge) if edge == int(edge) else round(edge, 1)
