"""The cascade: what is cheap judges first, and what failed once is never looked at again.

check (code) -> blind (text only) -> solve (pictures) -> rubric (a judge). Each step takes the questions that have a
verdict of every step before it and failed none, so in and out add up from step to step.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import NamedTuple

from pipelines.asking import Asker
from pipelines.domains import domain_of
from pipelines.job import Job, Outcome
from pipelines.ledger import Ledger
from pipelines.question_steps import verdict_drop
from pipelines.scene_reader import by_image, scenes_of
from schemas.calibration import Calibration
from schemas.drop import Drop, DropReason
from schemas.model_request import ModelRequest, ModelRole
from schemas.question import Question
from schemas.rollout import Rollout, View
from schemas.scene import Scene
from schemas.verdict import Outcome as Said
from schemas.verdict import Verdict
from stages.canaries import KINDS, plant_batch
from stages.judge import judge as judge_questions
from stages.parsing.reply import Unreadable
from stages.rubric import CLEAN, Case, Judgement, ask_judge, calibrate, case_of, distrust, read_judge, verdicts_of
from stages.scene_index import SceneIndex
from stages.solve import (
    ask_attempt,
    ask_caption,
    attempts_left,
    judge_blind,
    judge_solved,
    read_attempt,
    read_caption,
    tally,
)

QUESTIONS = ("paraphrase/questions", "compose/questions")
JUDGED = ("check/verdicts", "blind/verdicts", "solve/verdicts", "rubric/verdicts")


def questions_of(job: Job) -> list[Question]:
    """Returns the questions that earlier steps made, whatever way, ordered by id."""
    found = [one for name in QUESTIONS if name in job.inputs for one in job.records(name, Question)]
    return sorted({question.question_id: question for question in found}.values(), key=lambda one: one.question_id)


def survivors(job: Job) -> list[Question]:
    """Returns the questions with a verdict of every step before, none of them a fail."""
    left = questions_of(job)
    for name in JUDGED:
        if name in job.inputs:
            said = job.rows(name, ["question_id", "outcome"]).to_pylist()
            failed = {row["question_id"] for row in said if row["outcome"] == Said.FAIL}
            heard = {row["question_id"] for row in said} - failed
            left = [question for question in left if question.question_id in heard]
    return left


def check(job: Job) -> Outcome:
    """Questions to the verdicts of code. A question without a program has none on its answer, and stays."""
    ledger = Ledger(job.stage)
    questions = questions_of(job)
    ledger.take("questions", len(questions))
    asked = {question.image_id for question in questions}
    scenes = {scene.image.image_id: scene for scene in scenes_of(job) if scene.image.image_id in asked}
    verdicts: list[Verdict] = []
    for image_id, members in by_image(questions).items():
        work = partial(judge_questions, [scenes[image_id]], members, job.config.judge)
        found = ledger.attempt(image_id, work)
        if found is None:
            ledger.fail("questions", len(members))
            continue
        verdicts += found
        _book(ledger, members, found)
    return job.finish(ledger, {"verdicts": verdicts})


def _book(ledger: Ledger, questions: Sequence[Question], verdicts: Iterable[Verdict]) -> None:
    """Puts down which questions go on: those that nobody failed, also where somebody was silent."""
    of_question: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        of_question[verdict.question_id].append(verdict)
    for question in questions:
        said = of_question[question.question_id]
        if said and all(verdict.outcome is not Said.FAIL for verdict in said):
            ledger.keep("questions")
            continue
        drop = verdict_drop(question, said)
        assert drop is not None  # somebody failed it, or nobody said anything
        ledger.drop("questions", [drop])


def blind(job: Job) -> Outcome:
    """Questions to attempts without the picture, and whether the words alone give the answer away."""
    views = [view for view in job.config.solve.attempts if view is not View.FULL]
    return _attempt(job, views, DropReason.BLIND_SOLVED)


def solve(job: Job) -> Outcome:
    """Questions to attempts with the picture, and whether they are neither too easy nor unsolved."""
    return _attempt(job, [View.FULL], DropReason.TOO_EASY)


def _attempt(job: Job, views: Sequence[View], reason: DropReason) -> Outcome:
    ledger = Ledger(job.stage)
    asker = Asker(job, ledger)
    questions = survivors(job)
    ledger.take("questions", len(questions))
    scenes = {scene.image.image_id: scene for scene in scenes_of(job)} if questions else {}
    captions = _captions(job, asker, scenes, questions) if View.CAPTION in views else {}
    found: dict[str, list[Rollout]] = {question.question_id: [] for question in questions}
    out = {one.question_id for one in questions if View.CAPTION in views and one.image_id not in captions}
    for view in views:
        _rounds(job, asker, (view, scenes, captions), (questions, found, out))
    judge = judge_solved if View.FULL in views else judge_blind
    verdicts = [
        judge(question, found[question.question_id], job.config.solve)
        for question in questions
        if question.question_id not in out
    ]
    for verdict in verdicts:
        if verdict.outcome is not Said.FAIL:
            ledger.keep("questions")
        else:
            ledger.drop("questions", [_verdict_drop(job.stage, verdict, reason)])
    ledger.fail("questions", len(out))
    rollouts = [rollout for name, rows in found.items() if name not in out for rollout in rows]
    replies = list(asker.replies.values())
    return job.finish(ledger, {"rollouts": rollouts, "verdicts": verdicts, "replies": replies})


def _rounds(
    job: Job,
    asker: Asker,
    shown: tuple[View, Mapping[str, Scene], Mapping[str, str]],
    book: tuple[Sequence[Question], dict[str, list[Rollout]], set[str]],
) -> None:
    """Asks round after round until the outcome of every question is certain in this view."""
    view, scenes, captions = shown
    questions, found, out = book
    config, domain = job.config.solve, domain_of(job.config)
    while True:
        batch: list[tuple[Question, ModelRequest]] = []
        for question in questions:
            if question.question_id in out:
                continue
            seen = [one for one in found[question.question_id] if one.view is view]
            caption = captions.get(question.image_id, "")
            for extra in range(attempts_left(view, tally(seen), config)):
                request = ask_attempt(
                    question, scenes[question.image_id], (view, caption), len(seen) + extra, (config, domain)
                )
                batch.append((question, request))
        if not batch:
            return
        for (question, request), reply in zip(batch, asker.ask([one for _, one in batch]), strict=True):
            if question.question_id in out:
                continue
            if asker.is_outage(reply, question.question_id):
                out.add(question.question_id)
            else:
                found[question.question_id].append(read_attempt(question, request, view, reply))


def _captions(job: Job, asker: Asker, scenes: Mapping[str, Scene], questions: Sequence[Question]) -> dict[str, str]:
    """Returns a description per picture; where there is none, those attempts are told so.

    A picture whose description an outage kept from being made is not among them.
    """
    names = sorted({question.image_id for question in questions})
    domain = domain_of(job.config)
    found = asker.read([ask_caption(scenes[name], domain) for name in names], [read_caption] * len(names))
    return {
        name: "(there is no description)" if isinstance(text, Unreadable) else text
        for name, (reply, text) in zip(names, found, strict=True)
        if not asker.is_outage(reply, f"{name}:caption")
    }


def _verdict_drop(stage: str, verdict: Verdict, reason: DropReason) -> Drop:
    return Drop(stage=stage, id=verdict.question_id, parent_id=verdict.image_id, reason=reason, detail=verdict.reason)


class _Batch(NamedTuple):
    """Questions that were judged together, with the known cases among them."""

    members: Sequence[Question]
    cases: Sequence[Case]
    """Those of the members first, in their order."""
    said: Mapping[str, Judgement | Unreadable]
    silent: Set[str]
    """Cases that an outage kept from being judged."""
    known: Sequence[Calibration]


def rubric(job: Job) -> Outcome:
    """Questions to a judge's verdicts on every axis, in batches that hold planted defects.

    It sees all shards, so that who shares a batch does not depend on how the dataset was cut, and whether the judge is
    believed is asked of all planted defects together.
    """
    ledger = Ledger(job.stage)
    asker = Asker(job, ledger)
    questions = survivors(job)
    ledger.take("questions", len(questions))
    batches = list(_judged(job, asker, questions))
    known = [row for batch in batches for row in batch.known]
    verdicts: list[Verdict] = []
    for batch in batches:
        by = (asker.name(ModelRole.JUDGE), distrust(batch.known, known, job.config.rubric))
        for question, case in zip(batch.members, batch.cases, strict=False):
            if case.case_id in batch.silent:
                ledger.fail("questions")
                continue
            found = verdicts_of(question, batch.said[case.case_id], domain_of(job.config), by)
            verdicts += found
            failed = [verdict for verdict in found if verdict.outcome is Said.FAIL]
            if failed:
                ledger.drop("questions", [_rubric_drop(job.stage, question, failed)])
            else:
                ledger.keep("questions")
    replies = list(asker.replies.values())
    return job.finish(ledger, {"verdicts": verdicts, "calibration": known, "replies": replies})


def _judged(job: Job, asker: Asker, questions: Sequence[Question]) -> Iterator[_Batch]:
    """Yields batches with what the judge said; one without proved questions has canaries made of others'."""
    config, margins = job.config.rubric, job.config.synthesize.margins
    asked = {question.image_id for question in questions}
    scenes = {scene.image.image_id: scene for scene in scenes_of(job) if scene.image.image_id in asked}
    starts = range(0, len(questions), config.batch)
    wanted = max(len(KINDS), math.ceil(config.canaries / max(1, len(starts))))
    proved = [question for question in questions if question.program]
    for start in starts:
        members = questions[start : start + config.batch]
        sources = [question for question in members if question.program] or proved[:wanted]
        indexes = {one.image_id: SceneIndex(scenes[one.image_id], margins) for one in sources}
        planted = plant_batch(sources, indexes, job.seed, wanted)
        cases = [*(case_of(question) for question in members), *planted]
        said, silent = _judge_cases(job, asker, cases)
        clean = [case._replace(kind=CLEAN) for case, one in zip(cases, members, strict=False) if one.program]
        known = [case for case in (*planted, *clean) if case.case_id not in silent]
        rows = calibrate(known, said, asker.name(ModelRole.JUDGE), f"{start // config.batch:05d}")
        yield _Batch(members, cases, said, silent, rows)


def _judge_cases(job: Job, asker: Asker, cases: Sequence[Case]) -> tuple[dict[str, Judgement | Unreadable], set[str]]:
    """Returns what was said of each case, and the cases of which an outage kept anything from being said."""
    domain = domain_of(job.config)
    requests = [ask_judge(case, job.config.rubric, domain) for case in cases]
    readers = [partial(read_judge, case=case, domain=domain) for case in cases]
    answers = asker.read(requests, readers)
    said = {case.case_id: value for case, (_, value) in zip(cases, answers, strict=True)}
    silent = {
        case.case_id
        for case, (reply, _) in zip(cases, answers, strict=True)
        if asker.is_outage(reply, f"{case.question_id}:{case.kind or 'judge'}")
    }
    return said, silent


def _rubric_drop(stage: str, question: Question, failed: Sequence[Verdict]) -> Drop:
    detail = "; ".join(f"{verdict.judge} {verdict.score:.0f}: {verdict.reason}" for verdict in failed)
    return Drop(
        stage=stage,
        id=question.question_id,
        parent_id=question.image_id,
        reason=DropReason.JUDGE_FAILED,
        detail=detail,
    )
