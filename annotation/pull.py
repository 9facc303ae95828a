"""Pull: what annotators said since the last time, every version of it, read any number of times and kept once.

A project's tasks are read in the order they were changed, from a little before the last change that was read: times are
the server's and are compared with the server's only, so clocks that differ do not matter. When the server's clock went
back, or it counts other numbers than before, everything is read again. Counters of the server are hints, never answers.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from annotation.client import Client
from annotation.errors import Refused, ServerUnreachable
from annotation.from_label_studio import clean, parse_annotation, parse_seconds, parse_time
from annotation.journal import Assignment, Candidate, Journal, Problem, Project, Version
from annotation.push import forget_project, is_ours
from schemas.annotation import Kind

PAGE = 500
OVERLAP = timedelta(seconds=120)
"""A change becomes visible a moment after the time it carries."""
CLOCK_SLACK = 5.0
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_MOST_RAW = 4 << 20


class Pulled(NamedTuple):
    """What pulling did."""

    versions: int
    problems: int
    tasks: int
    """Tasks that were looked at."""


class _Known(NamedTuple):
    assignments: Mapping[str, Assignment]
    candidates: Mapping[str, Candidate]


def pull(client: Client, journal: Journal, full: bool = False) -> Pulled:
    """Reads what is new in every project.

    Raises:
        LabelStudioError: the server cannot be reached or refuses. What was read so far is kept; call again.
    """
    total = Pulled(0, 0, 0)
    projects = journal.projects()
    if projects:
        full = full or _went_back(client, journal)
    for project in projects.values():
        try:
            part = _pull_project(client, journal, project, full)
        except Refused as error:
            if error.status != 404:
                raise
            forget_project(journal, project)
            part = Pulled(0, 1, 0)
        total = Pulled(*(a + b for a, b in zip(total, part, strict=True)))
    return total


def _pull_project(client: Client, journal: Journal, project: Project, full: bool) -> Pulled:
    there = client.project(project.project_id)
    if not is_ours(journal, there):
        forget_project(journal, project)
        return Pulled(0, 1, 0)
    assignments = {a.key: a for a in journal.assignments(project.annotator)}
    sent = sum(assignment.state == "sent" for assignment in assignments.values())
    fewer = there.tasks != sent and there.counts != project.counts
    everything = full or fewer or not project.cursor
    known = _Known(assignments, journal.candidates())
    seen: dict[str, list[dict[str, Any]]] = {}
    versions = problems = 0
    cursor = "" if everything else project.cursor
    for page in _changed(client, project, "" if everything else cursor):
        with journal.together():
            for task in page:
                new, wrong = _take_task(journal, project, known, task)
                versions, problems = versions + new, problems + wrong
                seen.setdefault(str(task.get("data", {}).get("key")), []).append(task)
                cursor = max(cursor, parse_time(task["updated_at"]))
    if everything:
        problems += _compare(client, journal, project, assignments, seen)
    latest = journal.projects().get(project.annotator, project)
    journal.set_project(latest._replace(cursor=cursor, counts=there.counts if everything else latest.counts))
    return Pulled(versions, problems, sum(len(tasks) for tasks in seen.values()))


def _went_back(client: Client, journal: Journal) -> bool:
    """Whether the server's clock shows less than at an earlier pull."""
    now = client.server_time()
    last = float(journal.meta("server_time") or 0)
    if now is not None:
        journal.set_meta("server_time", str(now))
    return now is not None and now < last - CLOCK_SLACK


def _changed(client: Client, project: Project, cursor: str) -> Iterator[list[dict[str, Any]]]:
    """Yields the tasks that were changed since the cursor, oldest first.

    Pages follow times, not numbers: a task that is changed meanwhile moves to the end and pushes no other off its page.
    """
    since = datetime.strptime(cursor, _TIME) - OVERLAP if cursor else None  # noqa: DTZ007 - UTC on both sides
    while True:
        items = []
        if since is not None:
            value = since.strftime(_TIME)
            items = [{"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": value}]
        query = {"filters": {"conjunction": "and", "items": items}, "ordering": ["tasks:updated_at"]}
        tasks = client.tasks(project.project_id, query, page_size=PAGE)
        yield tasks
        if len(tasks) < PAGE:
            return
        last = datetime.strptime(parse_time(tasks[-1]["updated_at"]), _TIME)  # noqa: DTZ007 - UTC on both sides
        following = last - timedelta(microseconds=1)
        if since is not None and following <= since:
            raise ServerUnreachable(f"project {project.project_id} has {PAGE} tasks with one time; pull again")
        since = following


