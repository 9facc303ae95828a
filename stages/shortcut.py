"""Shortcut: how much of a corpus can be answered without its pictures, as a gate before release.

In: rollouts that saw no picture, with what is known of their questions. Out: one audit per style and hop count, and per
view. Chance is what always giving the most frequent answer of the group earns. A group fails where even the lower
bound of its accuracy is above chance plus the tolerance, passes where the upper bound is not above it, and in between
there is no verdict, which is not a pass: too few questions to tell, or enough of them and still no telling.

Attempts at one question are not independent; intervals are those of as many independent questions as carry the same
information (the design effect of clusters), so ten attempts at each of fifty questions are not five hundred facts.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from schemas.audit import Audit
from schemas.record import Record
from schemas.rollout import Scored, View
from schemas.verdict import Outcome
from stages.intervals import Z95, Interval

VERSION = 1
ALL_HOPS = 0


class ShortcutConfig(Record):
    """When a corpus leaks."""

    enabled: bool = False
    tolerance: float = Field(default=0.02, gt=0, le=1)
    """How far above chance accuracy without the picture may be."""
    min_questions: int = Field(default=30, ge=1)
    """Smaller groups are looked at together with the other hop counts of their style only."""


class Attempted(NamedTuple):
    """One attempt without the picture, with what is known of its question."""

    question_id: str
    style: str
    hop_count: int
    gold: int
    view: View
    outcome: Scored


def audit(attempts: Iterable[Attempted], config: ShortcutConfig) -> tuple[Audit, ...]:
    """Returns the audits of all groups, by style, hop count (0 for all together) and view."""
    groups: dict[tuple[str, int, View], list[Attempted]] = defaultdict(list)
    for attempt in attempts:
        groups[attempt.style, ALL_HOPS, attempt.view].append(attempt)
        groups[attempt.style, attempt.hop_count, attempt.view].append(attempt)
    rows = []
    for (style, hops, view), members in sorted(groups.items()):
        questions = len({attempt.question_id for attempt in members})
        if hops == ALL_HOPS or questions >= config.min_questions:
            rows.append(_audit(style, hops, view, members, config))
    return tuple(rows)


class Gate(StrEnum):
    """What an audit means for a release."""

    PASSED = "passed"
    FAILED = "failed"
    UNTOLD = "cannot be told"
    """Enough questions to tell, and no verdict: that stops a release as a failure does."""
    TOO_FEW = "not judged, too few questions"
    """So few that not even a group without any leak would pass; a release says so and goes out."""


def gate_of(row: Audit, config: ShortcutConfig) -> Gate:
    """Returns what an audit means for a release."""
    if row.outcome is Outcome.NO_VERDICT:
        return Gate.UNTOLD if row.questions >= questions_needed(row.chance, config) else Gate.TOO_FEW
    return Gate.PASSED if row.outcome is Outcome.PASS else Gate.FAILED


def questions_needed(chance: float, config: ShortcutConfig) -> int:
    """Returns how many questions, tried once each, a group needs to pass if it is answered exactly at chance.

    It is where the upper end of Wilson's interval around chance meets chance plus the tolerance.
    """
    limit = min(1.0, chance + config.tolerance)
    return max(1, math.ceil(Z95**2 * limit * (1 - limit) / config.tolerance**2))


def release_fault(audits: Iterable[Audit], config: ShortcutConfig) -> str:
    """Returns why a corpus may not be released; nothing where no group fails, and none that could be told is untold."""
    standing = ((row, gate_of(row, config)) for row in audits)
    return "; ".join(f"{gate.value}: {audit_text(row)}" for row, gate in standing if gate in (Gate.FAILED, Gate.UNTOLD))


def audit_text(row: Audit) -> str:
    """Returns one audit in words."""
    group = f"{row.style}{f', {row.hop_count} hops' if row.hop_count else ''}, {row.view.value}"
    unread = f", {row.unscored} of {row.attempts} attempts unreadable" if row.unscored else ""
    return (
        f"{group}: {row.accuracy:.2f} right without the picture ({row.low:.2f} to {row.high:.2f}), "
        f"chance {row.chance:.2f}, {row.questions} questions{unread}"
    )


def _audit(  # noqa: PLR0913 - a group and its name
    style: str, hops: int, view: View, members: Sequence[Attempted], config: ShortcutConfig
) -> Audit:
    golds = {attempt.question_id: attempt.gold for attempt in members}
    scored = [attempt for attempt in members if attempt.outcome is not Scored.UNSCORED]
    answers = Counter(golds[name] for name in {attempt.question_id for attempt in scored})
    chance = max(answers.values(), default=0) / max(1, sum(answers.values()))
    rate = clustered(scored)
    limit = chance + config.tolerance
    outcome = Outcome.NO_VERDICT
    if rate.n and rate.low > limit:
        outcome = Outcome.FAIL
    elif rate.n and rate.high <= limit:
        outcome = Outcome.PASS
    return Audit(
        style=style,
        hop_count=hops,
        view=view,
        questions=len(golds),
        attempts=len(members),
        unscored=len(members) - len(scored),
        accuracy=rate.share,
        low=rate.low,
        high=rate.high,
        chance=chance,
        outcome=outcome,
    )


def clustered(attempts: Sequence[Attempted]) -> Interval:
    """Returns the accuracy with a Wilson interval over the number of independent attempts that say as much."""
    per_question: dict[str, list[int]] = defaultdict(list)
    for attempt in attempts:
        per_question[attempt.question_id].append(attempt.outcome is Scored.CORRECT)
    n = sum(len(hits) for hits in per_question.values())
    if not n:
        return Interval(0.0, 0.0, 1.0, 0)
    share = sum(sum(hits) for hits in per_question.values()) / n
    clusters = len(per_question)
    effective = float(n)
    if clusters > 1 and 0 < share < 1:
        spread = sum((sum(hits) - share * len(hits)) ** 2 for hits in per_question.values())
        variance = clusters / (clusters - 1) * spread / n**2
        if variance > 0:
            effective = min(float(n), share * (1 - share) / variance)
    else:
        effective = float(clusters)
    return _wilson(share, effective, n)


def _wilson(share: float, n: float, counted: int) -> Interval:
    """Returns the Wilson interval of a share of an effective number of trials, which need not be whole."""
    z = Z95
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
    return Interval(share, min(low, share), max(high, share), counted)
