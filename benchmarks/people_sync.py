"""People: a real Label Studio with 1,000 candidates for each of four annotators; how long a sync takes."""

import os
from collections.abc import Iterator
from pathlib import Path

from annotation.client import Client
from annotation.environment import VARIABLE, Environment, is_ready
from annotation.journal import Assignment, Candidate, Journal, open_journal
from annotation.pull import pull
from annotation.push import Place, push
from annotation.server import Serving, serve
from annotation.team import add_annotator
from annotation.to_label_studio import task_key
from annotation.workplace import Annotator, Workplace
from benchmarks.plan import Plan
from benchmarks.table import Table
from benchmarks.timing import wall_seconds

ROOT = Path(__file__).parents[1]
NAMES = ("ann", "bea", "cem", "dov")


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of seconds; says so where there is no server to start."""
    count = 50 if plan.quick else 1_000
    folder = Path(os.environ.get(VARIABLE) or ROOT / ".venv-label-studio")
    title = f"People: {count:,} candidates for each of four annotators"
    headings = ("step", "seconds", "what")
    if not is_ready(folder):
        yield Table(title, headings, (), (f"Not measured: no Label Studio in {folder} (make env-label-studio).",))
        return
    place = Workplace(plan.scratch / "label-studio")
    with serve(place, Serving(Environment(folder), port=0), lambda _: None), Client(place.connection()) as client:
        team = tuple(add_annotator(client, place, name)[0] for name in NAMES)
        with open_journal(plan.scratch / "journal") as journal:
            rows = list(_steps(client, journal, team, count))
    yield Table(title, headings, rows, ("One process of ours against Label Studio's own server with SQLite.",))


def _steps(client: Client, journal: Journal, team: tuple[Annotator, ...], count: int) -> Iterator[tuple[str, str, str]]:
    candidates = [
        Candidate(f"q{n:05d}", f"i{n:05d}", f"How many? {n}", "x.png", n % 9, "people", 1.0) for n in range(count)
    ]
    journal.add_candidates(candidates)
    journal.add_assignments(
        Assignment(task_key(journal.identity, c.question_id, c.question, a.name, 0), c.question_id, a.name, 0, "meant")
        for a in team
        for c in candidates
    )
    place = Place("bench", None, lambda name: f"/data/{name}")
    seconds, pushed = wall_seconds(lambda: push(client, journal, team, place))
    yield "push", f"{seconds:.1f}", f"{pushed.sent:,} tasks"
    seconds, _ = wall_seconds(lambda: push(client, journal, team, place))
    yield "push again", f"{seconds:.1f}", "nothing to send"
    seconds, pulled = wall_seconds(lambda: pull(client, journal))
    yield "first pull", f"{seconds:.1f}", f"{pulled.tasks:,} tasks read"
    _answer(client, journal, team[0])
    seconds, pulled = wall_seconds(lambda: pull(client, journal))
    yield "pull", f"{seconds:.1f}", f"{pulled.versions:,} new answers"
    seconds, pulled = wall_seconds(lambda: pull(client, journal, full=True))
    yield "full pull", f"{seconds:.1f}", f"{pulled.versions:,} new answers, {pulled.tasks:,} tasks read"


def _answer(client: Client, journal: Journal, annotator: Annotator) -> None:
    """Skips twenty tasks as the administrator; the puller calls that a problem, and reads it all the same."""
    project = journal.projects()[annotator.name].project_id
    for task in client.tasks(project, fields="task_only", page_size=20):
        client.sdk.annotations.create(task["id"], result=[], was_cancelled=True)
