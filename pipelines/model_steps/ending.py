"""What follows the cascade: where each question goes, ways to its answer, and the audit of the whole corpus."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from pipelines.asking import Asker
from pipelines.config import hash_config
from pipelines.domains import domain_of
from pipelines.job import Job, Outcome
from pipelines.ledger import FOR_PEOPLE, Ledger
from pipelines.model_steps.cascade import JUDGED, questions_of
from pipelines.people.standing import accepted_questions
from pipelines.question_steps import decision_drop
from pipelines.scene_reader import scenes_of
from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from schemas.model_request import ModelRole
from schemas.question import Question
from schemas.rollout import Scored, View
from schemas.trace import Trace, WrittenStep
from schemas.verdict import Outcome as Said
from schemas.verdict import Verdict
from stages.parsing.reply import Unreadable
from stages.prompts import load_prompt
from stages.route import Candidate
from stages.route import route as route_candidates
from stages.rubric import text_hash
from stages.shortcut import Attempted, audit
from stages.trace import (
    Path,
    ask_answer,
    ask_score,
    ask_step,
    broken_path,
    choose_best,
    finish_path,
    read_answer,
    read_score,
    read_step,
    start_path,
    trace_id_of,
)


def route(job: Job) -> Outcome:
    """Questions that nobody failed: accepted within the quotas where all passed, to people where one was silent."""
    ledger = Ledger(job.stage)
    verdicts = _verdicts(job)
    questions = [question for question in questions_of(job) if _is_left(question, verdicts, job)]
    ledger.take("questions", len(questions))
    passed = [one for one in questions if all(verdict.outcome is Said.PASS for verdict in verdicts[one.question_id])]
    changed = {one.question_id: fault for one in passed if (fault := _other_text(one, verdicts[one.question_id]))}
    sound = [one for one in passed if one.question_id not in changed]
    candidates = [Candidate._make(getattr(one, name) for name in Candidate._fields) for one in sound]
    found = ledger.attempt("all questions", partial(route_candidates, candidates, job.config.route, job.seed))
    if found is None:
        ledger.fail("questions", len(candidates))
    decisions = list(found or ())
    for question in questions:
        silent = _silence(verdicts[question.question_id])
        if question.question_id in changed:
            decisions.append(_decision(question, Route.DROP, changed[question.question_id]))
        elif silent:
            people = job.config.people
            decisions.append(_decision(question, Route.PEOPLE if people else Route.DROP, f"no verdict: {silent}"))
    for decision in decisions:
        if decision.route is Route.DROP:
            ledger.drop("questions", [_route_drop(decision)])
        else:
            ledger.keep("questions")
    waiting = sum(decision.route is Route.PEOPLE for decision in decisions)
    if waiting:
        ledger.take(FOR_PEOPLE, waiting)
        ledger.keep(FOR_PEOPLE, waiting)
    return job.finish(ledger, {"decisions": decisions})


def _verdicts(job: Job) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    for name in JUDGED:
        if name in job.inputs:
            for verdict in job.records(name, Verdict):
                found[verdict.question_id].append(verdict)
    return found


def _is_left(question: Question, verdicts: dict[str, list[Verdict]], job: Job) -> bool:
    """Returns whether every step has judged a question and none failed it."""
    said = verdicts.get(question.question_id, [])
    judges = {verdict.judge.partition(":")[0] for verdict in said}
    wanted = {_JUDGE_OF[name] for name in JUDGED if name in job.inputs}
    return wanted <= judges and all(verdict.outcome is not Said.FAIL for verdict in said)


_JUDGE_OF = {
    "check/verdicts": "text_rules",
    "blind/verdicts": "blind",
    "solve/verdicts": "solve",
    "rubric/verdicts": "rubric",
}


def _other_text(question: Question, verdicts: Iterable[Verdict]) -> str:
    """Says which judge read other words than the ones that would ship."""
    wanted = text_hash(question.question)
    judges = [verdict.judge for verdict in verdicts if verdict.text_sha256 not in ("", wanted)]
    return f"{judges[0]} judged other words" if judges else ""


def _silence(verdicts: Iterable[Verdict]) -> str:
    silent = [verdict for verdict in verdicts if verdict.outcome is Said.NO_VERDICT]
    return "; ".join(f"{verdict.judge}: {verdict.reason}" for verdict in sorted(silent, key=lambda one: one.judge))


def _decision(question: Question, goes: Route, reason: str) -> Decision:
    return Decision(question_id=question.question_id, image_id=question.image_id, route=goes, reason=reason[:600])


def _route_drop(decision: Decision) -> Drop:
    drop = decision_drop(decision)
    silent = decision.reason.startswith("no verdict: ")
    return drop.model_copy(update={"reason": DropReason.NO_VERDICT}) if silent else drop


def trace(job: Job) -> Outcome:
    """Accepted questions to written ways to their answers, step by step, checked and scored."""
    ledger = Ledger(job.stage)
    asker, config = Asker(job, ledger), job.config.trace
    accepted = accepted_questions(job.rows("route/decisions"), job.rows("people/people"))
    questions = [question for question in questions_of(job) if question.question_id in accepted]
    images = {question.image_id for question in questions}
    scenes = {scene.image.image_id: scene for scene in scenes_of(job) if scene.image.image_id in images}
    paths = [
        start_path(question, scenes[question.image_id], number, config)
        for question in questions
        for number in range(config.paths)
    ]
    ledger.take("paths", len(paths))
    finished = _write_steps(job, asker, ledger, paths)
    traces = _grade(job, asker, ledger, finished)
    ledger.keep("paths", len(traces))
    return job.finish(ledger, {"traces": traces, "replies": list(asker.replies.values())})


def _write_steps(job: Job, asker: Asker, ledger: Ledger, paths: Sequence[Path]) -> list[Path]:
    """Returns the finished paths; all open ones get their next step at once, with retries of unreadable ones."""
    config, domain = job.config.trace, domain_of(job.config)
    open_paths, finished = list(paths), []
    while open_paths:
        waiting = {place: 0 for place in range(len(open_paths))}
        results: dict[int, WrittenStep | Unreadable | None] = {}
        while waiting:
            places = list(waiting)
            requests = []
            for place in places:
                asked = ask_step(open_paths[place], config, domain)
                fresh = asked.draw + 1_000 * waiting[place]
                requests.append(asked.model_copy(update={"draw": fresh}))
            readers = [
                partial(read_step, path=open_paths[place], retries=waiting[place], config=config) for place in places
            ]
            for place, reply, reader in zip(places, asker.ask(requests), readers, strict=True):
                if asker.is_outage(reply, open_paths[place].question.question_id):
                    results[place] = None
                    del waiting[place]
                    continue
                said = asker.understand(reply, reader)
                if isinstance(said, Unreadable) and waiting[place] < config.retries:
                    waiting[place] += 1
                    continue
                results[place] = said
                del waiting[place]
        open_paths, done = _advance(job, ledger, open_paths, results)
        finished += done
    return finished


def _advance(
    job: Job, ledger: Ledger, paths: Sequence[Path], results: dict[int, WrittenStep | Unreadable | None]
) -> tuple[list[Path], list[Path]]:
    """Returns the paths that go on and those that are finished; the others are put down."""
    goes_on, finished = [], []
    for place, path in enumerate(paths):
        said = results[place]
        if said is None:
            ledger.fail("paths")
        elif isinstance(said, Unreadable):
            ledger.drop("paths", [broken_path(path, said)])
        else:
            longer = path._replace(steps=(*path.steps, said))
            if longer.is_finished:
                finished.append(longer)
            elif len(longer.steps) < job.config.trace.max_steps:
                goes_on.append(longer)
            else:
                ledger.drop("paths", [_endless(longer)])
    return goes_on, finished


def _endless(path: Path) -> Drop:
    detail = f"no summary within {len(path.steps)} steps"
    name = trace_id_of(path.question.question_id, path.number)
    return Drop(stage="trace", id=name, parent_id=path.question.question_id, reason=DropReason.BAD_TRACE, detail=detail)


def _grade(job: Job, asker: Asker, ledger: Ledger, paths: Sequence[Path]) -> list[Trace]:
    config, domain = job.config.trace, domain_of(job.config)
    answers = asker.read([ask_answer(path, domain) for path in paths], [read_answer] * len(paths))
    numbers = [None if isinstance(said, Unreadable) else said.answer for _, said in answers]
    requests = [ask_score(path, number, domain) for path, number in zip(paths, numbers, strict=True)]
    grades = asker.read(requests, [partial(read_score, path=path) for path in paths])
    by = (
        asker.name(ModelRole.GENERATOR),
        asker.name(ModelRole.JUDGE),
        load_prompt("trace_step").sha256,
        hash_config(job.config),
        job.seed,
    )
    found: dict[str, list[Trace]] = defaultdict(list)
    for path, (answered, answer), (graded, grade) in zip(paths, answers, grades, strict=True):
        name = path.question.question_id
        if asker.is_outage(answered, name) or asker.is_outage(graded, name):
            ledger.fail("paths")
        else:
            found[name].append(finish_path(path, answer, grade, config, by))
    return [one for traces in found.values() for one in choose_best(traces)]


def audit_corpus(job: Job) -> Outcome:
    """Attempts without the picture at accepted questions to the audit that release waits for."""
    ledger = Ledger(job.stage)
    accepted = accepted_questions(job.rows("route/decisions"), job.rows("people/people"))
    questions: dict[str, Question] = {
        question.question_id: question for question in questions_of(job) if question.question_id in accepted
    }
    columns = ["question_id", "view", "outcome"]
    attempts = [
        Attempted(
            question.question_id,
            question.style,
            question.hop_count,
            question.answer,
            View(row["view"]),
            Scored(row["outcome"]),
        )
        for row in job.rows("blind/rollouts", columns).to_pylist()
        if (question := questions.get(row["question_id"])) is not None
    ]
    rows = audit(attempts, job.config.shortcut)
    ledger.take("groups", len(rows))
    ledger.keep("groups", len(rows))
    return job.finish(ledger, {"audits": rows})
