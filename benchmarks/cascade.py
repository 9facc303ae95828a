"""The cascade against planted defects: what is caught where, what gets through, and what it costs.

A scripted stand-in writes questions with known error rates about rendered scenes; another one judges with known error
rates of its own. Nothing here says how well any model does; it says what the factory does with models that err so.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.plan import Plan
from benchmarks.rendered import LAYOUT
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
from pipelines.scenes import write_scenes
from pipelines.segmenter_option import with_segmenter
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
SCENES = 640
"""So many that none wrong among the published, two for three scenes, shows less than 1%."""
_STAGES = ("compose", "check", "blind", "solve", "rubric", "route: no verdict", "route: quota", "published")
_KINDS = ("good", "wrong", "ambiguous", "give_away", "unreadable")


class Fate(NamedTuple):
    """What became of one written question."""

    kind: str
    stage: str
    """Where it ended."""
    is_true: bool
    """Its answer is the one answer of its words."""


def run(plan: Plan) -> Iterator[Table]:
    """Yields what was caught where, and what each stage cost."""
    scenes = plan.scenes or (8 if plan.quick else SCENES)
    fates, dataset = measure(plan.scratch / "cascade", scenes)
    yield _fate_table(fates, scenes, plan.quick)
    yield _cost_table(dataset)


def measure(folder: Path, scenes: int, per_image: int = 8) -> tuple[list[Fate], Dataset]:
    """Returns the fate of every written question, and the dataset that tells it."""
    annotations = write_scenes(folder / "scenes", scenes, 3, LAYOUT)
    images = annotations.parent / "images"
    config = with_segmenter(load_profile("default"), None, None, annotated=True)
    known = RunOptions(folder / "known", config, images, annotations)
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


def _fates(dataset: Dataset, planted: dict[tuple[str, int], Planted]) -> Iterator[Fate]:
    """Yields the fate of every written question of every picture; replies that are none have a drop of their own."""
    claims: dict[str, dict[int, Planted]] = defaultdict(dict)
    for (text, claimed), what in planted.items():
        claims[text][claimed] = what
    with connect(dataset) as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        images = [row[0] for row in rows("select image_id from images")]
        ends = {row[0]: row[1:] for row in rows("select id, stage, reason, detail from drops where stage <> 'publish'")}
        answers = dict(rows("select question_id, answer from questions"))
        shipped = {row[0] for row in rows("select question_id from decisions where route = 'accept'")}
        lost = rows("select id from drops where stage = 'compose' and reason in ('unreadable_reply', 'no_reply')")
    for text, said in claims.items():
        for image_id in images:
            question_id = written_id_of(image_id, text)
            if question_id in shipped or question_id in ends:
                yield _fate(said, answers.get(question_id), ends.get(question_id))
    yield from (Fate("malformed", "compose", False) for _ in lost)


def _fate(claims: dict[int, Planted], answer: int | None, end: tuple[Any, ...] | None) -> Fate:
    """Returns the fate of one text: it stands with the answer that it was kept with, or dropped with."""
    if answer is None and end is not None and (said := _SAID.search(end[2])):
        answer = int(said[1])
    what = claims.get(-1 if answer is None else answer) or next(iter(claims.values()))
    if end is None:
        return Fate(what.kind, "published", answer == what.true)
    place = {"over_quota": "route: quota", "no_verdict": "route: no verdict"}.get(end[1], end[0])
    return Fate(what.kind, place, answer == what.true)


def _fate_table(fates: list[Fate], scenes: int, quick: bool) -> Table:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for fate in fates:
        found[fate.kind][fate.stage] += 1
    rows = []
    for kind in (*_KINDS, "malformed"):
        ends = found[kind]
        rows.append((kind, str(sum(ends.values())), *(str(ends[stage]) for stage in _STAGES)))
    passed = [fate for fate in fates if fate.stage in ("published", "route: quota")]
    published = [fate for fate in passed if fate.stage == "published"]
    wrong = [wilson(sum(not fate.is_true for fate in group), len(group)) for group in (published, passed)]
    good = sum(found["good"].values())
    sound = [wilson(sum(fate.kind == "good" for fate in group), good) for group in (published, passed)]
    met = None if quick else all(rate.high <= MOST_WRONG for rate in wrong)
    notes = (
        f"wrong among the published: {wrong[0].text}; among all that passed every judge: {wrong[1].text}; "
        f"target: the upper end at most {MOST_WRONG:.0%}: {verdict_text(met)}",
        f"published that give their answer away: {sum(fate.kind == 'give_away' for fate in published)}",
        f"yield: {sound[1].text} of the sound questions pass every judge; {sound[0].text} are published, "
        "which is fewer the smaller the dataset is: answers are balanced",
    )
    title = f"What becomes of written questions, by what is wrong with them ({scenes} rendered scenes, no people)"
    return Table(title, ("written", "in", *_STAGES), rows, notes)


_SAID = re.compile(r"the model says (\d+)")


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
