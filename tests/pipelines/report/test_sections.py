"""Sections say what was counted by hand."""

import pytest

from pipelines.catalog import connect
from pipelines.report.cost import cost
from pipelines.report.judging import judging
from pipelines.report.people import people
from pipelines.report.section import Chart, Figures, Grid
from pipelines.report.solving import solving
from schemas.annotation import Annotation, HumanVerdict, Kind, Purpose
from schemas.model_reply import ModelReply
from schemas.rollout import Rollout, Scored, View
from schemas.verdict import Outcome, Verdict
from tests.release_makers import accept, admit, encode, make_instances, make_pixels, make_question, write_dataset

GIVEN = {"anna": (0, 0, 0, 0, 0, 0), "ben": (0, 0, 0, 0, 1, 1), "carl": (0, 0, 0, None, 1, 2)}
"""What each annotator answered, as the distance from the stored answer; None is "ambiguous"."""


def annotation(name, question, off, **changes):
    fields = {
        "annotation_id": f"{name}-{question.question_id}", "version": 0, "counts": True,
        "question_id": question.question_id, "image_id": question.image_id, "annotator": name, "round": 0,
        "purpose": Purpose.PEOPLE, "kind": Kind.ANSWER,
        "verdict": HumanVerdict.AMBIGUOUS if off is None else HumanVerdict.VALID,
        "answer": None if off is None else question.answer + off, "agrees": None if off is None else off == 0,
        "seconds": 10.0, "note": "", "reported": False, "problem": "", "created_at": "", "updated_at": "",
    }  # fmt: skip
    return Annotation(**(fields | changes))


def rollout(question, attempt, answer, view=View.FULL):
    scored = Scored.UNSCORED if answer is None else Scored.CORRECT if answer == question.answer else Scored.INCORRECT
    named = {"question_id": question.question_id, "image_id": question.image_id, "model": "tiny"}
    return Rollout(view=view, attempt=attempt, temperature=1, response="", answer=answer, outcome=scored, **named)


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sections")
    image = admit(encode(make_pixels(1)), "a.png")
    questions = [make_question(image, make_instances(image), number) for number in range(6)]
    said = [annotation(name, q, off) for name, offs in GIVEN.items() for q, off in zip(questions, offs, strict=True)]
    said.append(annotation("anna", questions[0], 5, annotation_id="old", counts=False))
    said.append(annotation("dora", questions[0], 5, purpose=Purpose.GOLD))
    verdicts = [
        Verdict(judge="rubric", outcome=Outcome.PASS, reason="", score=20 + 60 * (number < 3), **{
            "question_id": q.question_id, "image_id": q.image_id,
        })
        for number, q in enumerate(questions)
    ]  # fmt: skip
    tried = [rollout(questions[0], n, 3) for n in range(4)] + [rollout(questions[1], n, n) for n in range(5)]
    tried += [rollout(questions[1], 5, None), rollout(questions[2], 0, 99, View.BLIND)]
    asked = ModelReply(
        request_key="k", job="solve", role="solver", model="tiny", texts=("3",), finish_reasons=("stop",),
        input_tokens=100, output_tokens=10, money=0.6,
    )  # fmt: skip
    tables = {
        "images": [image], "questions": questions, "decisions": [accept(q) for q in questions], "annotations": said,
        "verdicts": verdicts, "rollouts": tried, "replies": [asked],
    }  # fmt: skip
    with connect(write_dataset(folder / "d", folder, tables)) as opened:
        yield opened


def test_people_are_counted_without_gold_and_without_answers_that_were_replaced(connection):
    figures, spread, annotators = people(connection).blocks
    values = {figure.label: figure.value for figure in figures.items}
    assert isinstance(figures, Figures)
    assert values["questions answered"] == "6" and values["answers"] == "18"
    assert values["everybody gave the stored answer"] == "3" and values["nobody did"] == "0"
    assert {point.x: point.y for point in spread.points} == {"1 of 3": 2, "2 of 3": 1, "3 of 3": 3}
    assert [row[:4] for row in annotators.rows] == [
        ("anna", 6, 6, 100.0),
        ("ben", 6, 6, pytest.approx(66.7)),
        ("carl", 6, 5, 60.0),
    ]


def test_a_judge_is_held_against_people_by_its_score(connection):
    blocks = judging(connection).blocks
    assert not isinstance(blocks[0], Chart), "three questions are too few for a point"
    grid = next(block for block in blocks if isinstance(block, Grid) and block.title == "Judges against people")
    assert [tuple(row) for row in grid.rows] == [("rubric", "pass", 6, 5, 1)]


def test_attempts_that_saw_the_picture_and_gave_a_number_make_the_solve_rate(connection):
    chart, grid = solving(connection).blocks
    assert grid.rows == [("tiny", 2, 9, 1, 0.6, 0, 1)]
    assert sum(point.y for point in chart.points) == 2


def test_money_is_told_by_job_and_per_accepted_question(connection):
    assert connection.execute("FROM spent_per_kept()").fetchall() == [
        ("solve", "solver", "tiny", 1, 0, 100, 10, 0.6, 0.1)
    ]
    assert cost(connection) is None, "nothing took any time"
