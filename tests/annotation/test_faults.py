"""What goes wrong with a server and with people: a clear message or a recorded problem, and later nothing is lost."""

import json
from collections import Counter

import httpx
import pytest

from annotation.client import Client, check_identity
from annotation.errors import LabelStudioError, ServerUnreachable
from annotation.pull import pull
from annotation.workplace import Credentials, Workplace
from pipelines.cli import run_command
from pipelines.people.sync import Session, open_session, pull_step, push_step
from tests.annotation.solver import Solver, other, skip, valid
from tests.annotation.sources import make_dataset, reroute

pytestmark = [pytest.mark.xdist_group("label-studio"), pytest.mark.timeout(300)]

QUESTIONS = 12
EVERYBODY = {"audit": 1.0, "dispatch.queue": 100}


@pytest.fixture(scope="module")
def session(workplace: Workplace, tmp_path_factory):
    dataset = make_dataset(tmp_path_factory.mktemp("faults"), 8, seed=11)
    names = sorted(row["question_id"] for row in dataset.read("decisions").to_pylist())
    reroute(dataset, dict.fromkeys(names, "drop") | dict.fromkeys(names[:QUESTIONS], "accept"))
    with open_session(dataset.root, workplace) as opened:
        yield opened


@pytest.fixture
def ann(session: Session):
    person = session.team[0]
    solver = Solver(session.client.url, person.email, person.password)
    yield solver
    solver.close()


class Faulty(httpx.HTTPTransport):
    """A transport that fails in a given way at each import in turn, and lets everything else through."""

    def __init__(self, *faults: str) -> None:
        super().__init__()
        self.faults = list(faults)
        self.imports = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/import"):
            return super().handle_request(request)
        self.imports += 1
        if not self.faults:
            return super().handle_request(request)
        fault = self.faults.pop(0)
        if fault.isdigit():
            return httpx.Response(int(fault), text="busy", request=request)
        if fault == "after":  # the server did it, the answer was lost
            super().handle_request(request).close()
        raise httpx.ReadTimeout("no answer", request=request)


def tasks_of(session: Session, name: str) -> list[dict]:
    return session.client.tasks(session.journal.projects()[name].project_id)


def problems_of(session: Session) -> Counter:
    return Counter(problem.kind for problem in session.journal.problems())


def test_imports_cut_off_in_every_way_end_with_each_task_once(session: Session, workplace: Workplace) -> None:
    transport = Faulty("429", "before", "500", "after", "503", "after", "after")
    with Client(workplace.connection(), transport=transport) as client:
        broken = session._replace(client=client)
        for sent in range(1, len(transport.faults) + 1):
            with pytest.raises(ServerUnreachable, match="the same command goes on"):
                push_step(broken, EVERYBODY)
            assert transport.imports == sent, "an import that failed was repeated without asking"
        push_step(broken, EVERYBODY)
    for person in session.team:
        keys = Counter(task["data"]["key"] for task in tasks_of(session, person.name))
        assert len(keys) == QUESTIONS and set(keys.values()) == {1}


def test_what_is_no_answer_is_a_problem_and_never_an_answer(session: Session, ann: Solver) -> None:
    project = session.journal.projects()["ann"].project_id
    tasks = ann.open_tasks(project)
    bad = [valid("5"), valid(3.5), valid(True), valid(None), {"result": []}]
    bad.append({"result": [*valid(4)["result"], {"from_name": "secret", "type": "number", "value": {"number": 4}}]})
    bad.append({"result": [*valid(4)["result"], valid(5)["result"][1]]})
    for task, body in zip(tasks, bad, strict=False):
        ann.answer(project, task["id"], body)
    report = pull_step(session)
    assert report.pulled.versions == len(bad)
    rows = session.dataset.read("annotation_history").to_pylist()
    assert [(row["kind"], row["answer"], row["counts"]) for row in rows] == [("problem", None, False)] * len(bad)
    assert all(row["problem"] for row in rows) and session.dataset.read("annotations").num_rows == 0
    assert pull_step(session).pulled.versions == 0


def test_updates_deletions_and_second_answers_are_history(session: Session, ann: Solver) -> None:
    project = session.journal.projects()["ann"].project_id
    task = ann.open_tasks(project)[0]
    first = ann.answer(project, task["id"], valid(1))
    pull_step(session)
    assert vote(session, task) == (1, "answer")
    assert ann.http.patch(f"/api/annotations/{first}/", json=valid(2), headers=ann.headers).status_code == 200
    pull_step(session)
    assert vote(session, task) == (2, "answer")
    ann.http.patch(f"/api/annotations/{first}/", json=valid("nonsense"), headers=ann.headers)
    pull_step(session)
    assert vote(session, task) == (2, "answer"), "the last valid answer counts"
    ann.answer(project, task["id"], valid(3))
    pull_step(session)
    assert vote(session, task) == (3, "answer") and problems_of(session)["answered twice"] == 0
    second = ann.answer(project, task["id"], skip())
    pull_step(session)
    assert vote(session, task) == (None, "skip") and problems_of(session)["answered twice"] == 1
    session.client.sdk.annotations.delete(second)
    pull_step(session)
    assert vote(session, task) == (3, "answer")
    history = [row for row in session.dataset.read("annotation_history").to_pylist() if row["kind"] == "deleted"]
    assert len(history) == 1


