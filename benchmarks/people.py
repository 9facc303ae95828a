"""People: labels spent per kept question, simulated with planted errors, by the code that decides for real."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.people_simulated import Population, make_population
from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from pipelines.people.fit import Labelled, Targets, fit_model
from pipelines.people.posterior import Label, posteriors
from schemas.annotation import Kind, Standing
from schemas.reward_model import RewardModel
from stages.decide import DecideConfig, Vote, decide, decide_in_full
from stages.dispatch import DispatchConfig, Waiting, dispatch
from stages.reward_model import FEATURES, probabilities, route_by

MOST_LABELS = 2.0
MOST_ERROR = 0.01
SEEDS = (1, 2, 3)
GOLD_SHARE = 0.05
AUDIT = 0.05
BATCHES = 5
"""The model is fitted again after each batch of candidates."""
POSTERIOR = DecideConfig(rule="posterior", p=0.95, low=0.1, most_labels=4)


class Spent(NamedTuple):
    """What a way of asking costs and yields."""

    labels: int
    """Gold and audits included."""
    kept: int
    wrong: int
    """Kept questions whose number is not the true one."""
    sound: int
    """Sound questions there were."""

    @property
    def per_kept(self) -> float:
        """Labels per kept question."""
        return self.labels / max(self.kept, 1)


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of labels per kept question."""
    count, seeds = (600, SEEDS[:1]) if plan.quick else (5_000, SEEDS)
    ways: Mapping[str, Callable[[Population], Spent]] = {
        "all four, unanimous": fixed_four,
        "unanimous-4, in sequence": lambda population: sequential(population, DecideConfig(rule="unanimous-4")),
        "unanimous-2, in sequence": lambda population: sequential(population, DecideConfig(rule="unanimous-2")),
        "first-to-2 of 4": lambda population: sequential(population, DecideConfig(rule="first-to-k", k=2)),
        "posterior >= 0.95": lambda population: sequential(population, POSTERIOR),
        "reward model, then posterior": routed,
    }
    populations = [make_population(count, seed) for seed in seeds]
    rows = []
    for name, way in ways.items():
        found = [way(population) for population in populations]
        total = Spent(*(sum(values) for values in zip(*found, strict=True)))
        worst = max(spent.wrong / max(spent.kept, 1) for spent in found)
        good = total.per_kept <= MOST_LABELS and worst <= MOST_ERROR
        judged = None if plan.quick or not name.startswith("reward") else good
        rows.append(
            (
                name,
                f"{total.per_kept:.2f}",
                f"{total.wrong / max(total.kept, 1):.2%}",
                f"{worst:.2%}",
                f"{(total.kept - total.wrong) / total.sound:.0%}",
                verdict_text(judged),
            )
        )
    notes = (
        f"{count:,} candidates, of which {populations[0].assumptions.wrong_share:.0%} are planted wrong, "
        f"seeds {', '.join(map(str, seeds))}; assumptions in docs/people.md.",
        f"Target: at most {MOST_LABELS} labels per kept question with at most {MOST_ERROR:.0%} wrong among the kept, "
        "for every seed. Labels include gold, and audits where a model accepts unseen.",
    )
    headings = ("way of asking", "labels per kept", "wrong kept", "worst seed", "sound kept", "")
    yield Table("People: labels per kept question", headings, rows, notes)


def fixed_four(population: Population) -> Spent:
    """All annotators are asked, whatever they say."""
    config = DecideConfig()
    kept = [
        question.sound
        for index, question in enumerate(population.questions)
        if decide_in_full(_votes(population, index), question.own, config).standing is Standing.CONFIRMED
    ]
    return _spent(population, 4 * len(population.questions), kept)


def sequential(population: Population, config: DecideConfig) -> Spent:
    """One label at a time, until the rule is satisfied."""
    state = _State(population)
    state.ask(range(len(population.questions)), config, {})
    return _spent(population, state.labels, state.kept())


def routed(population: Population) -> Spent:
    """In batches: the model, fitted to what was decided, accepts, drops, or gives people's votes a prior."""
    state = _State(population)
    model: RewardModel | None = None
    for batch in np.array_split(np.arange(len(population.questions)), BATCHES):
        priors: dict[str, float] = {}
        asked = [int(index) for index in batch]
        if model is not None:
            found = probabilities(model, population.rows[batch])
            names = [population.questions[index].question_id for index in asked]
            priors = dict(zip(names, found.tolist(), strict=True))
            routes = dict(zip(asked, route_by(model, found), strict=True))
            state.settle(routes)
            asked = [index for index in asked if index not in state.standing]
        state.ask(asked, POSTERIOR, priors)
        model = _learn(population, state, model)
    return _spent(population, state.labels, state.kept())


