"""What is known of a question before people are asked: each number measures one thing, or is missing."""

import numpy as np
import pytest

from pipelines.people.features import read_features
from schemas.rollout import Rollout, Scored, View
from schemas.verdict import Outcome, Verdict
from stages.reward_model import FEATURES
from tests.release_makers import admit, encode, make_instances, make_pixels, make_question, passes, write_dataset


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Of three questions: solved and judged, tried without the picture only, and never tried."""
    folder = tmp_path_factory.mktemp("features")
    image = admit(encode(make_pixels(0)), "a.png")
    instances = make_instances(image)
    questions = [make_question(image, instances, number) for number in range(3)]
    tried, blind, _ = questions
    rollouts = [
        *attempts(tried, View.FULL, (0, 1)),
        *attempts(tried, View.BLIND, (1, 1, 1)),
        *attempts(blind, View.BLIND, (1,)),
    ]
    verdicts = [verdict for question in questions for verdict in passes(question)]
    verdicts += [scored(tried, "blind", 0.0), scored(tried, "solve", 0.5), scored(blind, "blind", 0.25)]
    verdicts += [scored(tried, "rubric:factual", 80), scored(tried, "rubric:reasoning", 90)]
    tables = {
        "images": [image],
        "instances": instances,
        "questions": questions,
        "rollouts": rollouts,
        "verdicts": verdicts,
    }
    names, _, rows = read_features(write_dataset(folder / "dataset", folder, tables))
    return [dict(zip(FEATURES, rows[names.index(question.question_id)], strict=True)) for question in questions]


def attempts(question, view, said):
    return [
        Rollout(
            question_id=question.question_id, image_id=question.image_id, view=view, model="m", attempt=number,
            temperature=1, response="", answer=question.answer + is_wrong, outcome=Scored.CORRECT,
        )
        for number, is_wrong in enumerate(said)
    ]  # fmt: skip


def scored(question, judge, score):
    return Verdict(
        question_id=question.question_id, image_id=question.image_id, judge=judge, outcome=Outcome.PASS, reason="",
        score=score,
    )  # fmt: skip


def test_the_solve_rate_is_that_of_attempts_that_saw_the_picture(features) -> None:
    tried, blind, never = features
    assert tried["solve_rate"] == 0.5
    assert np.isnan(blind["solve_rate"]) and np.isnan(never["solve_rate"])


def test_the_judges_score_is_the_rubrics_and_missing_where_no_judge_spoke(features) -> None:
    tried, blind, never = features
    assert tried["judge_score"] == 85
    assert np.isnan(blind["judge_score"]) and np.isnan(never["judge_score"])