def vote(session: Session, task: dict) -> tuple:
    found = {a.key: (a.question_id, a.annotator) for a in session.journal.assignments()}[task["data"]["key"]]
    rows = session.dataset.read("annotations").to_pylist()
    (row,) = [row for row in rows if (row["question_id"], row["annotator"]) == found]
    return row["answer"], row["kind"]


def test_malicious_text_is_kept_and_harms_nothing(session: Session, ann: Solver, capsys) -> None:
    project = session.journal.projects()["ann"].project_id
    texts = [
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "'); DROP TABLE versions; --",
        "\x1b]0;owned\x07\x1b[31m red \x00 \u202e backwards",
        "a" * (1 << 20) + "beyond",
    ]
    tasks = ann.open_tasks(project)[: len(texts)]
    for task, text in zip(tasks, texts, strict=False):
        ann.answer(project, task["id"], valid(1, text))
    pull_step(session)
    notes = {row["note"] for row in session.dataset.read("annotations").to_pylist()}
    assert {texts[0], texts[1], texts[2].replace("\x00", "\ufffd")} <= notes | {""}
    assert max(map(len, notes)) == 1 << 20
    assert run_command(["annotate", "status", str(session.dataset.root)]) == 0
    told = capsys.readouterr().out
    assert "<script>" not in told and "\x1b" not in told


def test_wrong_token_and_no_server_are_one_clear_line(session: Session, workplace: Workplace, capsys, tmp_path) -> None:
    good = workplace.connection()
    with Client(good.model_copy(update={"token": "0" * 40})) as client:
        with pytest.raises(LabelStudioError, match="does not accept the token"):
            check_identity(client)
    elsewhere = Workplace(tmp_path / "place")
    elsewhere.write_credentials(Credentials(url="http://127.0.0.1:9", token="0" * 40))
    elsewhere.write_team(workplace.read_team())
    for place, said in ((elsewhere, "cannot be reached"), (Workplace(tmp_path / "none"), "annotate serve")):
        arguments = ["annotate", "sync", str(session.dataset.root), "--data-dir", str(place.folder)]
        assert run_command(arguments) == 2
        told = capsys.readouterr().err
        assert said in told and told.count("\n") == 1 and "0" * 40 not in told


def test_a_deleted_task_is_asked_again_and_a_deleted_project_made_again(session: Session) -> None:
    victim = next(task for task in tasks_of(session, "bea") if not task["annotations"])
    session.client.delete_task(victim["id"])
    pull_step(session)
    assert problems_of(session)["task deleted"] == 1
    push_step(session, EVERYBODY)
    assert victim["data"]["key"] in {task["data"]["key"] for task in tasks_of(session, "bea")}
    before = session.journal.projects()["cem"].project_id
    session.client.sdk.projects.delete(before)
    pull_step(session)
    assert problems_of(session)["project deleted"] == 1
    push_step(session, EVERYBODY)
    assert session.journal.projects()["cem"].project_id != before
    assert len(tasks_of(session, "cem")) == QUESTIONS


def test_a_changed_screen_is_put_back(session: Session) -> None:
    project = session.journal.projects()["dov"].project_id
    screen = session.client.project(project).label_config
    changed = screen.replace('value="unanswerable"', 'value="cannot say"')
    session.client.set_screen(project, changed)
    session.journal.reopen(next(iter(session.journal.candidates())), "to have something to push")
    push_step(session, EVERYBODY)
    assert problems_of(session)["screen changed"] == 1
    assert session.client.project(project).label_config == screen
    push_step(session, EVERYBODY)
    assert problems_of(session)["screen changed"] == 1


def test_a_question_changed_on_the_server_gets_no_answers(session: Session) -> None:
    person = next(person for person in session.team if person.name == "dov")
    project = session.journal.projects()["dov"].project_id
    task = next(task for task in tasks_of(session, "dov") if not task["annotations"])
    session.client.sdk.tasks.update(str(task["id"]), data=task["data"] | {"question": "What is 1 + 1?"})
    solver = Solver(session.client.url, person.email, person.password)
    solver.answer(project, task["id"], valid(2))
    solver.close()
    pull_step(session)
    assert problems_of(session)["task changed"] == 1
    rows = session.dataset.read("annotations").to_pylist()
    assert not [row for row in rows if row["annotator"] == "dov"]


def test_clocks_that_differ_lose_nothing(session: Session) -> None:
    person = next(person for person in session.team if person.name == "bea")
    project = session.journal.projects()["bea"]
    session.journal.set_meta("server_time", "9999999999")
    session.journal.set_project(project._replace(cursor="2999-01-01T00:00:00.000000Z"))
    solver = Solver(session.client.url, person.email, person.password)
    task = solver.open_tasks(project.project_id)[0]
    solver.answer(project.project_id, task["id"], other("unanswerable"))
    solver.close()
    assert pull(session.client, session.journal).versions == 1


def test_answers_in_another_name_do_not_count(session: Session) -> None:
    """Without the gate, or by the administrator: the project says whose answers these should be."""
    project = session.journal.projects()["bea"].project_id
    task = next(task for task in tasks_of(session, "bea") if not task["annotations"])
    session.client.sdk.annotations.create(task["id"], **valid(1), project=project)
    pull_step(session)
    rows = session.dataset.read("annotation_history").to_pylist()
    assert "not by bea" in json.dumps([row["problem"] for row in rows])
