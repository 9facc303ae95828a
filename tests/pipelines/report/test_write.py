"""The report as a file: complete, self-contained, the same again, and nothing in it that came from outside can run."""

import base64
import hashlib
import json
import re

import pytest

from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.report.gallery import choose_questions
from pipelines.report.sections import SECTIONS
from pipelines.report.write import write_report
from pipelines.store import Dataset
from tests.pipelines.report.conftest import HOSTILE
from tests.release_makers import write_dataset


def data_of(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_the_same_dataset_gives_the_same_report(shown, report, tmp_path):
    again = write_report(shown.root, tmp_path / "again.html")
    assert again.path.read_bytes() == report.read_bytes()
    assert (again.questions, again.pictures, again.unreadable) == (40, 10, 0)


def test_the_page_asks_for_nothing_and_allows_nothing_but_its_own_script_and_style(report):
    text = report.read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert rules[kind] == f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
    without_namespaces = text.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    assert "http:" not in without_namespaces and "https:" not in without_namespaces
    assert not re.search(r"<[a-z][^>]*\s(?:on\w+|style)\s*=", text)


def test_text_from_outside_is_only_ever_text(report):
    text = report.read_text()
    assert "alert(1)</script>" not in text and "<img src=x" not in text and "<b>.png" not in text
    data = data_of(text)
    assert sum(question["q"] == HOSTILE for question in data["questions"]) == 10
    assert data["pictures"][0]["uri"].endswith("<b>.png")


def test_every_question_is_there_with_what_became_of_it(shown, report):
    questions = data_of(report.read_text())["questions"]
    assert len(questions) == 40
    assert {question["reason"] for question in questions if question["ended"] == "dropped"} == {"over quota"}
    assert sum(question["ended"] == "accepted" for question in questions) == 30
    assert {question["band"] for question in questions} == {"unknown"}


def test_outlines_cover_what_the_hops_land_on(report):
    data = data_of(report.read_text())
    for question in data["questions"]:
        paths = data["pictures"][question["p"]]["paths"]
        landed = [len(hop["s"]) for hop in question["hops"]]
        assert landed == [1, 3]
        assert all(
            re.fullmatch(r"(?:M-?\d+ -?\d+(?:l[-\d ]+|[hv\d-]+)z)+", paths[s])
            for hop in question["hops"]
            for s in hop["s"]
        )


def test_a_section_without_rows_is_not_there(tmp_path):
    empty = write_dataset(tmp_path / "empty", tmp_path, {"images": []})
    with connect(empty) as connection:
        keys = [section.key for make in SECTIONS if (section := make(connection)) is not None]
    assert "people" not in keys and "solving" not in keys and "distributions" not in keys
    text = write_report(empty.root).path.read_text()
    assert 'id="gallery"' not in text and 'id="overview"' in text


def test_the_funnel_shows_each_reason_with_its_count(finished: Dataset):
    text = write_report(finished.root, finished.root.parent / "funnel.html", most=4).path.read_text()
    with connect(finished) as connection:
        losses = connection.execute(
            "SELECT reason, sum(count)::INT FROM losses GROUP BY stage, unit, reason"
        ).fetchall()
    assert losses
    for reason, count in losses:
        assert f"<b>{count:,}</b> {reason.replace('_', ' ')}" in text


def test_the_gallery_prefers_accepted_questions_and_keeps_a_share_for_the_lost(shown):
    with connect(shown) as connection:
        chosen = choose_questions(connection, 20)
        again = choose_questions(connection, 20)
    assert chosen == again and chosen.total == 40
    ended = [row.outcome["ended"] for row in chosen.rows]
    assert (ended.count("accepted"), ended.count("dropped")) == (16, 4)


def test_a_picture_that_is_gone_is_said_to_be_gone(tmp_path, shown):
    source = shown.root.parent
    picture = source / "picture 3 <b>.png"
    held = picture.read_bytes()
    picture.unlink()
    try:
        written = write_report(shown.root, tmp_path / "report.html")
    finally:
        picture.write_bytes(held)
    assert written.unreadable == 1
    assert len(re.findall(r'<script type="text/plain" id="picture-\d+"></script>', written.path.read_text())) == 1


def test_bad_requests_are_clear_errors(tmp_path, shown):
    with pytest.raises(UserError, match="does not exist"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_report(shown.root, tmp_path / "file/report.html")