def _take_task(journal: Journal, project: Project, known: _Known, task: dict[str, Any]) -> tuple[int, int]:
    """Takes in one task; returns how many versions and problems are new."""
    data: dict[str, Any] = task.get("data") or {}
    key = str(data.get("key"))
    assignment = known.assignments.get(key)
    if assignment is None:
        detail = f"task {task.get('id')} of project {project.project_id} is none of ours: its key is {clean(key, 60)!r}"
        return 0, journal.add_problem(Problem("foreign task", project.annotator, "", detail))
    if assignment.state == "meant":
        journal.mark("sent", [(key, int(task["id"]))])
    changed = data.get("question") != known.candidates[assignment.question_id].question
    problems = 0
    if changed:
        detail = f"the question of task {task.get('id')} was changed on the server; answers to it do not count"
        problems += journal.add_problem(Problem("task changed", project.annotator, key, detail))
    last = journal.last_versions(key)
    versions = 0
    present = set()
    for annotation in task.get("annotations") or ():
        version = _version(project, key, annotation, changed)
        present.add(version.annotation_id)
        versions += _add(journal, last.get(version.annotation_id), version)
    for annotation_id, version in last.items():
        if annotation_id not in present and version.kind != Kind.DELETED:
            gone = version._replace(
                kind=Kind.DELETED.value,
                verdict=None,
                answer=None,
                problem="deleted on the server",
                digest="deleted",
                updated_at=parse_time(task["updated_at"]),
                raw="{}",
            )
            versions += _add(journal, version, gone)
    standing = [v for v in journal.last_versions(key).values() if v.kind in (Kind.ANSWER, Kind.SKIP)]
    if len(standing) > 1:
        detail = (
            f"{project.annotator} answered task {task.get('id')} {len(standing)} times; the last valid answer counts"
        )
        problems += journal.add_problem(Problem("answered twice", project.annotator, key, detail))
    return versions, problems


def _version(project: Project, key: str, annotation: dict[str, Any], changed: bool) -> Version:
    """Returns an annotation as a version, not numbered yet. Ids are used again after deletions, times are not."""
    said = parse_annotation(annotation)
    by = annotation.get("completed_by")
    by = by.get("id") if isinstance(by, dict) else by
    problem = said.problem
    if changed:
        problem = "the question was changed on the server"
    elif by != project.user_id:
        problem = f"given by user {clean(by, 40)}, not by {project.annotator}"
    created = parse_time(annotation.get("created_at"))
    name = f"{project.project_id}:{annotation.get('id')}:{created}"
    raw = clean(json.dumps(annotation, sort_keys=True), _MOST_RAW)
    content = json.dumps([annotation.get("result"), annotation.get("was_cancelled"), by, problem], sort_keys=True)
    counts = not problem
    return Version(
        annotation_id=hashlib.sha256(name.encode()).hexdigest()[:32],
        version=0,
        key=key,
        kind=said.kind.value if counts else Kind.PROBLEM.value,
        verdict=said.verdict.value if counts and said.verdict else None,
        answer=said.answer if counts else None,
        seconds=parse_seconds(annotation),
        note=said.note,
        reported=said.reported,
        problem=problem,
        created_at=created,
        updated_at=parse_time(annotation.get("updated_at")),
        digest=hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest(),
        raw=raw,
    )


def _add(journal: Journal, last: Version | None, version: Version) -> int:
    """Adds a version unless it says what the last one says; returns 1 where it was added."""
    if last is not None and last.digest == version.digest:
        return 0
    journal.add_version(version._replace(version=0 if last is None else last.version + 1))
    return 1


def _compare(
    client: Client,
    journal: Journal,
    project: Project,
    assignments: Mapping[str, Assignment],
    seen: Mapping[str, list[dict[str, Any]]],
) -> int:
    """Notes which tasks somebody deleted, and removes second copies that nobody has touched."""
    problems = 0
    answered = {version.key for version in journal.versions()}
    for key, assignment in assignments.items():
        tasks = seen.get(key, [])
        if assignment.state == "sent" and not tasks:
            detail = f"task {assignment.task_id} of project {project.project_id} was deleted on the server"
            problems += journal.add_problem(Problem("task deleted", project.annotator, key, detail))
            journal.mark("gone" if key in answered else "meant", [(key, None)])
        for copy in _copies(tasks):
            client.delete_task(int(copy["id"]))
            detail = f"task {copy['id']} of project {project.project_id} was a second copy and was removed"
            problems += journal.add_problem(Problem("task twice", project.annotator, key, detail))
    return problems


def _copies(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the tasks of one key that can go: all but one, and none that somebody has begun to answer."""
    by_id = {int(task["id"]): task for task in tasks}
    touched = [number for number, task in by_id.items() if task.get("annotations") or task.get("drafts")]
    keep = min(touched or by_id, default=None)
    return [task for number, task in sorted(by_id.items()) if number != keep and number not in touched]
