"""People by the clock: Prefect, Label Studio and `hopyard schedule` are killed while people answer.

Four simulated annotators answer what is in front of them. After each minute's pass one of the three is killed with all
its processes, stays away for a while and is started again with the command that a user would type. At the end every
answer that was sent has been read once, nobody was asked anything twice, and what is decided is published.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq

from annotation.client import Client
from annotation.environment import VARIABLE, is_ready
from annotation.errors import LabelStudioError
from annotation.journal import open_journal
from annotation.team import add_annotator
from annotation.workplace import Annotator, Workplace
from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from pipelines.people.config import FOLDER
from pipelines.people.sync import open_session, push_step
from pipelines.prefect_server import FULL, QUIET, _free_port
from pipelines.server_watch import answers
from tests.annotation.solver import Solver, other, skip, valid
from tests.annotation.sources import make_dataset, reroute

ROOT = Path(__file__).parents[1]
NAMES = ("ann", "bea", "cem", "dov")
MINUTES = 15
AWAY_SECONDS = 10.0
VICTIMS = ("Prefect", "Label Studio", "schedule") * 2
"""Killed in this order as long as there is something left to decide; each at least once."""


def run(plan: Plan) -> Iterator[Table]:
    """Yields what became of every answer; says so where there is no Label Studio to start."""
    title = "People by the clock, with kills: hopyard schedule, a Prefect server and Label Studio"
    folder = Path(os.environ.get(VARIABLE) or ROOT / ".venv-label-studio")
    if not is_ready(folder):
        yield Table(title, (), (), (f"Not measured: no Label Studio in {folder} (make env-label-studio).",))
        return
    town = _Town(plan.scratch, 6 if plan.quick else 20)
    try:
        yield Table(title, ("what", "found", "as it should be"), list(town.live()), tuple(town.log))
    finally:
        town.end()


class _Town:
    """The three programs, the annotators, and what they sent."""

    def __init__(self, scratch: Path, pictures: int) -> None:
        self.output = scratch / "output"
        (self.output / ".prefect").mkdir(parents=True)
        self.place = Workplace(self.output / "label-studio")
        self.dataset = make_dataset(scratch / "town", pictures)
        names = [row["question_id"] for row in self.dataset.read("decisions").to_pylist() if row["route"] == "accept"]
        reroute(self.dataset, dict.fromkeys(names, "people"))
        self.questions = len(names)
        rows = self.dataset.read("questions", columns=["image_id", "question", "answer"]).to_pylist()
        self.answers = {(row["image_id"], row["question"]): int(row["answer"]) for row in rows}
        self.port = _free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.sent: dict[tuple[str, str], dict[str, object]] = {}
        self.twice = 0
        self.stop = threading.Event()
        self.log: list[str] = []
        self.began = time.monotonic()

    def live(self) -> Iterator[tuple[str, str, str]]:
        """Yields what was found when everything was decided, or time was up."""
        for what in ("Prefect", "Label Studio"):
            self.start(what)
        with Client(self.place.connection()) as client:
            for name in NAMES:
                add_annotator(client, self.place, name)
        with open_session(self.dataset.root, self.place) as session:
            push_step(session, {"dispatch.queue": 100})
        self.start("schedule")
        people = [threading.Thread(target=self.answer, args=(one,)) for one in self.place.read_team()]
        for person in people:
            person.start()
        victims = list(VICTIMS)
        pulled = 0
        while time.monotonic() < self.began + 60 * MINUTES and not self.is_over():
            found = self.dataset.read("annotations").num_rows
            if found > pulled and victims:
                pulled = found
                self.kill(victims.pop(0), found)
            time.sleep(1)
        self.stop.set()
        for person in people:
            person.join()
        deadline = time.monotonic() + 600  # a later pass publishes what was decided last
        while time.monotonic() < deadline and not self.released():
            time.sleep(1)
        yield from self.compare(len(victims))

    def start(self, what: str) -> None:
        """Starts one of the three, as a user does, and waits until it answers."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        environ |= {"HOPYARD_OUTPUT": str(self.output), "PYTHONPATH": str(ROOT), "PREFECT_RUNNER_POLL_FREQUENCY": "2"}
        api = f"http://127.0.0.1:{self.port}/api"
        cli = [sys.executable, "-c", "from pipelines.cli import main; main()"]
        root = str(self.dataset.root)
        clock = ["--watch", "", "--report", "", "--sync", "* * * * *", "--publish", "* * * * *"]
        command, ready = {
            "Prefect": ([sys.executable, "-m", "pipelines.prefect_server", str(self.port)], lambda: answers(api)),
            "Label Studio": ([*cli, "annotate", "serve"], self.label_studio_answers),
            "schedule": ([*cli, "schedule", str(self.dataset.root), "--out", root, *clock], lambda: True),
        }[what]
        if what == "Prefect":
            environ |= {**QUIET, **FULL, "PREFECT_API_URL": "", "PREFECT_HOME": str(self.output / ".prefect")}
        else:
            environ |= {"PREFECT_API_URL": api}
        with (self.output.parent / f"{what}.log").open("ab") as log:
            self.running[what] = subprocess.Popen(
                command, env=environ, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        _wait(ready, 180, what)

    def kill(self, what: str, answers: int) -> None:
        """Kills it and whatever it started, and starts it again after a while."""
        self.log.append(f"{time.monotonic() - self.began:.0f} s: killed {what} when {answers} answers were read")
        os.killpg(self.running[what].pid, signal.SIGKILL)
        self.running[what].wait()
        time.sleep(AWAY_SECONDS)
        self.start(what)

    def end(self) -> None:
        self.stop.set()
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def label_studio_answers(self) -> bool:
        try:
            with Client(self.place.connection(), timeout=5) as client:
                return bool(client.whoami())
        except LabelStudioError:
            return False

    def answer(self, person: Annotator) -> None:
        """Answers what is in front of one annotator, as long as there is a server; a lost login is made again."""
        solver: Solver | None = None
        while not self.stop.wait(1.0):
            try:
                solver = solver or Solver(self.place.connection().url, person.email, person.password)
                for project in solver.projects():
                    for task in solver.open_tasks(project):
                        self.say(solver, person.name, project, task)
            except (httpx.HTTPError, AssertionError, TypeError, ValueError, LabelStudioError):
                solver = None

    def say(self, solver: Solver, name: str, project: int, task: dict) -> None:
        key, question = str(task["data"]["key"]), str(task["data"]["question"])
        own = self.answers[Path(task["data"]["image"]).stem, question]
        roll = int(key[:4], 16) % 20
        body = skip() if roll == 0 else other("ambiguous") if roll == 1 else valid(own + (roll == 2))
        if (name, key) in self.sent and not solver.http.get(f"/api/tasks/{task['id']}/").json()["annotations"]:
            self.twice += 1
        solver.answer(project, task["id"], body)
        self.sent[name, key] = body

    def is_over(self) -> bool:
        people = self.dataset.read("people").to_pylist()
        return len(people) == self.questions and all(row["standing"] != "open" for row in people)

    def released(self) -> int:
        """Returns the rows of the release, once it holds all that is confirmed by now."""
        confirmed = sum(row["standing"] == "confirmed" for row in self.dataset.read("people").to_pylist())
        files = (self.dataset.root / "release").glob("*.parquet")
        rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
        return rows if rows == confirmed else 0

    def compare(self, unkilled: int) -> Iterator[tuple[str, str, str]]:
        """Yields the findings."""
        with open_journal(self.dataset.root / FOLDER, write=False) as journal:
            asked = {one.key: (one.annotator, one.question_id) for one in journal.assignments()}
            kinds = {version.key: version.kind for version in journal.versions()}
            counts = Counter((one.annotator, one.question_id) for one in journal.assignments())
        people = Counter(row["standing"] for row in self.dataset.read("people").to_pylist())
        read = {(asked[key][0], key) for key in kinds}
        rows = self.released()
        states = Counter(_states(self.port))
        yield "kills", str(len(VICTIMS) - unkilled), verdict_text(unkilled <= len(VICTIMS) // 2)
        yield "questions decided", ", ".join(f"{n} {name}" for name, n in people.items()), verdict_text(self.is_over())
        yield "answers sent, and read", f"{len(self.sent)}, {len(read)}", verdict_text(read == set(self.sent))
        yield (
            "asked twice",
            str(max(counts.values(), default=0) - 1 + self.twice),
            verdict_text(set(counts.values()) == {1}),
        )
        yield "rows of the release", str(rows), verdict_text(rows == people["confirmed"])
        yield "passes by how they ended", ", ".join(f"{n} {name}" for name, n in sorted(states.items())), ""


def _states(port: int) -> Iterator[str]:
    """Yields how each run of a flow ended."""
    url = f"http://127.0.0.1:{port}/api/flow_runs/filter"
    ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}}
    found = httpx.post(url, json={"flow_runs": ended, "limit": 200}, trust_env=False).json()
    names = ((run["name"].partition(" ")[0], run["state_name"].lower()) for run in found)
    yield from (f"{name} {state}" for name, state in names if name in ("sync", "publish"))


def _wait(ready: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} does not answer after {seconds:.0f} s")
        time.sleep(0.5)
