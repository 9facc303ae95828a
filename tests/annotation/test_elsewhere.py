"""Somebody else's server: told by its address and a token, with pictures in a bucket, and gold among the tasks."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from annotation.client import Client
from annotation.environment import Environment
from annotation.journal import open_journal
from annotation.server import Serving, serve
from annotation.workplace import TOKEN_VARIABLE, Workplace
from pipelines.cli import run_command
from pipelines.people.config import FOLDER
from tests.annotation.solver import Solver, valid
from tests.annotation.sources import make_dataset, make_scenes
from tests.pipelines.s3_server import BUCKET, ENVIRONMENT, Faults, s3_server

pytestmark = [
    pytest.mark.xdist_group("label-studio"),
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def foreign(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace that knows no more than the address of a server that others run; the token is in the environment."""
    theirs = Workplace(tmp_path_factory.mktemp("theirs"))
    with pytest.MonkeyPatch.context() as patch, s3_server(Faults()) as url:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        with serve(theirs, Serving(environment, port=0), lambda _: None) as running:
            patch.setenv(TOKEN_VARIABLE, running.credentials.token)
            ours = Workplace(tmp_path_factory.mktemp("ours"))
            options = ["--url", running.credentials.url, "--data-dir", str(ours.folder)]
            assert run_command(["annotate", "serve", *options]) == 0
            assert running.credentials.token not in ours.credentials_file.read_text()
            assert run_command(["annotate", "team", "add", "ann", "bea", "--data-dir", str(ours.folder)]) == 0
            yield ours


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of rendered scenes, whose answers are exact."""
    return make_scenes(tmp_path_factory.mktemp("gold"), 4, width=256, height=192, oversampling=1).root


def test_pictures_are_signed_gold_is_mixed_in_and_care_is_measured(
    foreign: Workplace, gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, place = make_dataset(tmp_path, 20).root, ["--data-dir", str(foreign.folder)]
    options = ["--audit", "1", "--queue", "50", "--gold", str(gold), "--pictures", f"s3://{BUCKET}/shown"]
    for _ in range(2):
        assert run_command(["annotate", "sync", str(root), *place, *options]) == 0
    with open_journal(root / FOLDER, write=False) as journal:
        questions = journal.candidates()
        asked = {name: journal.assignments(name) for name in ("ann", "bea")}
    for person in foreign.read_team():
        mine = {one.key: questions[one.question_id] for one in asked[person.name]}
        exact = [candidate for candidate in mine.values() if candidate.purpose == "gold"]
        assert len(exact) == round(0.05 / 0.95 * (len(mine) - len(exact))) >= 1
        solver = Solver(foreign.connection().url, person.email, person.password)
        (project,) = solver.projects()
        tasks = solver.open_tasks(project)
        assert {task["data"]["key"] for task in tasks} == mine.keys()
        _check_picture(solver, solver.next(project)["data"]["image"])
        for task in tasks:
            own = mine[task["data"]["key"]].own
            solver.answer(project, task["id"], valid(own + (person.name == "bea")))
        solver.close()
    with Client(foreign.connection()) as client:
        assert all(len(client.storages("s3", number)) == 1 for number in (1, 2))
    assert run_command(["annotate", "sync", str(root), *place]) == 0
    capsys.readouterr()
    assert run_command(["annotate", "status", str(root)]) == 0
    told = capsys.readouterr().out
    assert "gold 1 of 1 right" in told and "gold 0 of 1 right" in told


def _check_picture(solver: Solver, address: str) -> None:
    """Who is logged in is sent to a signed address in the bucket; without login or signature there is nothing."""
    answer = solver.http.get(address)
    assert answer.status_code == 303
    signed = answer.headers["location"]
    assert signed.startswith(os.environ["AWS_ENDPOINT_URL"]) and "X-Amz-Signature=" in signed
    assert httpx.get(signed, trust_env=False).content.startswith(b"\x89PNG")
    assert httpx.get(signed.partition("?")[0], trust_env=False).status_code == 403
    assert httpx.get(address, trust_env=False).status_code == 401


def test_a_server_that_cannot_show_the_pictures_is_said_to_lack_what(
    foreign: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, place = make_dataset(tmp_path, 4).root, ["--data-dir", str(foreign.folder), "--audit", "1"]
    for pictures, said in ((None, "DOCUMENT_ROOT="), ("s3://nobody/x", "s3://nobody/x"), ("here", "write s3://BUCKET")):
        options = [] if pictures is None else ["--pictures", pictures]
        assert run_command(["annotate", "push", str(root), *place, *options]) == 2
        told = capsys.readouterr().err
        assert said in told and told.count("\n") == 1, told
