"""An outage is neither an answer nor silence: whatever it kept from being asked is a failure, and tried again.

The client is a stand-in: what is tested is what becomes of its errors, not what a model says.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pytest

from pipelines.asking import Asker, Models, use_models
from pipelines.config import parse_config
from pipelines.job import Job
from pipelines.ledger import Ledger
from pipelines.model_steps.cascade import blind
from pipelines.model_steps.questions import paraphrase
from pipelines.store import Dataset
from schemas.manifest import Part
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRequest, ModelRole
from stages.domains import load_domain
from stages.parsing.reply import Fault, Unreadable
from stages.rubric import RubricConfig, ask_judge, case_of, read_judge
from stages.solve import ask_caption, read_caption
from tests.annotation.sources import make_dataset
from tests.stages.models.questions import QUESTION, SCENE

Say = Callable[[ModelRequest], str | ErrorKind]


class Scripted:
    """Answers with a text or an error."""

    def __init__(self, say: Say) -> None:
        self.say = say

    def ask_all(self, requests, heard=None) -> list[ModelReply]:
        return [reply_of(request, self.say(request), number) for number, request in enumerate(requests)]

    def close(self) -> None:
        """Holds nothing."""


def reply_of(request: ModelRequest, said: str | ErrorKind, number: int) -> ModelReply:
    rest: dict[str, object] = (
        {"error": said} if isinstance(said, ErrorKind) else {"texts": (said,), "finish_reasons": ("stop",)}
    )
    key = f"{request.job}-{request.subject_id}-{request.draw}-{len(request.messages)}-{number}"
    return ModelReply(request_key=key, job=request.job, role=request.role, model="m", **rest)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("outages"), 4)


def job_of(stage: str, dataset: Dataset, inputs: Mapping[str, Sequence[Part]], sections: Mapping[str, object]) -> Job:
    return Job(
        root=dataset.root, source=dataset.root, annotations=None, stage=stage, shard=0, key=stage, version=1,
        config_hash="", input_digest="", inputs=inputs, config=parse_config(sections, "test"), seed=0,
    )  # fmt: skip


def run(step, dataset: Dataset, say: Say, sections: Mapping[str, object], inputs: Mapping[str, str]):
    tables = {"describe/instances": "instances", "describe/categories": "categories", "admit/images": "images"}
    tables |= {"annotate-import/source_annotations": "source_annotations", **inputs}
    job = job_of(step.__name__, dataset, {name: dataset.parts(table) for name, table in tables.items()}, sections)
    with use_models(dataset.root, Models(dict.fromkeys(ModelRole, "m"), lambda: Scripted(say))):
        outcome = step(job)
    return outcome, {count.unit: count for count in outcome.counts}


@pytest.mark.parametrize(
    ("error", "is_outage"), [(ErrorKind.TIMEOUT, True), (ErrorKind.BUDGET, True), (ErrorKind.REFUSED, False)]
)
def test_what_could_not_be_asked_once_more_is_an_outage_and_no_unreadable_reply(dataset, error, is_outage) -> None:
    def say(request: ModelRequest) -> str | ErrorKind:
        return "Sure! Here it is." if len(request.messages) == 2 else error

    job = job_of("s", dataset, {}, {})
    with use_models(dataset.root, Models({}, lambda: Scripted(say))):
        asker = Asker(job, Ledger("s"))
        ((reply, said),) = asker.read([ask_caption(SCENE, load_domain("general"))], [read_caption])
    assert isinstance(said, Unreadable)
    assert asker.is_outage(reply, "x") is is_outage


def test_a_judge_that_contradicts_itself_is_not_told_what_it_should_have_said(dataset) -> None:
    general = load_domain("general")
    case = case_of(QUESTION)
    axes = [dict(axis=axis.name, verdict="pass", fault="none", score=95, reason="") for axis in general.axes]
    asked: list[ModelRequest] = []

    def say(request: ModelRequest) -> str:
        asked.append(request)
        own = case.answer if len(asked) > 1 else case.answer + 1
        return json.dumps({"case": case.case_id, "own_answer": own, "axes": axes})

    with use_models(dataset.root, Models({}, lambda: Scripted(say))):
        asker = Asker(job_of("s", dataset, {}, {}), Ledger("s"))
        request = ask_judge(case, RubricConfig(), general)
        ((_, said),) = asker.read([request], [partial(read_judge, case=case, domain=general)])
    assert isinstance(said, Unreadable) and said.fault is Fault.CONTRADICTORY
    assert len(asked) == 1


def test_a_paraphrase_whose_parser_was_out_has_failed_and_means_nothing_else(dataset) -> None:
    def say(request: ModelRequest) -> str | ErrorKind:
        if request.job == "read_program":
            return ErrorKind.TIMEOUT
        return json.dumps({"question": "Kindly tell me which number belongs here, would you?"})

    outcome, counts = run(paraphrase, dataset, say, {"paraphrase": {"enabled": True}}, {"draft/drafts": "questions"})
    rows = dataset.read("questions").num_rows
    assert (counts["paraphrases"].taken, counts["paraphrases"].failed) == (rows, rows)
    assert not counts["paraphrases"].dropped and counts["questions"].kept == rows, "the template ships meanwhile"
    assert len(outcome.failures) == rows


def test_a_question_whose_description_was_out_has_failed_and_is_not_called_blind(dataset) -> None:
    def say(request: ModelRequest) -> str | ErrorKind:
        return ErrorKind.CONNECTION if request.job == "caption" else "\\boxed{99}"

    sections = {"solve": {"enabled": True, "attempts": {"caption": 2, "full": 4}}}
    _, counts = run(blind, dataset, say, sections, {"compose/questions": "questions"})
    rows = dataset.read("questions").num_rows
    assert (counts["questions"].taken, counts["questions"].kept, counts["questions"].failed) == (rows, 0, rows)
