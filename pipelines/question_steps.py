"""The steps from scenes to routed questions: synthesize and judge per shard, route over the whole dataset."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa

from pipelines.config import hash_config
from pipelines.engine import open_engine, parquet_source
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.scene_reader import by_image, scenes_of
from pipelines.tables import TABLES
from schemas.arrow import records_to_table
from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from schemas.question import Question
from schemas.scene import Scene
from schemas.stability import Stability
from schemas.verdict import Outcome as Said
from schemas.verdict import Verdict
from schemas.view_instance import ViewInstance
from stages.judge import judge as judge_questions
from stages.route import Candidate
from stages.route import route as route_candidates
from stages.synthesize import synthesize as synthesize_scene
from stages.view_solver import JUDGE as VIEWS
from stages.view_solver import solve_in_views, verdict_of

FAIL_REASONS = {
    "second_executor": DropReason.EXECUTORS_DISAGREE,
    "text_rules": DropReason.BAD_TEXT,
    VIEWS: DropReason.UNSTABLE_ANSWER,
}
"""Why a question is dropped that this judge fails; any other judge means `JUDGE_FAILED`."""
_DECISIONS_AT_ONCE = 4_096
"""Decisions that are records at a time; written ones wait as columns."""


def synthesize(job: Job) -> Outcome:
    """Scenes to certified questions. An image without a question has one drop that says why."""
    return make_questions(job, "questions")


def make_questions(job: Job, table: str) -> Outcome:
    """Draws certified questions into the table that is given."""
    ledger = Ledger(job.stage)
    config_hash = hash_config(job.config)
    questions: list[Question] = []
    for scene in scenes_of(job):
        image_id = scene.image.image_id
        ledger.take("images")
        result = ledger.attempt(
            image_id, partial(synthesize_scene, scene, job.config.synthesize, job.seed, config_hash)
        )
        if result is None:
            ledger.fail("images")
            continue
        ledger.keep("images", 1 if result.questions else 0)
        ledger.drop("images", [drop for drop in result.drops if drop.id == image_id])
        ledger.take("proposals", result.proposed)
        ledger.keep("proposals", len(result.questions))
        ledger.drop("proposals", [drop for drop in result.drops if drop.id != image_id])
        questions.extend(result.questions)
    return job.finish(ledger, {table: questions})


def judge(job: Job) -> Outcome:
    """Questions to verdicts. What any judge fails, or what lacks a verdict, is dropped."""
    ledger = Ledger(job.stage)
    questions = list(job.records("synthesize/questions", Question))
    asked = {question.image_id for question in questions}
    scenes = {scene.image.image_id: scene for scene in scenes_of(job) if scene.image.image_id in asked}
    ledger.take("questions", len(questions))
    stabilities = _solve_in_views(job, scenes, questions)
    verdicts = (*_judge_all(ledger, scenes, questions, job), *map(verdict_of, stabilities))
    of_question: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        of_question.setdefault(verdict.question_id, []).append(verdict)
    failed = {failure.id for failure in ledger.failures}
    for question in questions:
        if question.image_id in failed:
            ledger.fail("questions")
            continue
        drop = verdict_drop(question, of_question.get(question.question_id, []))
        if drop is None:
            ledger.keep("questions")
        else:
            ledger.drop("questions", [drop])
    return job.finish(ledger, {"verdicts": verdicts, "stabilities": stabilities})


def route(job: Job) -> Outcome:
    """Questions that passed every judge to decisions, with quotas over the whole dataset."""
    ledger = Ledger(job.stage)
    candidates = _read_candidates(job)
    ledger.take("questions", len(candidates))
    decisions = ledger.attempt("all questions", partial(route_candidates, candidates, job.config.route, job.seed))
    if decisions is None:
        ledger.fail("questions", len(candidates))
    pieces: dict[str, list[pa.Table]] = {"decisions": [], "drops": []}
    while rows := list(islice(decisions or (), _DECISIONS_AT_ONCE)):
        drops = [decision_drop(decision) for decision in rows if decision.route is Route.DROP]
        ledger.keep("questions", sum(decision.route is not Route.DROP for decision in rows))
        ledger.count_drops("questions", DropReason.OVER_QUOTA, len(drops))
        pieces["decisions"].append(records_to_table(rows, TABLES["decisions"].schema))
        pieces["drops"].append(records_to_table(drops, TABLES["drops"].schema))
    counts, writer = ledger.close(), job.writer()
    for table, parts in pieces.items():
        writer.add_rows(table, pa.concat_tables([TABLES[table].schema.empty_table(), *parts]), job.shard)
    return Outcome(counts, tuple(ledger.failures), writer.parts)


def verdict_drop(question: Question, verdicts: Iterable[Verdict]) -> Drop | None:
    """Returns why a question goes no further, None where every judge passed it. No verdict never passes."""
    said = sorted(verdicts, key=lambda verdict: verdict.judge)
    fails = [verdict for verdict in said if verdict.outcome is Said.FAIL]
    silent = [verdict for verdict in said if verdict.outcome is Said.NO_VERDICT]
    if said and not fails and not silent:
        return None
    if fails:
        reason = FAIL_REASONS.get(fails[0].judge, DropReason.JUDGE_FAILED)
        detail = "; ".join(f"{verdict.judge}: {verdict.reason}" for verdict in fails)
    else:
        reason = DropReason.NO_VERDICT
        detail = "; ".join(f"{verdict.judge}: {verdict.reason}" for verdict in silent) or "no judge said anything"
    return Drop(stage="judge", id=question.question_id, parent_id=question.image_id, reason=reason, detail=detail)


def _judge_all(
    ledger: Ledger, scenes: dict[str, Scene], questions: Sequence[Question], job: Job
) -> tuple[Verdict, ...]:
    """Returns all verdicts; where judging them together fails, image by image: one bad scene spoils no other."""
    if not questions:
        return ()
    together = Ledger(job.stage)
    work = partial(judge_questions, list(scenes.values()), questions, job.config.judge)
    verdicts = together.attempt("shard", work)
    if verdicts is not None:
        return verdicts
    found: list[Verdict] = []
    for image_id, members in by_image(questions).items():
        one = partial(judge_questions, [scenes[image_id]], members, job.config.judge)
        found.extend(ledger.attempt(image_id, one) or ())
    return tuple(found)


def _solve_in_views(job: Job, scenes: dict[str, Scene], questions: Sequence[Question]) -> list[Stability]:
    """Returns how the answers hold under the views of their pictures; none where nothing was looked at."""
    shown: dict[str, dict[str, list[ViewInstance]]] = {}
    for row in job.records("segment/views", ViewInstance):
        shown.setdefault(row.image_id, {}).setdefault(row.view, []).append(row)
    margins = job.config.judge.margins
    rows: list[Stability] = []
    for image_id, members in by_image(questions).items():
        rows += solve_in_views(scenes[image_id], shown.get(image_id, {}), members, margins)
    return rows


def decision_drop(decision: Decision) -> Drop:
    """Returns the drop of a question that the quotas leave out."""
    return Drop(
        stage="route",
        id=decision.question_id,
        parent_id=decision.image_id,
        reason=DropReason.OVER_QUOTA,
        detail=decision.reason,
    )


def _read_candidates(job: Job) -> list[Candidate]:
    """Returns the questions that every judge passed, ordered by id; only the columns that routing looks at."""
    questions, verdicts = job.paths("synthesize/questions"), job.paths("judge/verdicts")
    if not questions or not verdicts:
        return []
    columns = ", ".join(Candidate._fields)
    with open_engine(job.root) as engine:
        cursor = engine.execute(
            f"""
            with passed as (
                select question_id from {parquet_source(verdicts)}
                group by question_id having bool_and(outcome = 'pass')
            )
            select {columns} from {parquet_source(questions)} semi join passed using (question_id) order by question_id
            """
        )
        interned: dict[Any, Any] = {}
        candidates: list[Candidate] = []
        while rows := cursor.fetchmany(10_000):
            candidates.extend(Candidate._make(interned.setdefault(value, value) for value in row) for row in rows)
    return candidates
