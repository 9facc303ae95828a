"""All certificates of a question: the program's own, and those that judges and the dataset's balance gave later."""

from collections.abc import Iterable, Iterator

from schemas.decision import Decision, Route
from schemas.question import Certificate, Question
from schemas.verdict import Outcome, Verdict

BY_JUDGE = {"second_executor": "answer", "text_rules": "no_give_away"}
"""The certificates that judges give, by judge."""

NOT_BALANCED = ("people: ", "reward model: ")
"""How the reasons begin of decisions that people, or the reward model, made where routing had not accepted."""


def all_certificates(
    question: Question, verdicts: Iterable[Verdict], decision: Decision | None
) -> tuple[Certificate, ...]:
    """Returns what is known to be proved or disproved of a question; what nobody looked at is not there."""
    return (*question.certificates, *_judged(verdicts), *_balanced(decision))


def _judged(verdicts: Iterable[Verdict]) -> Iterator[Certificate]:
    for verdict in sorted(verdicts, key=lambda verdict: verdict.judge):
        name = BY_JUDGE.get(verdict.judge)
        if name is not None and verdict.outcome is not Outcome.NO_VERDICT:
            passed = verdict.outcome is Outcome.PASS
            said = f"passed by {verdict.judge}" if passed else f"failed by {verdict.judge}: {verdict.reason}"
            yield Certificate(name=name, passed=passed, detail=said)


def _balanced(decision: Decision | None) -> Iterator[Certificate]:
    if decision is not None and decision.reason.startswith(NOT_BALANCED):
        return
    if decision is not None and decision.route in (Route.ACCEPT, Route.DROP):
        yield Certificate(name="prior", passed=decision.route is Route.ACCEPT, detail=decision.reason)
