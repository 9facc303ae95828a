"""Records and their Arrow schemas: the same fields, and nothing is lost on the way there and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.annotation import ANNOTATION_SCHEMA, PEOPLE_SCHEMA, Annotation, PeopleDecision
from schemas.arrow import records_to_table, table_to_records
from schemas.category import CATEGORY_SCHEMA, Category
from schemas.decision import DECISION_SCHEMA, Decision
from schemas.drop import DROP_SCHEMA, Drop
from schemas.image import IMAGE_SCHEMA, Image
from schemas.instance import INSTANCE_SCHEMA, Instance
from schemas.model_reply import MODEL_REPLY_SCHEMA, ModelReply
from schemas.model_request import MODEL_REQUEST_SCHEMA, ModelRequest
from schemas.program import Program, Step, canonical
from schemas.question import QUESTION_SCHEMA, Question
from schemas.verdict import VERDICT_SCHEMA, Verdict
from stages.synthesize import SynthesizeConfig, synthesize
from tests.layouts import random_scene

PAIRS = [
    (Annotation, ANNOTATION_SCHEMA),
    (PeopleDecision, PEOPLE_SCHEMA),
    (Category, CATEGORY_SCHEMA),
    (Decision, DECISION_SCHEMA),
    (Drop, DROP_SCHEMA),
    (Image, IMAGE_SCHEMA),
    (Instance, INSTANCE_SCHEMA),
    (ModelReply, MODEL_REPLY_SCHEMA),
    (ModelRequest, MODEL_REQUEST_SCHEMA),
    (Question, QUESTION_SCHEMA),
    (Verdict, VERDICT_SCHEMA),
]
SMALL = [pair for pair in PAIRS if pair[0] in (Category, Decision, Drop, Verdict)]


@pytest.mark.parametrize(("record_type", "schema"), PAIRS)
def test_record_and_schema_have_the_same_fields_in_the_same_order(record_type, schema):
    assert list(record_type.model_fields) == schema.names


@pytest.mark.parametrize(("record_type", "schema"), SMALL)
@given(data=st.data())
@settings(max_examples=25)
def test_any_record_survives_arrow_and_json(record_type, schema, data):
    text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
    counts = st.integers(0, 2**31 - 1)
    record = data.draw(st.builds(record_type, **{n: text for n, f in record_type.model_fields.items() if f.annotation is str}, **{n: counts for n, f in record_type.model_fields.items() if f.annotation is int}))  # fmt: skip  # noqa: E501
    assert record_type.model_validate_json(record.model_dump_json()) == record
    assert list(table_to_records(records_to_table([record], schema), record_type)) == [record]


def test_scenes_and_questions_survive_arrow():
    scene = random_scene("records")
    questions = synthesize(scene, SynthesizeConfig(per_image=2, oversample=1), 0, "hash").questions
    for records, schema in ((scene.instances, INSTANCE_SCHEMA), (questions, QUESTION_SCHEMA)):
        assert records
        assert list(table_to_records(records_to_table(records, schema), type(records[0]))) == list(records)


def test_records_are_frozen_and_closed():
    drop = Drop(stage="a", id="b", parent_id="c", reason="too_small")
    with pytest.raises(ValidationError):
        drop.stage = "other"
    with pytest.raises(ValidationError):
        Drop(stage="a", id="b", parent_id="c", reason="too_small", surprise=1)


def test_a_program_survives_json_and_other_forms_are_refused():
    program = Program(steps=(Step("scene"), Step("category", (0,), ("cup",)), Step("count", (1,))))
    assert Program.from_json(program.to_json()) == program
    odd = ('[["only",[true],[]]]', '[["only",[1.0],[]]]', '[["nth",[0],["leftmost",true]]]', '[["only",["0"],[]]]')
    for text in ("{}", "[1]", '[["scene"]]', "not json", '[["scene",[],[],0]]', *odd):
        with pytest.raises(ValueError):
            Program.from_json(text)


def test_the_canonical_program_drops_dead_steps_and_merges_equal_ones():
    steps = (Step("scene"), Step("scene"), Step("category", (1,), ("cup",)), Step("count", (0,)), Step("count", (2,)))
    assert canonical(Program(steps=steps)).steps == (
        Step("scene"),
        Step("category", (0,), ("cup",)),
        Step("count", (1,)),
    )
