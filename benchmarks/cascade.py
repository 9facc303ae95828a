"""The cascade against planted defects: what is caught where, what gets through, and what it costs.

A scripted stand-in writes questions with known error rates about rendered scenes; another one judges with known error
rates of its own. Nothing here says how well any model does; it says what the factory does with models that err so.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.plan import Plan
from benchmarks.scripted_answers.book import book_of_dataset
from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_answers.stand_in import Planted, StandIn
from benchmarks.scripted_server.script import Manner
from benchmarks.scripted_server.server import ScriptedServer
from benchmarks.table import Table, verdict_text
from pipelines.cascade_table import cascade_rows
from pipelines.catalog import connect
from pipelines.cli_models import model_flags
from pipelines.config import load_profile
from pipelines.model_choice import with_models
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.scene_source import render_scenes
from pipelines.store import Dataset
from schemas.program import written_id_of
from stages.intervals import wilson

RATES = Rates(
    wrong=0.30,
    ambiguous=0.10,
    give_away=0.10,
    malformed=0.05,
    unreadable=0.05,
    own_words=0.5,
    skill=0.7,
    spread=0.6,
    parser_wrong=0.05,
    parser_lost=0.05,
    judge_misses=0.10,
    judge_false_alarms=0.05,
    colour_errors=0.02,
    invented=0.2,
    poor=0.05,
    coarse_misses=0.1,
)
MOST_WRONG = 0.01
_STAGES = ("compose", "check", "blind", "solve", "rubric", "route: no verdict", "route: quota", "published")
_KINDS = ("good", "wrong", "ambiguous", "give_away", "unreadable")


class Fate(NamedTuple):
    """What became of one written question."""

    kind: str
    stage: str
    """Where it ended."""
    is_true: bool
    """What was published is the true answer of unambiguous words."""


def run(plan: Plan) -> Iterator[Table]:
    """Yields what was caught where, and what each stage cost."""
    scenes = 10 if plan.quick else 90
    fates, dataset = measure(plan.scratch / "cascade", scenes)
    yield _fate_table(fates, scenes, plan.quick)
    yield _cost_table(dataset)


def measure(folder: Path, scenes: int, per_image: int = 8) -> tuple[list[Fate], Dataset]:
    """Returns the fate of every written question, and the dataset that tells it."""
    render_scenes(folder / "scenes", scenes, 3, load_profile("default"), 1)
    images, annotations = folder / "scenes" / "images", folder / "scenes" / "instances.json"
    known = RunOptions(folder / "known", load_profile("default"), images, annotations)
    produce_plain(known)
    book = book_of_dataset(Dataset.open(folder / "known"), images)
    profile = load_profile("hopchain")
    compose = profile.compose.model_copy(update={"per_image": per_image})
    route = profile.route.model_copy(update={"per_image": per_image})
    profile = profile.model_copy(update={"compose": compose, "route": route, "people": False})
    writer, arbiter = StandIn(RATES), StandIn(RATES)
    with (
        ScriptedServer(writer.answers(), book, manner=Manner(model="small-writer")) as first,
        ScriptedServer(arbiter.answers(), book, manner=Manner(model="arbiter", seed=1)) as second,
    ):
        config = with_models(profile, model_flags([[first.url], [second.url], None, None], [None] * 4))
        produce_plain(RunOptions(folder / "out", config, images, annotations))
    dataset = Dataset.open(folder / "out")
    return list(_fates(dataset, writer.planted)), dataset


def _fates(dataset: Dataset, planted: dict[str, Planted]) -> Iterator[Fate]:
    """Yields the fate of every readable question; replies that are none have a drop of their own."""
    with connect(dataset) as connection:
        images = [row[0] for row in connection.execute("select image_id from images").fetchall()]
        ends = {
            row[0]: (row[1], row[2])
            for row in connection.execute("select id, stage, reason from drops where stage <> 'publish'").fetchall()
        }
        shipped = dict(
            connection.execute(
                "select question_id, answer from questions join decisions using (question_id) where route = 'accept'"
            ).fetchall()
        )
        lost = connection.execute(
            "select count(*) from drops where stage = 'compose' and reason in ('unreadable_reply', 'no_reply')"
        ).fetchall()[0][0]
    for text, what in planted.items():
        for image_id in images:
            question_id = written_id_of(image_id, text)
            if question_id in shipped:
                yield Fate(what.kind, "published", shipped[question_id] == what.true)
            elif question_id in ends:
                stage, reason = ends[question_id]
                place = {"over_quota": "route: quota", "no_verdict": "route: no verdict"}.get(reason, stage)
                yield Fate(what.kind, place, False)
    yield from (Fate("malformed", "compose", False) for _ in range(lost))


def _fate_table(fates: list[Fate], scenes: int, quick: bool) -> Table:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for fate in fates:
        found[fate.kind][fate.stage] += 1
    rows = []
    for kind in (*_KINDS, "malformed"):
        ends = found[kind]
        rows.append((kind, str(sum(ends.values())), *(str(ends[stage]) for stage in _STAGES)))
    published = [fate for fate in fates if fate.stage == "published"]
    bad = sum(not fate.is_true or fate.kind in ("wrong", "ambiguous") for fate in published)
    leaks = sum(fate.kind == "give_away" for fate in published)
    rate, good = wilson(bad, len(published)), sum(found["good"].values())
    sound = wilson(sum(fate.kind == "good" for fate in published), good)
    kept = sum(found["good"][stage] for stage in ("published", "route: quota"))
    share = wilson(kept, good)
    target = verdict_text(rate.share <= MOST_WRONG) if not quick else "not judged"
    notes = (
        f"{scenes} scenes; of {len(published)} published {bad} are wrong: {rate.text}; target at most 1%: {target}",
        f"{leaks} published questions give their answer away",
        f"yield: {sound.text} of the sound questions are published, {share.text} pass every judge",
    )
    return Table("; ".join(notes), ("written", "in", *_STAGES), rows)


def _cost_table(dataset: Dataset) -> Table:
    rows = [
        (
            row.stage,
            f"{row.taken:,} {row.unit}",
            f"{row.kept:,}",
            f"{row.calls:,}",
            f"{row.input_tokens:,}",
            f"{row.output_tokens:,}",
            f"{row.seconds:.1f}",
            f"{row.saved:,}",
        )
        for row in cascade_rows(dataset)
    ]
    head = ("stage", "in", "out", "calls", "input tokens", "output tokens", "seconds", "calls saved")
    return Table("What each stage asks; saved: against judging everything that was written", head, rows)
