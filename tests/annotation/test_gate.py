"""What an annotator may ask of the server: a list of what is allowed, tried against a real one."""

import json
from urllib.parse import urlencode

import httpx
import pytest

from annotation.client import Client
from annotation.push import Place, ensure_project
from annotation.to_label_studio import local_storage
from annotation.workplace import Workplace
from tests.annotation.solver import Solver, valid

pytestmark = [pytest.mark.xdist_group("label-studio"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def two(workplace: Workplace, journal):
    """Two annotators, each with a project, tasks and an answer of their own, logged in."""
    ann, bea = workplace.read_team()[:2]
    folder = workplace.media / "gate"
    folder.mkdir(exist_ok=True)
    place = Place("gate", local_storage(folder.resolve()), lambda name: f"/data/local-files/?d=gate/{name}")
    found = {}
    with Client(workplace.connection()) as client:
        for person in (ann, bea):
            project = ensure_project(client, journal, person, place).project_id
            tasks = [{"data": {"key": f"{person.name}{n}", "question": "How many?", "image": "x"}} for n in range(3)]
            ids = client.import_tasks(project, tasks)
            solver = Solver(client.url, person.email, person.password)
            answer = solver.answer(project, ids[0], valid(4711))
            found[person.name] = (solver, project, ids, answer, person)
    yield found["ann"], found["bea"]
    for solver, *_ in found.values():
        solver.close()


def test_own_work_is_possible(two) -> None:
    (solver, project, ids, answer, person), _ = two
    assert project in solver.projects()
    assert solver.http.get(f"/api/projects/{project}/").status_code == 200
    assert solver.http.get(f"/api/annotations/{answer}/").status_code == 200
    task = solver.http.get(f"/api/tasks/{ids[0]}/").json()
    assert [item["id"] for item in task["annotations"]] == [answer]
    changed = solver.http.patch(f"/api/annotations/{answer}/", json=valid(4712), headers=solver.headers)
    assert changed.status_code == 200 and "4712" in changed.text
    assert solver.http.get("/api/current-user/whoami").json()["email"] == person.email


def test_nothing_of_others_can_be_read(two) -> None:
    (solver, _, _, _, _), (_, project, ids, answer, other) = two
    views = [
        f"/api/projects/{project}/",
        f"/api/projects/{project}/next",
        f"/api/projects/{project}/tasks/",
        f"/api/projects/{project}/export?exportType=JSON",
        f"/api/projects/{project}/summary",
        f"/projects/{project}/data",
        f"/projects/{project}/settings/",
        f"/api/tasks/{ids[0]}/",
        f"/api/tasks/{ids[0]}/annotations/",
        f"/api/tasks/{ids[0]}/drafts",
        f"/api/tasks/?project={project}&fields=all",
        "/api/tasks/?fields=all",
        f"/api/annotations/{answer}/",
        f"/api/dm/project?project={project}",
        f"/api/dm/views?project={project}",
        f"/api/dm/actions?project={project}",
        f"/tasks/{ids[0]}/resolve/?fileuri=x",
        "/api/webhooks/",
        "/api/storages/localfiles/?project=" + str(project),
        "/api/organizations/1/memberships",
        "/api/invite",
        "/api/current-user/token",
        "/people/",
        "/admin/",
    ]
    for path in views:
        answered = solver.http.get(path)
        assert answered.status_code in (302, 401, 403, 404), (path, answered.status_code)
        assert "4711" not in answered.text and other.email not in answered.text, path
    assert project not in solver.projects()
    users = solver.http.get("/api/users/").json()
    assert other.email not in json.dumps(users)


def test_nothing_can_be_done_that_is_not_answering(two) -> None:
    (solver, project, ids, answer, _), (_, foreign, others, other_answer, _) = two
    tries = [
        ("DELETE", f"/api/projects/{project}/", None),
        ("DELETE", f"/api/projects/{foreign}/", None),
        ("PATCH", f"/api/projects/{project}/", {"title": "mine"}),
        ("POST", "/api/projects/", {"title": "new"}),
        ("POST", f"/api/projects/{project}/import", [{"data": {}}]),
        ("DELETE", f"/api/tasks/{ids[1]}/", None),
        ("PATCH", f"/api/tasks/{ids[1]}/", {"data": {"question": "other"}}),
        ("DELETE", f"/api/annotations/{answer}/", None),
        ("PATCH", f"/api/annotations/{other_answer}/", valid(1)),
        ("POST", f"/api/tasks/{others[1]}/annotations/?project={foreign}", valid(1)),
        (
            "POST",
            f"/api/dm/actions?id=delete_tasks&project={project}",
            {"selectedItems": {"all": True, "excluded": []}},
        ),
        ("POST", f"/api/dm/actions?id=next_task&id=delete_tasks&project={project}", {}),
        ("POST", "/api/webhooks/", {"url": "http://127.0.0.1:1/"}),
        ("POST", "/api/token/", {}),
        ("POST", "/api/current-user/reset-token/", {}),
        ("POST", "/api/invite/reset-token", {}),
    ]
    for method, path, body in tries:
        answered = solver.http.request(method, path, json=body, headers=solver.headers)
        assert answered.status_code in (401, 403), (method, path, answered.status_code, answered.text[:200])
    assert solver.http.get(f"/api/tasks/{ids[1]}/").json()["data"]["question"] == "How many?"


def test_an_answer_cannot_be_given_in_another_name(two, workplace: Workplace) -> None:
    (solver, project, ids, _, person), (_, _, _, _, other) = two
    forged = valid(5) | {"completed_by": other.user_id, "ground_truth": True, "unique_id": "x", "project": 1}
    made = solver.answer(project, ids[2], forged)
    with Client(workplace.connection()) as client:
        kept = client.sdk.annotations.get(made)
    assert (kept.completed_by, kept.ground_truth) == (person.user_id, False)


def test_a_form_that_reads_as_json_too_says_nothing_the_gate_has_not_seen(two, workplace: Workplace) -> None:
    (solver, project, ids, answer, person), (_, foreign, others, _, other) = two
    form = {"Content-Type": "application/x-www-form-urlencoded", **solver.headers}
    fields = {"result": json.dumps(valid(6)["result"]), "completed_by": other.user_id, "task": others[1], "x": ""}
    body = '{"lead_time": "&' + urlencode(fields) + '"}'
    assert set(json.loads(body)) == {"lead_time"}
    solver.http.post(f"/api/tasks/{ids[1]}/annotations/?project={project}", content=body, headers=form)
    solver.http.patch(f"/api/annotations/{answer}/", content=body, headers=form)
    body = '{"data": "&' + urlencode({"project": foreign, "x": ""}) + '"}'
    solver.http.post(f"/api/dm/views/?project={project}", content=body, headers=form)
    with Client(workplace.connection()) as client:
        kept = client.sdk.annotations.get(answer)
        assert (kept.completed_by, kept.task) == (person.user_id, ids[0])
        for untouched in (ids[1], others[1]):
            assert not client.sdk.tasks.get(str(untouched)).annotations
        assert not client.sdk.views.list(project=foreign)


def test_tokens_are_for_the_administrator(two, workplace: Workplace) -> None:
    (_, project, _, _, _), _ = two
    url = workplace.connection().url
    for header in ("Token 0123456789", "token 0123456789", "Bearer abc", "Basic YTpi", ""):
        answered = httpx.get(f"{url}/api/projects/{project}/", headers={"Authorization": header}, trust_env=False)
        assert answered.status_code == 401, header
    assert httpx.get(f"{url}/api/projects/", trust_env=False).status_code == 401
