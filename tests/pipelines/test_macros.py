"""The views and macros over all tables: counted by hand on a dataset made by hand."""

import pytest

from pipelines.catalog import connect
from schemas.category import Category
from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from schemas.verdict import Outcome, Verdict
from tests.release_makers import accept, admit, encode, make_instances, make_pixels, make_question, write_dataset


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("macros")
    image = admit(encode(make_pixels(1)), "a.png")
    instances = make_instances(image)
    questions = [make_question(image, instances, number, margin=3 - number / 2) for number in range(4)]
    named = {"question_id": questions[2].question_id, "image_id": image.image_id}
    decisions = [accept(questions[0]), accept(questions[1]), Decision(route=Route.PEOPLE, reason="unsure", **named)]
    lost = {"id": questions[3].question_id, "parent_id": image.image_id, "detail": "why"}
    tables = {
        "images": [image],
        "instances": instances,
        "categories": [
            Category(image_id=image.image_id, category="ball", instance_count=3, countable=True),
            Category(image_id=image.image_id, category="cup", instance_count=1, countable=False, reason="tiny"),
        ],
        "questions": questions,
        "decisions": decisions,
        "verdicts": [
            Verdict(judge="text_rules", outcome=Outcome.PASS, reason="", question_id=q.question_id, image_id=q.image_id)
            for q in questions[:2]
        ],
        "drops": [Drop(stage="judge", reason=DropReason.NO_VERDICT, **lost)],
    }
    with connect(write_dataset(folder / "d", folder, tables)) as opened:
        yield opened


def test_every_question_has_one_outcome(connection):
    found = connection.execute("SELECT ended, dropped_by, drop_reason FROM outcomes ORDER BY margin DESC").fetchall()
    assert found == [
        ("accepted", None, None),
        ("accepted", None, None),
        ("people", None, None),
        ("dropped", "judge", "no_verdict"),
    ]


def test_the_hardest_families_are_those_with_the_least_margin_where_nobody_tried(connection):
    found = connection.execute("SELECT family_id, solve_rate, margin FROM hardest_families(most := 2)").fetchall()
    assert found == [("family-2", None, 2.0), ("family-1", None, 2.5)]


def test_what_one_category_became_is_told_from_pictures_to_questions(connection):
    assert connection.execute("FROM category_story('cup')").fetchall() == [
        ("pictures that show it", 1),
        ("instances", 1),
        ("pictures where it may be counted", 0),
        ("pictures where it is not counted: tiny", 1),
        ("questions that name it", 4),
        ("of these accepted", 2),
        ("of these dropped", 1),
        ("of these people", 1),
    ]


def test_yields_and_costs_come_from_the_manifests(connection):
    assert connection.execute("FROM yield_by_stage()").fetchall() == [("made", "rows", 1, 1, 0, 0, 100.0)]
    (row,) = connection.execute("FROM cost_per_kept()").fetchall()
    assert row[0] == "made" and row[1] == 0


def test_where_people_said_nothing_judges_are_compared_with_nobody(connection):
    assert connection.execute("FROM judge_vs_people()").fetchall() == []
