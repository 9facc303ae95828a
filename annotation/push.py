"""Push: the assignments that are meant become labelling tasks on the server, each exactly once.

The server imports whatever it is sent as often as it is sent. So before every import it is asked which keys it has;
only missing ones are sent, without retries; and after any error nothing is believed until it was asked again. An
import that was cut off may still be at work on the server, so its project is left alone until its number of tasks
stands still.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from annotation.client import Client, ServerProject
from annotation.errors import LabelStudioError, Refused
from annotation.journal import Assignment, Candidate, Journal, Problem, Project
from annotation.to_label_studio import (
    LABELING_CONFIG,
    LabelingTask,
    Storage,
    project_body,
    project_title,
    task_data,
)
from annotation.workplace import Annotator

BATCH = 100
SETTLE_SECONDS = 2.0
"""An import of one batch takes a fraction of this."""


class Place(NamedTuple):
    """What projects of this dataset are like."""

    dataset: str
    """Its name, for people to read."""
    storage: Storage | None
    """Where the server finds the pictures; None where they have public addresses."""
    image: Callable[[str], str]
    """Address of a picture, by its name."""


class Pushed(NamedTuple):
    """What pushing did."""

    sent: int
    found: int
    """Meant, and on the server already: sent by a process that did not live to note it."""


def push(client: Client, journal: Journal, team: Sequence[Annotator], place: Place) -> Pushed:
    """Sends what is meant; what is on the server already is only noted.

    Raises:
        LabelStudioError: the server cannot be reached or refuses. What was sent so far is kept; call again.
    """
    candidates = journal.candidates()
    sent = found = 0
    for annotator in team:
        meant = journal.assignments(annotator.name, "meant")
        if not meant:
            continue
        project = ensure_project(client, journal, annotator, place)
        if project.importing:
            _settle(client, journal, project)
        for batch in _batches(meant):
            there = find_tasks(client, project.project_id, [assignment.key for assignment in batch])
            journal.mark("sent", there.items())
            found += len(there)
            missing = [assignment for assignment in batch if assignment.key not in there]
            if missing:
                sent += _import(client, journal, project, _tasks(missing, candidates, place))
    return Pushed(sent, found)


def ensure_project(client: Client, journal: Journal, annotator: Annotator, place: Place) -> Project:
    """Returns the annotator's project, made where there is none: found by its title, so never made twice."""
    known = journal.projects().get(annotator.name)
    if known is not None and _is_as_made(client, journal, known):
        _ensure_storage(client, known.project_id, place)
        return known
    title = project_title(place.dataset, journal.identity, annotator.name)
    project_id = client.find_project(title)
    if project_id is None:
        project_id = client.create_project(project_body(title, annotator.email))
    _ensure_storage(client, project_id, place)
    project = Project(annotator.name, project_id, annotator.user_id, "", "", False)
    _note_screen(journal, client.project(project_id))
    journal.set_project(project)
    return project


def _ensure_storage(client: Client, project_id: int, place: Place) -> None:
    if place.storage is None:
        return
    kind, settings, needs = place.storage
    if any(settings.items() <= found.items() for found in client.storages(kind, project_id)):
        return
    try:
        client.add_storage(kind, project_id, {"title": "pictures", **settings})
    except Refused as error:
        raise LabelStudioError(f"{client.url} cannot show the pictures: {needs} ({error})") from error


def find_tasks(client: Client, project_id: int, keys: Sequence[str]) -> dict[str, int]:
    """Returns the ids of those of these keys' tasks that a project has."""
    wanted = {"filter": "filter:tasks:data.key", "operator": "in_list", "type": "List", "value": list(keys)}
    query = {"filters": {"conjunction": "and", "items": [wanted]}}
    found: dict[str, int] = {}
    for task in client.tasks(project_id, query, "task_only", page_size=2 * len(keys) + 10):
        found.setdefault(task["data"].get("key"), int(task["id"]))
    return {key: found[key] for key in keys if key in found}


def _is_as_made(client: Client, journal: Journal, project: Project) -> bool:
    """Whether the project is there; notes what was changed about it, and puts its screen back."""
    try:
        there = client.project(project.project_id)
    except Refused as error:
        if error.status != 404:
            raise
        forget_project(journal, project)
        return False
    if not is_ours(journal, there):
        forget_project(journal, project)
        return False
    if _screen_digest(there) != journal.meta(f"screen {project.project_id}"):
        detail = f"the labelling screen of project {project.project_id} was changed; it was put back"
        try:
            client.set_screen(project.project_id, LABELING_CONFIG)
            _note_screen(journal, client.project(project.project_id))
        except Refused as error:
            detail = f"the labelling screen of project {project.project_id} was changed and cannot be put back: {error}"
        journal.add_problem(Problem("screen changed", project.annotator, "", detail))
    return True


def _note_screen(journal: Journal, project: ServerProject) -> None:
    """Remembers the screen as the server writes it, which is not to the letter as it was sent."""
    journal.set_meta(f"screen {project.project_id}", _screen_digest(project))


def _screen_digest(project: ServerProject) -> str:
    return hashlib.sha256(project.label_config.encode("utf-8", "replace")).hexdigest()


def is_ours(journal: Journal, project: ServerProject) -> bool:
    """Whether a project on the server belongs to the journal: on another server the same number is somebody else's."""
    return f" {journal.identity} " in project.title


def forget_project(journal: Journal, project: Project) -> None:
    """Notes that a project was deleted on the server; what was not answered in it is asked again."""
    answered = {version.key for version in journal.versions()}
    with journal.together():
        detail = f"project {project.project_id} is no longer on the server; what was read of it stays"
        journal.add_problem(Problem("project deleted", project.annotator, "", detail))
        for assignment in journal.assignments(project.annotator):
            state = "gone" if assignment.key in answered else "meant"
            journal.mark(state, [(assignment.key, None)])
        journal.drop_project(project.annotator)


def _import(client: Client, journal: Journal, project: Project, tasks: Mapping[str, dict[str, Any]]) -> int:
    journal.set_project(project._replace(importing=True))
    ids = client.import_tasks(project.project_id, list(tasks.values()))
    with journal.together():
        journal.mark("sent", zip(tasks, ids, strict=True))
        journal.set_project(project._replace(importing=False))
    return len(tasks)


def _settle(client: Client, journal: Journal, project: Project) -> None:
    """Waits until an import that was cut off, and may still be at work, has ended."""
    last = -1
    deadline = time.monotonic() + 60
    while (number := client.project(project.project_id).tasks) != last and time.monotonic() < deadline:
        last = number
        time.sleep(SETTLE_SECONDS)
    journal.set_project(project._replace(importing=False))


def _tasks(
    assignments: Sequence[Assignment], candidates: Mapping[str, Candidate], place: Place
) -> dict[str, dict[str, Any]]:
    tasks = {}
    for assignment in assignments:
        candidate = candidates[assignment.question_id]
        task = LabelingTask(assignment.key, candidate.question, place.image(candidate.picture))
        tasks[assignment.key] = task_data(task)
    return tasks


def _batches(assignments: Sequence[Assignment]) -> Iterator[Sequence[Assignment]]:
    for start in range(0, len(assignments), BATCH):
        yield assignments[start : start + BATCH]
