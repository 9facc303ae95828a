"""From votes in a journal to a reward model, and from the model to what is not asked: without a server."""

import pytest

from annotation.journal import Assignment, Candidate, Version, open_journal
from pipelines.errors import UserError
from pipelines.people.config import FOLDER, PeopleConfig
from pipelines.people.fit import Targets
from pipelines.people.learn import learn, priorities, triage
from pipelines.people.votes import Over, read_record, rule_on
from schemas.annotation import Standing
from schemas.decision import Route
from stages.decide import DecideConfig
from tests.annotation.sources import make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("learn"), 30)


def say(journal, candidate: Candidate, name: str, answer: int) -> None:
    """Has an annotator answer a question, as pulling would note it."""
    key = f"{candidate.question_id}:{name}"
    journal.add_assignments([Assignment(key, candidate.question_id, name, 0, "sent", 1)])
    time = "2026-01-01T00:00:00.000000Z"
    text = ("answer", "valid", answer, 5.0, "", False, "", time, time, "digest", "{}")
    journal.add_version(Version(key, 0, key, *text))


def test_votes_become_a_model_and_the_model_says_what_need_not_be_asked(dataset) -> None:
    root = dataset.root
    with pytest.raises(UserError, match="no question is in front of people"):
        learn(root, Targets())
    rows = dataset.read("questions").to_pylist()
    middle = sorted(row["margin"] for row in rows)[len(rows) // 3]
    with open_journal(root / FOLDER) as journal:
        journal.set_meta("config", PeopleConfig(decide=DecideConfig(rule="unanimous-2")).model_dump_json())
        for row in rows:
            candidate = Candidate(
                row["question_id"], row["image_id"], row["question"], "x", row["answer"], "people", 1.0
            )
            journal.add_candidates([candidate])
            for name in ("ann", "bea"):
                say(journal, candidate, name, row["answer"] + (row["margin"] < middle))
    model = learn(root, Targets(error=0.2, lost=0.1))
    assert model.version == 1 and model.adopted and model.trained_on + model.test.rows == len(rows)
    assert learn(root, Targets(error=0.2, lost=0.1)) == model, "the same labels make no new round"
    found = triage(dataset, model, PeopleConfig())
    margins = {row["question_id"]: row["margin"] for row in rows}
    high = [v.probability for v in found if margins[v.question_id] >= middle]
    low = [v.probability for v in found if margins[v.question_id] < middle]
    assert sum(high) / len(high) > sum(low) / len(low)
    assert all(0 <= value <= 1 for value in priorities(found, 0).values())
    with open_journal(root / FOLDER) as journal:
        ballot = read_record(journal).ballots[0]
    unasked = ballot._replace(votes=(), asked=frozenset())
    verdict = {ballot.candidate.question_id: _verdict(ballot.candidate.question_id, Route.ACCEPT)}
    decision = rule_on(unasked, PeopleConfig(), Over(triage=verdict))
    assert (decision.standing, decision.decided_by) == (Standing.CONFIRMED, "reward model")
    assert rule_on(unasked, PeopleConfig(), Over()).standing is Standing.OPEN
    damaged = root / FOLDER / "models" / "0002.json"
    damaged.write_text("{}")
    with pytest.raises(UserError, match="no reward model"):
        learn(root, Targets(error=0.2, lost=0.1))


def test_a_question_that_a_person_opened_again_goes_to_people_whatever_the_model_says(tmp_path) -> None:
    candidate = Candidate("q", "i", "How many?", "x", 4, "people", 1.0)
    with open_journal(tmp_path) as journal:
        journal.add_candidates([candidate])
        say(journal, candidate, "ann", 5)
        verdict = {"q": _verdict("q", Route.ACCEPT)}
        config = PeopleConfig()
        (ballot,) = read_record(journal).ballots
        assert rule_on(ballot, config, Over(journal.rulings(), triage=verdict)).standing is Standing.REJECTED
        journal.reopen("q", "it was misread")
        (ballot,) = read_record(journal).ballots
        decision = rule_on(ballot, config, Over(journal.rulings(), triage=verdict))
    assert (decision.standing, decision.round, decision.decided_by) == (Standing.OPEN, 1, "")


def _verdict(name: str, route: Route):
    from annotation.journal import Triage

    return Triage(name, 1, 0.99, route.value)
