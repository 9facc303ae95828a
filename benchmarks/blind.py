"""Blind: how often a text model answers right without the picture, against chance.

Questions are made and routed as a run of the default profile makes them, on rendered scenes without paint; with
``--dataset`` also those of a finished dataset. Chance is the accuracy of always giving the most frequent answer that
routing aims at for the question's kind of finish: what balancing the answers leaves to anybody.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.blind_models import REFERENCES, Asked, predict_all
from benchmarks.plan import Plan
from benchmarks.rendered import unpainted_scene
from benchmarks.table import Table, verdict_text
from pipelines.catalog import ask
from pipelines.store import Dataset
from schemas.decision import Route
from schemas.question import Question, Variant
from stages.route import Candidate, RouteConfig, route
from stages.synthesize import SynthesizeConfig, synthesize
from stages.text_rules import bad_text, give_aways

WANTED = 10_000
SCENES = 3_300
"""Enough for that many accepted questions at 4 per image."""
ENOUGH = 5_000
"""With fewer questions the figures say little, and the target is not judged."""
MOST_ABOVE = 0.02
_RESAMPLES = 1_000
HEADINGS = ("kind of finish", "questions", "blind", "chance", "difference", "95% interval", "target", "")

_ACCEPTED = """
    select q.image_id, q.question, q.program, q.answer, q.cell
    from questions q join decisions d using (question_id)
    where d.route = 'accept' and q.variant = 'full' order by q.question_id
"""


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of fresh questions, then that of the dataset."""
    asked = _accepted(_make_all(120 if plan.quick else SCENES), WANTED)
    yield _report("Blind: questions on rendered scenes", asked)
    if plan.dataset is not None:
        yield _report(f"Blind: accepted questions of {plan.dataset}", read_accepted(plan.dataset))


def read_accepted(root: Path) -> list[Asked]:
    """Returns the accepted full questions of a dataset.

    Raises:
        UserError: the folder is no dataset.
    """
    with ask(Dataset.open(root), _ACCEPTED) as found:
        return [Asked(*row) for row in found.rows]


def _make_all(scenes: int) -> list[tuple[Candidate, Asked]]:
    """Returns the candidates of that many scenes that the text rules pass."""
    names = [f"blind:scene:{number}" for number in range(scenes)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return [candidate for found in pool.map(_make, names, chunksize=25) for candidate in found]


def _make(name: str) -> list[tuple[Candidate, Asked]]:
    config = SynthesizeConfig(variants=False)  # variants are routed after the full questions and change nothing here
    questions = synthesize(unpainted_scene(name), config, 0, "bench").questions
    return [_candidate(q) for q in questions if not any(give_aways(q)) and not any(bad_text(q.question))]


def _candidate(q: Question) -> tuple[Candidate, Asked]:
    candidate = Candidate(
        q.question_id, q.image_id, q.family_id, Variant(q.variant), q.shape, q.cell, q.answer, q.hop_count, q.margin
    )
    return candidate, Asked(q.image_id, q.question, q.program, q.answer, q.cell)


def _accepted(made: Sequence[tuple[Candidate, Asked]], most: int) -> list[Asked]:
    """Returns what routing accepts, in the order of the scenes."""
    decisions = route([candidate for candidate, _ in made], RouteConfig(), 0)
    accepted = {decision.question_id for decision in decisions if decision.route is Route.ACCEPT}
    return [asked for candidate, asked in made if candidate.question_id in accepted][:most]


def _report(title: str, asked: Sequence[Asked]) -> Table:
    answers = np.array([one.answer for one in asked])
    right = {name: answers == given for name, given in predict_all(asked).items()}
    models = [name for name in right if name not in REFERENCES]
    best = max(models, key=lambda name: right[name].mean())
    images = np.unique([one.image_id for one in asked], return_inverse=True)[1]
    kinds = np.array([one.kind for one in asked])
    rows = []
    for kind in sorted(set(kinds), key=lambda kind: -int((kinds == kind).sum())):
        here = kinds == kind
        rows.append(_row(kind, right[best][here], right["chance"][here], images[here]))
    above = float(right[best].mean() - right["chance"].mean())
    met = None if len(asked) < ENOUGH else above <= MOST_ABOVE
    overall = _row("all", right[best], right["chance"], images)
    rows.append((*overall[:-2], f"+{MOST_ABOVE * 100:.0f} points", verdict_text(met)))
    return Table(title, HEADINGS, rows, _notes(asked, right, best))


def _row(name: str, blind: NDArray[np.bool_], chance: NDArray[np.bool_], images: NDArray[np.int64]) -> tuple[str, ...]:
    low, high = _interval(blind.astype(float) - chance, images)
    return (
        name,
        f"{len(blind):,}",
        f"{blind.mean():.1%}",
        f"{chance.mean():.1%}",
        f"{(blind.mean() - chance.mean()) * 100:+.1f}",
        f"{low * 100:+.1f} to {high * 100:+.1f}",
        "",
        "",
    )


def _interval(differences: NDArray[np.float64], images: NDArray[np.int64]) -> tuple[float, float]:
    """Returns the middle 95% of the mean over resampled images: questions on one image are not independent."""
    places = np.unique(images, return_inverse=True)[1]
    sums, sizes = np.bincount(places, differences), np.bincount(places)
    drawn = np.random.default_rng(0).integers(0, len(sums), (_RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _notes(asked: Sequence[Asked], right: dict[str, NDArray[np.bool_]], best: str) -> tuple[str, ...]:
    models = ", ".join(f"{name} {hits.mean():.1%}" for name, hits in right.items() if name not in REFERENCES)
    return (
        f"{len(asked):,} full questions on {len({one.image_id for one in asked}):,} images, learnt from the half of "
        f"the images that is not asked about. Best model: {best}.",
        f"Of all questions: {models}; the most frequent answer {right['majority'].mean():.1%}.",
        "Chance is the most frequent answer that routing aims at for the kind; learnt from the other half, where "
        f"a quota makes rare what was frequent here, it is {right['learnt chance'].mean():.1%}.",
        "Difference in points, interval by resampling images.",
    )