class _State:
    """What was asked so far and what came of it."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.votes: dict[int, list[Vote]] = {}
        self.standing: dict[int, Standing] = {}
        self.unseen: set[int] = set()
        self.labels = 0

    def ask(self, indices: "range | list[int]", config: DecideConfig, priors: Mapping[str, float]) -> None:
        """Asks one label of every open question, round by round."""
        self.votes |= {index: [] for index in indices}
        while waiting := [index for index in indices if index not in self.standing]:
            self._ask_round(waiting)
            believed = self._believed(priors) if config.rule == "posterior" else {}
            for index in waiting:
                question = self.population.questions[index]
                ruling = decide(self.votes[index], question.own, config, believed.get(question.question_id, 0.5))
                if ruling.standing is not Standing.OPEN:
                    self.standing[index] = ruling.standing
                elif len(self.votes[index]) == len(self.population.annotators):
                    self.standing[index] = Standing.REJECTED

    def settle(self, routes: "Mapping[int, str]") -> None:
        """Takes the model's word, and audits a share of it with all four."""
        config = DecideConfig()
        for index, route in routes.items():
            if route == "people":
                continue
            question = self.population.questions[index]
            accepted = route == "accept"
            self.standing[index] = Standing.CONFIRMED if accepted else Standing.REJECTED
            self.unseen.add(index)
            if hash_share(question.question_id) < AUDIT:
                self.votes[index] = _votes(self.population, index)
                self.labels += len(self.votes[index])
                self.standing[index] = decide_in_full(self.votes[index], question.own, config).standing
                self.unseen.discard(index)

    def kept(self) -> list[bool]:
        """Returns for each kept question whether it is sound."""
        names = (index for index, standing in self.standing.items() if standing is Standing.CONFIRMED)
        return [self.population.questions[index].sound for index in names]

    def _ask_round(self, waiting: list[int]) -> None:
        questions = self.population.questions
        places = {questions[index].question_id: index for index in waiting}
        open_ones = [
            Waiting(name, frozenset(vote.annotator for vote in self.votes[index]), 0, 1, False, 0.0)
            for name, index in places.items()
        ]
        queues = dict.fromkeys(self.population.annotators, 0)
        for name, annotator in dispatch(open_ones, queues, DispatchConfig(queue=len(questions)), self.population.seed):
            self.votes[places[name]].append(self.population.vote(places[name], annotator))
            self.labels += 1

    def _believed(self, priors: Mapping[str, float]) -> dict[str, float]:
        questions = self.population.questions
        labels = [
            Label(questions[index].question_id, vote.annotator, vote.answer == questions[index].own)
            for index, votes in self.votes.items()
            for vote in votes
            if vote.kind is Kind.ANSWER
        ]
        per_annotator = int(GOLD_SHARE * self.labels / len(self.population.annotators))
        gold = [
            Label(f"gold {number} {name}", name, self.population.gold(number, name))
            for name in self.population.annotators
            for number in range(per_annotator)
        ]
        return posteriors(labels, gold, priors)[0]


def hash_share(name: str) -> float:
    """Returns a fixed random number in [0, 1)."""
    from pipelines.people.candidates import share_of

    return share_of(0, "audit", name)


def _learn(population: Population, state: _State, before: RewardModel | None) -> RewardModel:
    decided = [index for index in state.standing if index not in state.unseen]
    names = tuple(population.questions[index].question_id for index in decided)
    agreed = np.array([state.standing[index] is Standing.CONFIRMED for index in decided], dtype=np.bool_)
    data = Labelled(names, names, population.rows[decided], agreed)
    model = fit_model(data, FEATURES, Targets(error=MOST_ERROR, lost=0.02), before, "")
    return model if model.adopted or before is None else before


def _votes(population: Population, index: int) -> list[Vote]:
    return [population.vote(index, annotator) for annotator in population.annotators]


def _spent(population: Population, labels: int, kept: list[bool]) -> Spent:
    sound = sum(question.sound for question in population.questions)
    return Spent(round(labels / (1 - GOLD_SHARE)), len(kept), kept.count(False), sound)
