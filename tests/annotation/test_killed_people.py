"""kill -9 of ours and of the server at random moments: each question once per annotator, no answer lost."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import httpx
import pytest

from annotation.client import Client
from annotation.journal import open_journal
from annotation.server import Serving, serve
from annotation.team import add_annotator
from annotation.workplace import Workplace
from pipelines.cli import run_command
from pipelines.people.config import FOLDER
from tests.annotation.solver import Solver, valid
from tests.annotation.sources import make_dataset, reroute

pytestmark = [pytest.mark.xdist_group("label-studio"), pytest.mark.timeout(400)]

QUESTIONS = 30


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    dataset = make_dataset(tmp_path_factory.mktemp("killed-people"), 14, seed=5)
    names = sorted(row["question_id"] for row in dataset.read("decisions").to_pylist())[:QUESTIONS]
    assert len(names) == QUESTIONS
    reroute(dataset, {row["question_id"]: "drop" for row in dataset.read("decisions").to_pylist()})
    reroute(dataset, dict.fromkeys(names, "accept"))
    return dataset.root


def spawn(root, workplace: Workplace, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "annotate", *arguments[:1], str(root)]
    command += ["--data-dir", str(workplace.folder), *arguments[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_pushes_killed_at_random_moments_ask_everything_once(root, workplace: Workplace, monkeypatch) -> None:
    rng = random.Random(1)
    options = ("--audit", "1", "--queue", "100")
    started = time.perf_counter()
    first = spawn(root, workplace, "push", *options)
    time.sleep(2.5)
    first.kill()
    first.wait()
    for _ in range(3):
        process = spawn(root, workplace, "push", *options)
        time.sleep(rng.uniform(1.0, 3.0))
        process.kill()
        process.wait()
    for _ in range(3):
        assert run_command(["annotate", "push", str(root), "--data-dir", str(workplace.folder), *options]) == 0
    assert time.perf_counter() - started < 300
    with open_journal(root / FOLDER) as journal, Client(workplace.connection()) as client:
        for name, project in journal.projects().items():
            keys = Counter(task["data"]["key"] for task in client.tasks(project.project_id))
            assert set(keys.values()) == {1} and len(keys) == QUESTIONS, name
            assert keys.keys() == {assignment.key for assignment in journal.assignments(name)}


def test_a_killed_server_loses_no_answer(root, environment, tmp_path) -> None:
    place, copy = Workplace(tmp_path / "place"), tmp_path / "copy"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns(FOLDER))
    rng = random.Random(2)
    kept: dict[int, int] = {}
    tried: set[int] = set()
    options = ("--audit", "1", "--queue", "100")
    for _ in range(2):
        with serve(place, Serving(environment, port=0), lambda _: None) as running:
            with Client(place.connection()) as client:
                annotator, _ = add_annotator(client, place, "ann")
            if not tried:
                assert run_command(["annotate", "push", str(copy), "--data-dir", str(place.folder), *options]) == 0
            solver = Solver(running.credentials.url, annotator.email, annotator.password)
            (project,) = solver.projects()
            tasks = [task["id"] for task in solver.open_tasks(project)][:8]
            process = spawn(copy, place, "sync", *options)
            killer = threading.Timer(rng.uniform(1.0, 3.0), os.killpg, (running.process.pid, signal.SIGKILL))
            killer.start()
            try:
                for task in tasks:
                    tried.add(task)
                    solver.answer(project, task, valid(task))
                    kept[task] = task
            except httpx.TransportError:
                pass  # the server is gone; whether the last answer was stored, only it knows
            killer.join()
            running.process.wait()
            solver.close()
            process.wait()
    with serve(place, Serving(environment, port=0), lambda _: None), Client(place.connection()) as client:
        for _ in range(2):
            assert run_command(["annotate", "sync", str(copy), "--data-dir", str(place.folder), *options]) == 0
        with open_journal(copy / FOLDER) as journal:
            found = client.tasks(journal.projects()["ann"].project_id)
            assert len(found) == len({task["data"]["key"] for task in found}) == QUESTIONS
            keys = {assignment.key: assignment.task_id for assignment in journal.assignments("ann")}
            pulled = {keys[version.key]: version.answer for version in journal.versions()}
    assert kept and kept.items() <= pulled.items() and pulled.keys() <= tried
