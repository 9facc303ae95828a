"""A population of questions and annotators, simulated: each assumption is a field here, told in docs/people.md."""

import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.annotation import HumanVerdict, Kind
from stages.decide import Vote
from stages.reward_model import FEATURES


class Assumptions(NamedTuple):
    """What is taken for granted."""

    wrong_share: float = 0.1
    """Questions whose own number is not the true one, or that have none."""
    ambiguous_share: float = 0.2
    """Of these, how many have no one true number."""
    near: float = 0.6
    """Wrong numbers, of questions and of annotators alike, that are off by one."""
    accuracy: tuple[float, ...] = (0.97, 0.95, 0.93, 0.90)
    """Of each annotator on a question of middling difficulty. With skips and objections about 0.90 of all labels on
    sound questions are their number."""
    difficulty: float = 0.5
    """Spread of difficulty, in log-odds: hard questions are hard for everybody."""
    skips: float = 0.01
    objections: float = 0.02
    """Sound questions that an annotator calls ambiguous."""
    noticed: float = 0.5
    """Ambiguous questions that an annotator calls so; otherwise they give the question's number or another, evenly."""
    signal: float = 1.6
    """How far the features of wrong questions lie from those of right ones, in spreads, spread over three of them."""


class Asked(NamedTuple):
    """One simulated question."""

    question_id: str
    own: int
    true: int | None
    """None where it is ambiguous."""
    difficulty: float

    @property
    def sound(self) -> bool:
        """Whether its own number is the true one."""
        return self.own == self.true


class Population(NamedTuple):
    """Simulated questions and what is known of them."""

    questions: tuple[Asked, ...]
    rows: NDArray[np.float64]
    assumptions: Assumptions
    seed: int

    @property
    def annotators(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"annotator {number}" for number in range(len(self.assumptions.accuracy)))

    def vote(self, index: int, annotator: str) -> Vote:
        """Returns what an annotator says of a question: the same whenever they are asked."""
        return _vote(self, self.questions[index], annotator)

    def gold(self, number: int, annotator: str) -> bool:
        """Returns whether an annotator solves a gold question, which is sound and of middling difficulty."""
        question = Asked(f"gold {number}", 5, 5, 0.0)
        vote = _vote(self, question, annotator)
        return vote.kind is Kind.ANSWER and vote.answer == 5


def make_population(count: int, seed: int, assumptions: Assumptions | None = None) -> Population:
    """Returns simulated questions with features."""
    assumed = assumptions or Assumptions()
    questions = []
    for number in range(count):
        rng = random.Random(f"{seed}:question:{number}")
        own, true = rng.randint(1, 9), None
        if rng.random() >= assumed.wrong_share:
            true = own
        elif rng.random() >= assumed.ambiguous_share:
            true = _another(own, rng, assumed)
        questions.append(Asked(f"q{number:05d}", own, true, rng.gauss(0, assumed.difficulty)))
    return Population(tuple(questions), _features(questions, assumed, seed), assumed, seed)


def _vote(population: Population, question: Asked, annotator: str) -> Vote:
    assumed = population.assumptions
    rng = random.Random(f"{population.seed}:vote:{question.question_id}:{annotator}")
    number = population.annotators.index(annotator)
    if rng.random() < assumed.skips:
        return Vote(annotator, Kind.SKIP, None, None)
    if rng.random() < (assumed.noticed if question.true is None else assumed.objections):
        return Vote(annotator, Kind.ANSWER, HumanVerdict.AMBIGUOUS, None)
    if question.true is None:
        said = question.own if rng.random() < 0.5 else _another(question.own, rng, assumed)
        return Vote(annotator, Kind.ANSWER, HumanVerdict.VALID, said)
    accuracy = assumed.accuracy[number]
    odds = accuracy / (1 - accuracy) * np.exp(-question.difficulty)
    said = question.true if rng.random() < odds / (1 + odds) else _another(question.true, rng, assumed)
    return Vote(annotator, Kind.ANSWER, HumanVerdict.VALID, said)


def _another(number: int, rng: random.Random, assumed: Assumptions) -> int:
    """Returns a wrong number near to the given one."""
    if rng.random() < assumed.near:
        return number + rng.choice((-1, 1))
    return rng.choice([other for other in range(10) if abs(other - number) > 1])


def _features(questions: list[Asked], assumed: Assumptions, seed: int) -> NDArray[np.float64]:
    """Returns ``(N, F)`` features: three tell something of whether the question is sound, the others nothing."""
    generator = np.random.default_rng(seed)
    sound = np.array([question.sound for question in questions])
    rows = generator.normal(size=(len(questions), len(FEATURES)))
    for name in ("margin", "solve_rate", "judge_score"):
        rows[:, FEATURES.index(name)] += sound * assumed.signal / np.sqrt(3)
    rows[generator.random(len(questions)) < 0.3, FEATURES.index("solve_rate")] = np.nan
    return rows
