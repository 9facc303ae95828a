"""Supervised rows: the reasoning agent learns gold traces, the summary agent to judge traces (Insight-V).

The summary agent's rows are best, flawed and plain in declared shares. A flawed row shows a trace that is wrong at a
known step and answers with that step and the right number.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from schemas.question import TraceStep
from schemas.release_row import EmbeddedImage
from schemas.rollout import Scored
from schemas.trace import Trace, TraceKind
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


def flawed_paths(accepted: Accepted) -> list[FlawedTrace]:
    """Returns the paths of models that end in a wrong number; one that is wrong only on the way is not shown."""
    return [
        FlawedTrace(trace_text(_steps(path)), path.model, "model_path", path.first_bad_step, path.cause)
        for path in accepted.tried.paths
        if path.kind is TraceKind.FLAWED and path.outcome is Scored.INCORRECT
    ]


def reasoning_row(accepted: Accepted, picture: EmbeddedImage, config: ViewConfig) -> SftRow | None:
    """Returns the gold trace as the reasoning agent's reply: the program's, else the best of a model; None without."""
    question = accepted.question
    best = next((path for path in accepted.tried.paths if path.kind is TraceKind.BEST), None)
    if not question.trace and best is None:
        return None
    asked = f"{question.question}\n\n{config.reasoning_instruction}"
    steps, source = (question.trace, "program") if question.trace or best is None else (_steps(best), best.model)
    return _row(accepted, picture, (asked, trace_text(steps)), ("reasoning", "best", source))


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


def _steps(path: Trace) -> tuple[TraceStep, ...]:
    """A model's steps as those of a gold trace; they have no proved value."""
    return tuple(
        TraceStep(
            title=step.title,
            content=step.content,
            next_action=step.next_action,
            value="",
            instance_ids=step.instance_ids,
            boxes_xyxy=step.boxes_xyxy,
        )
        for step in path.steps
    )


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
