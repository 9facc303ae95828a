"""Who is asked next, and what becomes of a question that cannot be asked now: without a server."""

import pytest

from annotation.journal import Assignment, Candidate, Ruling, Version, open_journal
from annotation.workplace import Annotator, Workplace
from pipelines.people.candidates import find_candidates
from pipelines.people.config import FOLDER, PeopleConfig
from pipelines.people.status import _annotator_text
from pipelines.people.sync import Session, _assign, _place
from pipelines.people.votes import read_record
from pipelines.store import Dataset
from tests.annotation.sources import make_dataset

CONFIG = PeopleConfig(audit=1.0)


@pytest.fixture
def journal(tmp_path):
    with open_journal(tmp_path / FOLDER) as opened:
        yield opened


def session_of(journal, team: str, dataset: Dataset | None = None, folder=None) -> Session:
    """A session with these annotators; no server is asked."""
    people = tuple(Annotator(name=name, email=name, user_id=number) for number, name in enumerate(team.split(), 1))
    return Session(dataset, journal, None, Workplace(folder), people)  # type: ignore[arg-type]


def test_a_question_does_not_wait_for_somebody_who_left_the_team(journal) -> None:
    journal.add_candidates([Candidate("q", "i", "How many?", "x", 4, "people", 1.0)])
    assert _assign(session_of(journal, "ann bea"), read_record(journal), CONFIG) == 1
    (asked,) = journal.assignments()
    assert _assign(session_of(journal, "ann bea"), read_record(journal), CONFIG) == 0, "one label at a time"
    rest = "bea" if asked.annotator == "ann" else "ann"
    assert _assign(session_of(journal, rest), read_record(journal), CONFIG) == 1
    assert {assignment.annotator for assignment in journal.assignments()} == {"ann", "bea"}


def test_a_picture_that_cannot_be_read_for_a_while_is_asked_about_later(journal, tmp_path) -> None:
    dataset = make_dataset(tmp_path / "made", 4)
    session = session_of(journal, "ann bea cem dov", dataset, tmp_path / "place")
    journal.add_candidates(find_candidates(dataset, CONFIG.audit, CONFIG.seed))
    wanted = _assign(session, read_record(journal), CONFIG)
    source = dataset.root / dataset.info.source
    source.rename(tmp_path / "away")
    _, unable = _place(session, CONFIG)
    assert unable and not journal.assignments(state="meant")
    assert [problem.kind for problem in journal.problems()] == ["no picture"] * unable
    (tmp_path / "away").rename(source)
    refused, *_ = journal.candidates()
    journal.add_ruling(Ruling(refused, 0, "reject", None, "a person looked"))
    left = [assignment for assignment in journal.assignments() if assignment.question_id != refused]
    assert _assign(session, read_record(journal), CONFIG) == 0, "asked of the same people as before"
    assert _place(session, CONFIG)[1] == 0
    assert 0 < len(journal.assignments(state="meant")) == len(left) < wanted


def test_a_gold_task_that_was_skipped_is_not_one_got_wrong(journal) -> None:
    for number, (kind, verdict, answer) in enumerate(
        [("answer", "valid", 4), ("answer", "valid", 5), ("answer", "ambiguous", None), ("skip", None, None)]
    ):
        name, time = f"gold-{number}", f"2026-01-0{number + 1}T00:00:00.000000Z"
        journal.add_candidates([Candidate(name, "i", "How many?", "x", 4, "gold", 0.0)])
        journal.add_assignments([Assignment(name, name, "ann", 0, "sent", number)])
        journal.add_version(
            Version(name, 0, name, kind, verdict, answer, None, "", False, "", time, time, str(number), "{}")
        )
    assert _annotator_text(read_record(journal), "ann") == "4 answers, gold 1 of 3 right"
