"""Learn: fit the reward model to what people have decided so far, and let it say what they need not be asked.

DATASET/_people/models/0001.json   one file per round, never changed; the last adopted one is used
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from annotation.journal import Journal, open_journal
from pipelines.errors import UserError
from pipelines.parts import digest_of, write_exclusively
from pipelines.people.candidates import share_of
from pipelines.people.config import FOLDER, PeopleConfig, read_config
from pipelines.people.features import read_features
from pipelines.people.fit import Labelled, Targets, fit_model
from pipelines.people.posterior import posteriors_of
from pipelines.people.votes import Over, read_record, rule_on
from pipelines.store import Dataset
from schemas.annotation import PeopleDecision, Standing
from schemas.decision import Route
from schemas.reward_model import RewardModel
from stages.reward_model import FEATURES, VERSION, probabilities, route_by

MODELS = "models"
EXPLORE = 0.3
"""Share of the questions that are asked for what can be learned from them rather than for what they may yield."""


class Triage(NamedTuple):
    """What the model says of one question."""

    question_id: str
    probability: float
    route: Route
    audited: bool
    """It goes to people nevertheless, to all four: a random share of what would not be asked."""


def learn(root: Path, targets: Targets) -> RewardModel:
    """Fits the next model to the dataset's decided questions, stores and returns it. The same labels give no new round.

    Raises:
        UserError: nobody has decided enough yet.
    """
    dataset = Dataset.open(root)
    folder = root / FOLDER / MODELS
    if not (root / FOLDER / "journal.sqlite3").exists():
        raise UserError(f"{root}: no question is in front of people yet")
    with open_journal(root / FOLDER) as journal:
        decided = [d for d in _decide(journal) if d.standing is not Standing.OPEN]
    data = _labelled(dataset, {d.question_id: d.standing is Standing.CONFIRMED for d in decided})
    digest = digest_of(*zip(data.ids, data.agreed.tolist(), strict=True), targets, FEATURES, VERSION)
    history = read_models(folder)
    if history and history[-1].labels_digest == digest:
        return history[-1]
    model = fit_model(data, FEATURES, targets, current_model(folder), digest)
    model = model.model_copy(update={"version": len(history) + 1})
    write_exclusively(folder / f"{model.version:04d}.json", (model.model_dump_json(indent=1) + "\n").encode())
    return model


def read_models(folder: Path) -> tuple[RewardModel, ...]:
    """Returns the models of all rounds, oldest first.

    Raises:
        UserError: a file is no reward model.
    """
    models = []
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            models.append(RewardModel.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError, ValueError) as error:
            raise UserError(f"{path} is no reward model ({type(error).__name__})") from error
    return tuple(models)


def current_model(folder: Path) -> RewardModel | None:
    """Returns the last model that was adopted."""
    return next((model for model in reversed(read_models(folder)) if model.adopted), None)


def triage(dataset: Dataset, model: RewardModel, config: PeopleConfig) -> tuple[Triage, ...]:
    """Returns what the model says of every question, by question id."""
    ids, _, rows = read_features(dataset)
    found = probabilities(model, rows)
    pairs = zip(ids, found.tolist(), route_by(model, found), strict=True)
    return tuple(
        Triage(name, value, route, share_of(config.seed, "model audit", name) < config.audit)
        for name, value, route in pairs
    )


def priorities(verdicts: Sequence[Triage], seed: int) -> Mapping[str, float]:
    """Returns what to ask next: most likely good ones first, among them a share of those that teach most."""
    found = {}
    for verdict in verdicts:
        explores = share_of(seed, "explore", verdict.question_id) < EXPLORE
        found[verdict.question_id] = 1 - abs(2 * verdict.probability - 1) if explores else verdict.probability
    return found


def _decide(journal: Journal) -> list[PeopleDecision]:
    """Returns people's own decisions; those of a reward model are nothing to learn from."""
    config, record, rulings = read_config(journal), read_record(journal), journal.rulings()
    ruled = {ruling.question_id for ruling in rulings}
    posteriors = posteriors_of(record) if config.decide.rule == "posterior" else {}
    over = Over(rulings, posteriors)
    return [rule_on(b, config, over) for b in record.ballots if b.votes or b.candidate.question_id in ruled]


def _labelled(dataset: Dataset, outcomes: Mapping[str, bool]) -> Labelled:
    ids, images, rows = read_features(dataset)
    chosen = np.array([name in outcomes for name in ids], dtype=np.bool_)
    agreed = np.array([outcomes.get(name, False) for name in ids], dtype=np.bool_)
    return Labelled(ids, images, rows, agreed).where(chosen)
