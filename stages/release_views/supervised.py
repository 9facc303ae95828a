"""Supervised rows: the reasoning agent learns gold traces, the summary agent to judge traces (Insight-V).

The summary agent's rows are best, flawed and plain in declared shares. A flawed row shows a trace that is wrong at a
known step and answers with that step and the right number.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from schemas.release_row import EmbeddedImage
from schemas.view_rows import SftRow
from stages.publish import Accepted
from stages.release_views.config import Shares, ViewConfig
from stages.release_views.origin import assistant, origin_of, tagged, user
from stages.traces.corrupt import Corruption, Gold
from stages.traces.wording import trace_text


class FlawedTrace(NamedTuple):
    """A reasoning text that comes to a wrong number, and what is known of where it goes wrong."""

    text: str
    source: str
    """corruption, or the name of the model that wrote it."""
    flaw: str
    wrong_step: int | None
    """Number of the first wrong step, from 1; None where only the end is known to be wrong."""
    correction: str
    """What is right there; may be empty."""


def flawed_of(corruption: Corruption, gold: Gold) -> FlawedTrace:
    """Returns a corrupted trace as the summary agent sees it."""
    right = gold.telling.trace[corruption.step].content
    return FlawedTrace(trace_text(corruption.trace), "corruption", corruption.flaw, corruption.step + 1, right)


def reasoning_row(accepted: Accepted, picture: EmbeddedImage, config: ViewConfig) -> SftRow:
    """Returns the gold trace as the reasoning agent's reply."""
    question = accepted.question
    asked = user(f"{question.question}\n\n{config.reasoning_instruction}")
    return _row(accepted, picture, (asked[0].content, trace_text(question.trace)), ("reasoning", "best", "program"))


def summary_row(
    accepted: Accepted, picture: EmbeddedImage, kind: str, flawed: FlawedTrace | None, config: ViewConfig
) -> SftRow:
    """Returns one row of the summary agent; a flawed one needs a flawed trace.

    Raises:
        ValueError: ``kind`` is none of best, flawed and plain, or a flawed trace is missing.
    """
    question = accepted.question
    boxed = f"\\boxed{{{question.answer}}}"
    shown = f"{question.question}\n\n{config.summary_instruction}\n\nReasoning process:\n"
    match kind:
        case "best":
            said = (shown + trace_text(question.trace), f"The reasoning is correct.\n\n{boxed}")
            return _row(accepted, picture, said, ("summary", kind, "program"))
        case "plain":
            said = (f"{question.question}\n\nPut the final number in \\boxed{{}}.", boxed)
            return _row(accepted, picture, said, ("summary", kind, ""))
    if kind != "flawed" or flawed is None:
        raise ValueError(f"a summary row is best, plain, or flawed with a flawed trace; this one is {kind}")
    where = f"step {flawed.wrong_step} is wrong" if flawed.wrong_step else "its answer is wrong"
    found = f"The reasoning is not correct: {where}. {flawed.correction}".rstrip()
    row = _row(accepted, picture, (shown + flawed.text, f"{found}\n\n{boxed}"), ("summary", kind, flawed.source))
    return row.model_copy(update={"flaw": str(flawed.flaw), "wrong_step": flawed.wrong_step})


def next_kind(made: Mapping[str, int], shares: Shares, possible: Collection[str]) -> str:
    """Returns the kind that lags most behind its share among those possible now; ties go to the rarer share."""
    total = sum(made.values()) + 1
    wanted = shares.model_dump()
    lag = {kind: wanted[kind] * total - made.get(kind, 0) for kind in sorted(possible) if wanted[kind] > 0}
    if not lag:
        raise ValueError(f"no kind among {sorted(possible)} has a share")
    return max(lag, key=lambda kind: (lag[kind], -wanted[kind]))


def _row(accepted: Accepted, picture: EmbeddedImage, said: tuple[str, str], kind: tuple[str, str, str]) -> SftRow:
    messages = (*user(said[0]), *assistant(said[1]))
    return SftRow(
        id=f"{accepted.question.question_id}:{kind[0]}",
        messages=messages,
        messages_tagged=tagged(messages),
        kind=kind[1],
        trace_source=kind[2],
        flaw=None,
        wrong_step=None,
        **origin_of(accepted, picture),
    )
