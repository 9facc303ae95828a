"""The gate before release judges what would go out: it stops what leaks, and says what it could not judge."""

import json
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.publish import publish_dataset
from pipelines.publish_folder import PublishReport
from pipelines.store import Dataset
from schemas.decision import Decision
from schemas.image import Image
from schemas.instance import Instance
from schemas.question import Question
from schemas.rollout import Rollout, Scored, View
from schemas.verdict import Verdict
from tests.release_makers import make_dataset, make_files, write_dataset

PICTURES = 8
KINDS = {"images": Image, "instances": Instance, "questions": Question, "decisions": Decision, "verdicts": Verdict}


def tried(folder: Path, outcomes: tuple[Scored, ...], tolerance: float = 0.2) -> Dataset:
    """A dataset whose 24 questions were each tried without the picture, with these outcomes in turn."""
    plain = make_dataset(folder / "plain", make_files(PICTURES))
    tables = {name: list(plain.records(name, kind)) for name, kind in KINDS.items()}
    questions = list(plain.records("questions", Question))
    tables["rollouts"] = [
        Rollout(
            question_id=question.question_id,
            image_id=question.image_id,
            view=View.BLIND,
            model="solver",
            attempt=0,
            temperature=1.0,
            response="",
            answer=None,
            outcome=outcomes[number % len(outcomes)],
        )
        for number, question in enumerate(questions)
    ]
    dataset = write_dataset(folder / "tried", folder / "plain" / "source", tables)
    path = dataset.root / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": {"shortcut": {"tolerance": tolerance}}}))
    return Dataset.open(dataset.root)


def card_of(report: PublishReport) -> str:
    return (report.folder / "README.md").read_text()


def test_a_corpus_solved_without_its_pictures_is_stopped_and_says_so_where_it_is_let_out(tmp_path: Path) -> None:
    dataset = tried(tmp_path, (Scored.CORRECT,))
    with pytest.raises(UserError, match="failed: hopchain, blind: 1.00 right without the picture"):
        publish_dataset(dataset.root)
    report = publish_dataset(dataset.root, allow_shortcuts=True)
    assert "| failed, published all the same |" in card_of(report) and "failed" in report.remarks[0]
    assert publish_dataset(dataset.root, allow_shortcuts=True).up_to_date


def test_enough_questions_without_a_readable_attempt_are_no_pass(tmp_path: Path) -> None:
    dataset = tried(tmp_path, (Scored.UNSCORED,))
    with pytest.raises(UserError, match="cannot be told: hopchain, blind: .* 24 of 24 attempts unreadable"):
        publish_dataset(dataset.root)


def test_a_clean_corpus_passes_and_too_small_a_one_goes_out_as_not_judged(tmp_path: Path) -> None:
    clean = publish_dataset(tried(tmp_path / "clean", (Scored.INCORRECT,)).root)
    assert clean.remarks == () and "| passed |" in card_of(clean)
    mixed = (Scored.CORRECT, Scored.INCORRECT, Scored.INCORRECT)
    small = publish_dataset(tried(tmp_path / "small", mixed, tolerance=0.02).root)
    assert "not judged, too few questions (about 2," in small.remarks[0]
    assert "| hopchain | all | nothing | 24 | 0.33 (" in card_of(small)


def test_what_no_model_has_tried_goes_out_and_says_so(tmp_path: Path) -> None:
    report = publish_dataset(make_dataset(tmp_path, make_files(2)).root)
    assert report.remarks == () and "not judged, no model has tried them" in card_of(report)
