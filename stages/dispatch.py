"""Dispatch: who is asked which question next.

In: the open questions with who was asked before, and how long each annotator's queue is. Out: assignments. A question
is asked of as few people at once as the configuration says, because the next answer may already decide it; the
annotator with the shortest queue comes first, and questions that are nearly decided come before fresh ones.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from schemas.record import Record

VERSION = 1


class DispatchConfig(Record):
    """How far ahead is asked."""

    queue: int = Field(default=20, ge=1)
    """Most unanswered questions in front of one annotator."""
    ahead: int = Field(default=1, ge=1)
    """Most labels of one question asked for at the same time: 1 spends fewest, 4 is over soonest."""


class Waiting(NamedTuple):
    """An open question."""

    question_id: str
    asked: frozenset[str]
    """Annotators who have it or answered it in this round."""
    outstanding: int
    """Of these, how many have not answered."""
    wanted: int
    """Labels still missing, with those that are outstanding."""
    in_full: bool
    """All labels are needed whatever they say: they may be asked for at once."""
    priority: float
    """Higher comes first."""


def dispatch(
    waiting: Sequence[Waiting], queues: Mapping[str, int], config: DispatchConfig, seed: int
) -> tuple[tuple[str, str], ...]:
    """Returns pairs of question id and annotator, in the order to be asked; independent of the order of ``waiting``."""
    load = dict(queues)
    assigned: list[tuple[str, str]] = []
    ordered = sorted(waiting, key=lambda w: (-w.priority, -len(w.asked), _ticket(seed, w.question_id)))
    for question in ordered:
        most = question.wanted if question.in_full else min(question.wanted, config.ahead)
        free = [name for name in load if name not in question.asked and load[name] < config.queue]
        free.sort(key=lambda name: (load[name], _ticket(seed, question.question_id, name)))
        for name in free[: max(0, most - question.outstanding)]:
            assigned.append((question.question_id, name))
            load[name] += 1
        if all(length >= config.queue for length in load.values()):
            break
    return tuple(assigned)


def _ticket(seed: int, *names: str) -> str:
    """A fixed random order."""
    return hashlib.sha256(f"{seed}:dispatch:{':'.join(names)}".encode()).hexdigest()
