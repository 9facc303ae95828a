"""Decide: whether people's answers to a question settle it, and whether another label is worth asking for.

In: the votes on one question, one per annotator, in the order they came. Out: a ruling: confirmed, rejected, or open
with the number of labels that are still missing. Labels stop as soon as nothing they could say would change the
outcome.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from schemas.annotation import HumanVerdict, Kind, Standing
from schemas.record import Record

VERSION = 1


class DecideConfig(Record):
    """The rule."""

    rule: Literal["unanimous-4", "unanimous-2", "first-to-k", "posterior"] = "unanimous-4"
    k: int = Field(default=2, ge=1)
    """first-to-k: so many equal answers decide."""
    p: float = Field(default=0.95, gt=0.5, lt=1)
    """posterior: confirmed from this probability on that the question's answer is right."""
    low: float = Field(default=0.1, ge=0, lt=0.5)
    """posterior: rejected from this probability on downwards."""
    most_labels: int = Field(default=4, ge=1)
    """first-to-k and posterior: more labels than these are not asked for."""
    must_match: bool = True
    """Confirmed only with the number that the question already has; otherwise people's own number stands."""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.rule == "first-to-k" and self.k > self.most_labels:
            raise ValueError(f"k is {self.k}, and at most {self.most_labels} labels are asked for")
        return self

    @property
    def name(self) -> str:
        """The rule with its number, as it is written into rows."""
        return {"first-to-k": f"first-to-{self.k}", "posterior": f"posterior>={self.p:g}"}.get(self.rule, self.rule)


class Vote(NamedTuple):
    """What one annotator last said."""

    annotator: str
    kind: Kind
    verdict: HumanVerdict | None
    answer: int | None


class Ruling(NamedTuple):
    """What follows."""

    standing: Standing
    answer: int | None
    reason: str
    wanted: int
    """Labels still needed at least; 0 once decided."""


def decide(votes: Sequence[Vote], own: int | None, config: DecideConfig, posterior: float | None = None) -> Ruling:
    """Returns the ruling on a question whose own answer is ``own``, None where it has none.

    ``posterior`` is the probability that ``own`` is right given the votes; only its rule reads it. Raises ValueError
    where that rule is not given one.
    """
    if config.rule == "posterior":
        if posterior is None:
            raise ValueError("the rule posterior needs the posterior")
        return _by_posterior(votes, own, config, posterior)
    if config.rule == "first-to-k":
        return _first_to(votes, own, config)
    return _unanimous(votes, own, config, int(config.rule[-1]))


def decide_in_full(votes: Sequence[Vote], own: int | None, config: DecideConfig, labels: int = 4) -> Ruling:
    """Returns the unanimous ruling of all ``labels`` annotators, open until each has spoken: for audits."""
    if len(votes) < labels:
        return Ruling(Standing.OPEN, None, f"{len(votes)} of {labels} labels", labels - len(votes))
    return _unanimous(votes, own, config, labels)


def _unanimous(votes: Sequence[Vote], own: int | None, config: DecideConfig, needed: int) -> Ruling:
    answers: list[int] = []
    for vote in votes:
        objection = _objection(vote)
        if objection:
            return _reject(f"{objection} after {len(answers)} answers")
        answers.append(_number(vote))
    if len(set(answers)) > 1:
        return _reject(f"answers differ: {_listed(answers)}")
    if answers and config.must_match and own is not None and answers[0] != own:
        return _reject(f"people answered {answers[0]}, the question says {own}")
    if len(answers) >= needed:
        return _confirm(answers[0], f"{len(answers)} agree")
    return Ruling(Standing.OPEN, None, f"{len(answers)} of {needed} agree", needed - len(answers))


def _first_to(votes: Sequence[Vote], own: int | None, config: DecideConfig) -> Ruling:
    """Goes by the votes in the order they came: one that comes after the decision does not change it."""
    ruling = _after(votes[:0], own, config)
    for count in range(1, len(votes) + 1):
        if ruling.standing is Standing.OPEN:
            ruling = _after(votes[:count], own, config)
    return ruling


def _after(votes: Sequence[Vote], own: int | None, config: DecideConfig) -> Ruling:
    """Returns the ruling of first-to-k where the votes before the last one have not decided."""
    counts = Counter(
        vote.answer if vote.verdict is HumanVerdict.VALID else None for vote in votes if vote.kind is Kind.ANSWER
    )
    left = max(0, config.most_labels - len(votes))
    for answer, count in counts.most_common(1):
        if count < config.k:
            continue
        if answer is None:
            return _reject(f"{count} say that it cannot be answered")
        if config.must_match and own is not None and answer != own:
            return _reject(f"{count} people answered {answer}, the question says {own}")
        return _confirm(answer, f"{count} agree")
    candidates = [own] if config.must_match and own is not None else [a for a in counts if a is not None] + [None]
    most = max(counts[answer] for answer in candidates)
    if most + left < config.k:
        return _reject(f"no {config.k} of {config.most_labels} can agree any more")
    return Ruling(Standing.OPEN, None, f"{most} of {config.k} agree", config.k - most)


def _by_posterior(votes: Sequence[Vote], own: int | None, config: DecideConfig, posterior: float) -> Ruling:
    said = [vote for vote in votes if vote.kind is Kind.ANSWER]
    agreeing = sum(vote.verdict is HumanVerdict.VALID and vote.answer == own for vote in said)
    text = f"probability {posterior:.4f} after {len(votes)} labels"
    if agreeing and posterior >= config.p:
        return _confirm(own, text)
    if said and posterior <= config.low:  # where everybody skipped it is no person's word
        return _reject(text)
    if len(votes) >= config.most_labels:
        return _reject(f"undecided: {text}")
    return Ruling(Standing.OPEN, None, text, 1)


def _objection(vote: Vote) -> str | None:
    """Returns why a vote is no number."""
    if vote.kind is Kind.SKIP:
        return "skipped"
    if vote.verdict is not HumanVerdict.VALID:
        return "no verdict" if vote.verdict is None else vote.verdict.value
    return None


def _number(vote: Vote) -> int:
    if vote.answer is None:
        raise ValueError(f"a valid vote of {vote.annotator} has no number")
    return vote.answer


def _listed(answers: Sequence[int]) -> str:
    return ", ".join(str(answer) for answer in answers)


def _confirm(answer: int | None, reason: str) -> Ruling:
    return Ruling(Standing.CONFIRMED, answer, reason, 0)


def _reject(reason: str) -> Ruling:
    return Ruling(Standing.REJECTED, None, reason, 0)
