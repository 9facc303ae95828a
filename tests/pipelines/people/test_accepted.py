"""What is accepted: publishing, showing, counting, auditing and verifying all hear what people said."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipelines.publish
from pipelines.catalog import connect
from pipelines.config import load_profile
from pipelines.errors import BusyError
from pipelines.forecast import measure
from pipelines.job import Job
from pipelines.model_steps.ending import audit_corpus
from pipelines.people.tables import commit_record
from pipelines.people.votes import Record
from pipelines.publish import publish_dataset
from pipelines.show import load_subject
from pipelines.store import ShardWriter
from pipelines.tables import SOURCE_SCHEMA
from pipelines.verify import _accepted, _check_references
from pipelines.why import explain
from schemas.annotation import PeopleDecision, Purpose, Standing
from schemas.decision import Route
from schemas.manifest import ShardManifest
from schemas.rollout import Rollout, Scored, View
from tests.release_makers import accept, admit, encode, make_instances, make_pixels, make_question, write_dataset


def said(question, standing, answer):
    return PeopleDecision(
        question_id=question.question_id, image_id=question.image_id, purpose=Purpose.PEOPLE, round=0, rule="unanimous",
        standing=standing, answer=answer, own=question.answer, votes=4, agreeing=4, posterior=None, reason="they said",
        decided_by="rule",
    )  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Questions that stay accepted, are rejected, confirmed, confirmed otherwise, and wait; with blind attempts."""
    folder = tmp_path_factory.mktemp("accepted")
    (folder / "source").mkdir()
    data = encode(make_pixels(0))
    (folder / "source/a.png").write_bytes(data)
    image = admit(data, "a.png")
    instances = make_instances(image)
    questions = [make_question(image, instances, number, margin=9 - number) for number in range(5)]
    routes = (Route.ACCEPT, Route.ACCEPT, Route.PEOPLE, Route.PEOPLE, Route.PEOPLE)
    decisions = [accept(one).model_copy(update={"route": route}) for one, route in zip(questions, routes, strict=True)]
    rollouts = [
        Rollout(
            question_id=one.question_id, image_id=one.image_id, view=View.BLIND, model="m", attempt=0, temperature=1,
            response="", answer=1, outcome=Scored.INCORRECT,
        )
        for one in questions
    ]  # fmt: skip
    tables = {"images": [image], "instances": instances, "questions": questions, "decisions": decisions}
    made = write_dataset(folder / "dataset", folder / "source", {**tables, "rollouts": rollouts})
    writer = ShardWriter(made, "list")
    writer.add_rows("sources", pa.Table.from_pylist([{"uri": "a.png", "file_bytes": 1}], schema=SOURCE_SCHEMA), 0)
    made.commit(
        ShardManifest(
            stage="list", shard=0, key="list", version=1, config_hash="", input_digest="", counts=(), seconds=0.0,
            parts=writer.parts,
        )
    )  # fmt: skip
    told = (
        said(questions[1], Standing.REJECTED, None),
        said(questions[2], Standing.CONFIRMED, questions[2].answer),
        said(questions[3], Standing.CONFIRMED, questions[3].answer + 1),
    )
    assert commit_record(made, Record((), ()), told)
    return made, questions, {questions[0].question_id, questions[2].question_id}


def test_everybody_means_the_same_by_accepted(dataset):
    made, _, accepted = dataset
    with connect(made) as connection:
        sql = "SELECT question_id FROM outcomes WHERE ended = 'accepted'"
        assert {name for (name,) in connection.execute(sql).fetchall()} == accepted
        ended = connection.execute("SELECT ended, dropped_by, drop_detail FROM outcomes WHERE ended = 'dropped'")
        assert ended.fetchall() == [("dropped", "people", "people: they said")] * 2
    assert measure(made).quantities["accepted"] == len(accepted) == _accepted(made)
    assert load_subject(made, None).question.question_id in accepted
    report = publish_dataset(made.root)
    rows = pa.concat_tables([pq.read_table(report.folder / file.path) for file in report.files])
    assert set(rows["id"].to_pylist()) == accepted
    assert not [problem for problem in _check_references(made) if "samples" in problem]
    assert "| accepted | 2 |" in (report.folder / "README.md").read_text()


def test_nothing_is_published_while_the_word_of_people_is_taken_back_and_not_there_again(dataset, tmp_path):
    """Whoever wrote it was killed in between: what they rejected would look accepted."""
    made, _, accepted = dataset
    (manifest,) = made.manifests("people")
    made.retract(manifest)
    try:
        with pytest.raises(BusyError, match="what people said"):
            publish_dataset(made.root, tmp_path / "release")
    finally:
        made.commit(manifest)
    report = publish_dataset(made.root, tmp_path / "release")
    assert sum(report.rows.values()) == len(accepted)


def test_a_release_that_peoples_answers_overtook_is_not_put_in_place(dataset, tmp_path, monkeypatch):
    made, _, _ = dataset
    (manifest,) = made.manifests("people")
    build = pipelines.publish.build

    def overtaken(*arguments):
        made.retract(manifest)
        try:
            return build(*arguments)
        finally:
            made.commit(manifest.model_copy(update={"key": "f" * 64}))

    monkeypatch.setattr(pipelines.publish, "build", overtaken)
    try:
        with pytest.raises(BusyError, match="meanwhile"):
            publish_dataset(made.root, tmp_path / "release")
    finally:
        made.retract(*made.manifests("people"))
        made.commit(manifest)
    assert not (tmp_path / "release").exists()


def test_why_tells_what_people_said_and_what_follows(dataset):
    made, questions, accepted = dataset
    told = {one.question_id: "\n".join(explain(made, one.question_id)) for one in questions}
    assert (
        "people: rejected by rule (4 of 4 gave its answer, asked as people): they said"
        in told[questions[1].question_id]
    )
    now = {
        name: text.rpartition("its route is now: ")[2].split("\n")[0] for name, text in told.items() if "is now" in text
    }
    assert now == {
        one.question_id: route for one, route in zip(questions[1:4], ("drop", "accept", "drop"), strict=True)
    }
    assert "people" not in told[questions[0].question_id], "they were not asked"


def test_what_people_rejected_is_shown_by_name_and_not_by_choice(dataset):
    made, questions, _ = dataset
    shown = load_subject(made, questions[1].question_id).question
    assert "prior" not in {one.name for one in shown.certificates}, "people's word is no proof of balance"


def test_the_audit_of_shortcuts_is_over_what_is_accepted_in_effect(dataset):
    made, _, accepted = dataset
    outcome = audit_corpus(job_of(made))
    rows = [row for part in outcome.parts for row in pq.read_table(made.root / part.path).to_pylist()]
    assert [row["questions"] for row in rows if row["hop_count"] == 0] == [len(accepted)]


def job_of(made):
    names = ("compose/questions", "route/decisions", "people/people", "blind/rollouts")
    inputs = {name: made.parts(name.partition("/")[2]) for name in names}
    return Job(
        root=made.root, source=made.root, annotations=None, stage="audit", shard=-1, key="audit", version=1,
        config_hash="", input_digest="", inputs=inputs, config=load_profile("default"), seed=0,
    )  # fmt: skip
