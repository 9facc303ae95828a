"""Four annotators solve 60 questions over HTTP in a real Label Studio, from push to published rows."""

import random
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from annotation.journal import open_journal
from annotation.wake import HEADER, listen
from annotation.workplace import Annotator, Workplace
from pipelines.cli import run_command
from pipelines.errors import UserError
from pipelines.people.config import FOLDER
from pipelines.people.watching import watch
from pipelines.publish import publish_dataset
from pipelines.store import Dataset
from tests.annotation.solver import Solver, other, skip, valid
from tests.annotation.sources import make_dataset, reroute

pytestmark = [pytest.mark.xdist_group("label-studio"), pytest.mark.timeout(400)]

WANTED = 60
ERRORS = {"ann": 0.02, "bea": 0.05, "cem": 0.1, "dov": 0.2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    """Sixty questions, of which every second is sent to people and the others are accepted, and audited."""
    dataset = make_dataset(tmp_path_factory.mktemp("people"), 30)
    names = sorted(row["question_id"] for row in dataset.read("decisions").to_pylist())
    assert len(names) >= WANTED
    routes = {name: ("people", "accept")[number % 2] for number, name in enumerate(names[:WANTED])}
    reroute(dataset, dict.fromkeys(names, "drop") | routes)
    return dataset


def solve_all(workplace: Workplace, dataset: Dataset, sent: dict[tuple[str, str], dict]) -> int:
    """Lets every annotator answer everything in their queue; adds what each sent, by annotator and question."""
    url = workplace.connection().url
    known = {
        (row["question"], row["image_id"]): row
        for row in dataset.read("questions", columns=["question_id", "image_id", "question", "answer"]).to_pylist()
    }
    identity = identity_of(dataset)
    with ThreadPoolExecutor(4) as pool:
        rounds = pool.map(lambda annotator: solve_queue((url, identity), annotator, known), workplace.read_team())
    fresh = [pair for answers in rounds for pair in answers]
    assert not sent.keys() & {key for key, _ in fresh}, "somebody was asked the same twice"
    sent.update(fresh)
    return len(fresh)


def identity_of(dataset: Dataset) -> str:
    """Returns what tells the dataset's projects from those of other tests on the same server."""
    with open_journal(dataset.root / FOLDER, write=False) as journal:
        return journal.identity


def solve_queue(place: tuple[str, str], annotator: Annotator, known: Mapping[tuple[str, str], dict]) -> list:
    """Answers what one dataset puts in front of one annotator; returns what was sent."""
    url, identity = place
    solver = Solver(url, annotator.email, annotator.password)
    done = []
    for project in solver.projects(identity):
        first = solver.next(project)
        for task in solver.open_tasks(project):
            row = known[task["data"]["question"], Path(task["data"]["image"]).stem]
            body = answer_of(annotator.name, row)
            solver.answer(project, task["id"], body)
            done.append(((annotator.name, row["question_id"]), body))
        assert solver.next(project) is None and (first is not None) == bool(done)
    solver.close()
    return done


def answer_of(name: str, row: dict) -> dict:
    """Returns what an annotator with their own rate of mistakes says; a function of who and what."""
    rng = random.Random(f"{name}:{row['question_id']}")
    roll = rng.random()
    if roll < 0.02:
        return skip()
    if roll < 0.04:
        return other("ambiguous")
    return valid(row["answer"] + rng.choice((-1, 1)) * (rng.random() < ERRORS[name]))


def rule_by_hand(bodies: list[dict], own: int) -> str:
    """unanimous-4, written down a second time."""
    numbers = []
    for body in bodies:
        if body.get("was_cancelled") or len(body["result"]) != 2:
            return "rejected"
        numbers.append(body["result"][1]["value"]["number"])
    if any(number != own for number in numbers):
        return "rejected"
    return "confirmed" if len(numbers) == 4 else "open"


def test_sixty_candidates_from_push_to_published_rows(workplace: Workplace, dataset: Dataset, capsys) -> None:
    root, place = str(dataset.root), ["--data-dir", str(workplace.folder)]
    sent: dict[tuple[str, str], dict] = {}
    assert run_command(["annotate", "push", root, *place, "--audit", "1", "--queue", "100"]) == 0
    rounds = 0
    while solve_all(workplace, dataset, sent):
        assert run_command(["annotate", "sync", root, *place]) == 0
        rounds += 1
    assert 4 <= rounds <= 8

    pulled = dataset.read("annotations").to_pylist()
    assert len(pulled) == len(sent) < 4 * WANTED
    for row in pulled:
        body = sent[row["annotator"], row["question_id"]]
        if body.get("was_cancelled"):
            assert (row["kind"], row["answer"]) == ("skip", None)
        else:
            assert row["verdict"] == body["result"][0]["value"]["choices"][0]
            assert row["answer"] == (body["result"][1]["value"]["number"] if len(body["result"]) == 2 else None)
            assert row["seconds"] == body["lead_time"]

    own = {row["question_id"]: row["answer"] for row in dataset.read("questions").to_pylist()}
    people = {row["question_id"]: row for row in dataset.read("people").to_pylist()}
    assert len(people) == WANTED
    for name, row in people.items():
        bodies = [body for (_, question), body in sent.items() if question == name]
        assert len(bodies) == 4 or row["purpose"] == "people"
        assert row["standing"] == rule_by_hand(bodies, own[name]), row
    outcomes = [row["standing"] for row in people.values()]
    assert outcomes.count("confirmed") > 10 and outcomes.count("rejected") > 5 and "open" not in outcomes

    report = publish_dataset(dataset.root)
    rows = [row for file in report.files for row in pq.read_table(report.folder / file.path).to_pylist()]
    confirmed = {name for name, row in people.items() if row["standing"] == "confirmed"}
    assert {row["question_id"] for row in rows} == confirmed
    assert {row["tier"] for row in rows} == {"both"}
    assert run_command(["annotate", "status", root]) == 0
    told = capsys.readouterr().out
    assert "Krippendorff" in told and "ann: " in told
    assert run_command(["verify", root]) == 0
    capsys.readouterr()
    assert run_command(["annotate", "learn", root]) == 0
    learned = capsys.readouterr().out
    decided = [int(number) for number in re.findall(r"(\d+) questions", learned)]
    assert learned.startswith("reward model 1, ") and sum(decided) == WANTED
    assert "accepts nothing unseen" in learned, "sixty labels cannot show an error of 1%"


def test_nothing_on_the_server_gives_the_answer_away(workplace: Workplace, dataset: Dataset) -> None:
    annotator = workplace.read_team()[0]
    solver = Solver(workplace.connection().url, annotator.email, annotator.password)
    for project in solver.projects():
        page = solver.http.get(f"/api/tasks/?project={project}&fields=all&page_size=500").json()
        for task in page["tasks"]:
            assert set(task["data"]) == {"key", "question", "image"} and task["meta"] in ({}, None)
            assert task["predictions"] == []
            assert all(annotation["completed_by"] == annotator.user_id for annotation in task["annotations"])
    solver.close()


def test_the_verify_flow_is_one_short_pass(workplace: Workplace, dataset: Dataset) -> None:
    from pipelines.people.flow import verify

    done = verify.fn(str(dataset.root), str(workplace.folder))
    assert (done["answers"], done["sent"], done["rows"]) == (0, 0, None)
    with pytest.raises(UserError, match="annotate serve"):
        verify.fn(str(dataset.root), str(workplace.folder / "nowhere"))


def test_a_webhook_wakes_the_puller(workplace: Workplace, dataset: Dataset) -> None:
    person = workplace.read_team()[0]
    solver = Solver(workplace.connection().url, person.email, person.password)
    with ThreadPoolExecutor(1) as pool:
        lines = iter(watch(dataset.root, workplace, every=300, passes=2))
        assert next(lines).startswith("0 new answers")
        second = pool.submit(next, lines)
        own = solver.http.get(
            f"/api/tasks/?project={solver.projects(identity_of(dataset))[-1]}&fields=all&page_size=5"
        ).json()["tasks"]
        answer = next(task for task in own if task["annotations"])["annotations"][0]["id"]
        changed = solver.http.patch(f"/api/annotations/{answer}/", json=valid(77), headers=solver.headers)
        assert changed.status_code == 200
        assert second.result(timeout=100).startswith("1 new answers")
    lines.close()
    solver.close()


def test_a_receiver_believes_nobody_without_its_secret() -> None:
    with listen() as bell:
        for headers in ({}, {HEADER: "wrong"}, {HEADER: "é".encode("latin-1")}):
            assert httpx.post(bell.url, json={"action": "x"}, headers=headers, trust_env=False).status_code == 403
        assert not bell.event.is_set()
        assert httpx.post(bell.url, content=b"", headers={HEADER: bell.secret}, trust_env=False).status_code == 204
        assert bell.event.wait(10), "it is set right after the answer"
