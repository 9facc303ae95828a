"""A person's path in a headless browser: log in, solve by keyboard, skip, mark, and never see anybody else's answer."""

from pathlib import Path

import pytest

from annotation.client import Client
from annotation.pull import pull
from annotation.workplace import Workplace
from pipelines.people.sync import open_session, push_step
from tests.annotation.chromium import CONTROL, Browser, open_browser, program
from tests.annotation.solver import Solver, valid
from tests.annotation.sources import make_scenes, reroute

pytestmark = [
    pytest.mark.xdist_group("label-studio"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(program() is None, reason="there is no Chromium"),
]
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "labelling.jpg"
SECRET = 987654321


@pytest.fixture(scope="module")
def asked(workplace: Workplace, tmp_path_factory):
    """Seven questions in front of one annotator; another has answered with a number that nobody else would give."""
    dataset = make_scenes(tmp_path_factory.mktemp("screen"), 8)
    names = sorted(row["question_id"] for row in dataset.read("decisions").to_pylist())
    assert len(names) >= 7
    reroute(dataset, dict.fromkeys(names, "drop") | dict.fromkeys(names[:7], "accept"))
    with open_session(dataset.root, workplace) as session:
        push_step(session, {"audit": 1.0, "dispatch.queue": 50})
        projects = session.journal.projects()
        ann, bea = workplace.read_team()[:2]
        solver = Solver(session.client.url, bea.email, bea.password)
        for task in solver.open_tasks(projects["bea"].project_id):
            solver.answer(projects["bea"].project_id, task["id"], valid(SECRET, "bea's own note"))
        solver.close()
        yield session, ann, projects


def log_in(browser: Browser, url: str, email: str, password: str) -> None:
    browser.open(f"{url}/user/login/")
    browser.wait("document.querySelector('input[name=email]') !== null")
    browser.evaluate("document.querySelector('input[name=email]').focus()")
    browser.insert(email)
    browser.press("Tab")
    browser.insert(password)
    browser.press("Enter")
    browser.wait("location.pathname !== '/user/login/'")


PLACE = r"(document.body.innerText.match(/(\d+) of \d+/) || [])[1]"
"""Which task of this visit is shown; the screen counts them."""


def wait_ready(browser: Browser, number: int) -> None:
    """Waits until that task of this visit is there, unanswered."""
    browser.wait(
        f"{PLACE} === '{number}' && document.querySelector('button[name=submit]') !== null"
        " && document.querySelectorAll('input[type=radio]').length === 4"
        " && document.querySelectorAll('input[type=radio]:checked').length === 0"
    )


def choose(browser: Browser, key: str) -> None:
    """Presses the key of a verdict; again where the screen, just drawn, did not hear it yet."""
    chosen = "document.querySelectorAll('input[type=radio]:checked').length === 1"
    for _ in range(10):
        browser.press(key)
        try:
            browser.wait(chosen, 1.5)
            return
        except AssertionError:
            continue
    raise AssertionError(f"{key} chooses nothing")


def test_five_tasks_by_keyboard_one_skipped_one_ambiguous(asked, workplace: Workplace, tmp_path: Path) -> None:
    session, ann, projects = asked
    url, project = session.client.url, projects["ann"].project_id
    with open_browser(tmp_path / "browser") as browser:
        log_in(browser, url, ann.email, ann.password)
        browser.open(f"{url}/projects/{project}/data?labeling=1")
        for place, number in enumerate((3, 12, 0, 7, 5), 1):
            wait_ready(browser, place)
            choose(browser, "v")
            browser.wait("document.activeElement.matches('input[type=number]')")
            browser.type(str(number))
            if number == 12:
                assert browser.evaluate("document.documentElement.scrollHeight <= innerHeight")
                browser.wait("[...document.images].some(image => image.naturalWidth === 512)")
                browser.screenshot(tmp_path / "labelling.jpg")
            browser.press("Enter")
        wait_ready(browser, 6)
        browser.press("Space", CONTROL)
        wait_ready(browser, 7)
        choose(browser, "a")
        browser.press("Enter", CONTROL)
        browser.wait("!document.querySelector('button[name=submit]') || document.body.innerText.includes('No more')")
        seen = "".join(pages(browser, url, project, projects["bea"].project_id))
    assert str(SECRET) not in seen and "bea's own note" not in seen and "bea@" not in seen
    assert pull(session.client, session.journal).versions == 14
    said = {}
    with Client(workplace.connection()) as client:
        tasks = client.tasks(project)
    for task in tasks:
        (annotation,) = task["annotations"]
        values = {item["from_name"]: item["value"] for item in annotation["result"]}
        key = "skip" if annotation["was_cancelled"] else values["verdict"]["choices"][0]
        said.setdefault(key, []).append(values.get("answer", {}).get("number"))
    assert sorted(said.pop("valid")) == [0, 3, 5, 7, 12]
    assert {key: len(values) for key, values in said.items()} == {"skip": 1, "ambiguous": 1}
    picture = tmp_path / "labelling.jpg"
    assert picture.stat().st_size > 20_000
    if not PICTURE.exists():
        PICTURE.write_bytes(picture.read_bytes())


def pages(browser: Browser, url: str, own: int, foreign: int):
    """Yields all that the browser shows on every page it can open."""
    for path in (
        f"/projects/{own}/data",
        f"/projects/{own}/",
        f"/projects/{own}/settings/",
        f"/projects/{foreign}/data",
        f"/projects/{foreign}/data?labeling=1",
        "/projects/",
        "/people/",
        "/organization/",
        "/user/account/",
    ):
        browser.open(url + path)
        browser.wait("document.readyState === 'complete'")
        browser.evaluate("new Promise(done => setTimeout(done, 400))")
        yield browser.evaluate("document.documentElement.outerHTML")
