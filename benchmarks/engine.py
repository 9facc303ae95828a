"""Engine: certified questions per second and core, by hop count and over the default mix, on scenes of 5-12 objects."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import stages.synthesize
from benchmarks.guess_and_reject import certified_per_second
from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from benchmarks.timing import cpu_seconds, settled_collector
from schemas.program import Program
from schemas.question import Question
from schemas.scene import Scene
from stages.certify import CertifyConfig
from stages.sampling.draw import ShapeConfig
from stages.second_executor import ProgramRun, SecondExecutor
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene

MIXES: dict[str, dict[int, float]] = {
    **{str(hops): {hops: 1.0} for hops in (2, 3, 4, 5, 6)},
    "mix 3-6": ShapeConfig().hop_weights,
}
TARGETS = {"2": 3_000, "3": 2_000, "mix 3-6": 1_000}
"""Certified questions per second and core."""
HEADINGS = ("hops", "questions", "certified/s", "+ text, record/s", "+ SQL check/s", "guessing/s", "ratio")
JUDGED = ("hops", "target/s", "certified", "+ text, record", "+ SQL check")


class _Rates(NamedTuple):
    """Questions per processor second, each including what is left of it."""

    certified: float
    told: float
    checked: float


def run(plan: Plan) -> Iterator[Table]:
    """Yields the rates, then which targets they meet."""
    scenes = [random_scene(f"b{number}") for number in range(15 if plan.quick else 60)]
    configs = {name: _config(weights) for name, weights in MIXES.items()}
    for config in configs.values():
        _measure(scenes[:2], config)  # fills the caches of patterns and plurals
    counts: dict[str, int] = {}
    passes: dict[str, list[_Rates]] = {name: [] for name in configs}
    with settled_collector():
        for _ in range(1 if plan.quick else 3):
            for name, config in configs.items():
                counts[name], measured = _measure(scenes, config)
                passes[name].append(measured)
        budget = 0.5 if plan.quick else 4.0
        guessing = {name: certified_per_second(scenes, config, budget) for name, config in configs.items()}
    rates = {name: _Rates(*map(median, zip(*measured, strict=True))) for name, measured in passes.items()}
    rows = [_row(name, counts[name], rates[name], guessing[name]) for name in configs]
    yield Table("Engine: certified questions per second and core", HEADINGS, rows, _notes(plan, len(scenes)))
    judged = [_judged(name, target, rates[name]) for name, target in TARGETS.items()]
    note = "Met in a column: the work up to and including it is that fast."
    yield Table("Engine: targets", JUDGED, judged, (note,))


def _config(hop_weights: dict[int, float]) -> SynthesizeConfig:
    return SynthesizeConfig(
        per_image=24,
        oversample=1,
        variants=False,
        shapes=ShapeConfig(hop_weights=hop_weights),
        certify=CertifyConfig(min_hops=min(hop_weights), max_hops=max(hop_weights)),
    )


def _measure(scenes: Sequence[Scene], config: SynthesizeConfig) -> tuple[int, _Rates]:
    """Returns the number of questions and the rates of one pass; all three columns see the same programs."""

    def make() -> list[Question]:
        return [question for scene in scenes for question in synthesize(scene, config, 0, "bench").questions]

    with _without_telling():
        proving, proofs = cpu_seconds(make)
    telling, questions = cpu_seconds(make)
    if len(proofs) != len(questions):
        raise RuntimeError(f"{len(proofs)} programs certified without text, {len(questions)} with it")
    checking, _ = cpu_seconds(lambda: _check(scenes, questions))
    number = len(questions)
    return number, _Rates(number / proving, number / telling, number / (telling + checking))


@contextmanager
def _without_telling() -> Iterator[None]:
    """Lets certified programs be collected without wording them and without making records of them."""
    maker = stages.synthesize._Maker
    told: Callable[..., Any] = stages.synthesize._told
    question: Callable[..., Any] = maker._question
    stages.synthesize._told = lambda *_: None
    maker._question = lambda _self, _draft, proof, _telling, _ids: proof
    try:
        yield
    finally:
        stages.synthesize._told = told
        maker._question = question


def _check(scenes: Sequence[Scene], questions: Sequence[Question]) -> None:
    """Recomputes all answers in one batch.

    Raises:
        RuntimeError: an answer differs.
    """
    runs = [ProgramRun(question.image_id, Program.from_json(question.program)) for question in questions]
    with SecondExecutor(scenes) as executor:
        answers = executor.answers(runs)
    wrong = sum(answer != question.answer for answer, question in zip(answers, questions, strict=True))
    if wrong:
        raise RuntimeError(f"the second executor gives another answer to {wrong} of {len(questions)} questions")


def _row(name: str, count: int, rates: _Rates, guessing: float) -> tuple[str, ...]:
    ratio = f"{rates.certified / guessing:,.1f}x" if guessing else "-"
    return name, f"{count:,}", *(f"{rate:,.0f}" for rate in rates), f"{guessing:,.1f}", ratio


def _judged(name: str, target: int, rates: _Rates) -> tuple[str, ...]:
    return name, f"{target:,}", *(verdict_text(rate >= target) for rate in rates)


def _notes(plan: Plan, scenes: int) -> tuple[str, ...]:
    passes = "one pass" if plan.quick else "median of 3 passes"
    return (
        f"{scenes} scenes, 24 questions each, no variants; processor seconds, {passes}; each column includes the one "
        "before it.",
        "certified: scene index, search, execution, every mutation. Text, record: question, hops with evidence, trace.",
        "SQL check: all answers recomputed by the second executor in one batch.",
        "guessing: random programs of the same shapes through the same certifier; ratio: certified to guessing.",
    )
