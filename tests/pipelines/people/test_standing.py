"""People's word over routing's: what is published follows it, and what is open stays as it was."""

import duckdb
import pyarrow as pa

from pipelines.catalog import combined_views
from pipelines.people.standing import accepted_questions, decided_annotations, decisions_in_effect
from schemas.annotation import ANNOTATION_SCHEMA, PEOPLE_SCHEMA
from schemas.decision import DECISION_SCHEMA

ROUTED = {
    "audited": "accept",
    "sent": "people",
    "refused": "accept",
    "other": "people",
    "waiting": "people",
    "free": "accept",
}
SAID = [
    ("audited", "confirmed", 3, 3),
    ("sent", "confirmed", 4, 4),
    ("refused", "rejected", None, 5),
    ("other", "confirmed", 7, 6),
    ("waiting", "open", None, 1),
]


def make_tables() -> dict[str, pa.Table]:
    routed = [{"question_id": name, "image_id": "i", "route": route, "reason": "r"} for name, route in ROUTED.items()]
    people = [
        {
            "question_id": name,
            "image_id": "i",
            "standing": standing,
            "answer": answer,
            "own": own,
            "decided_by": "rule",
            "reason": "why",
        }
        for name, standing, answer, own in SAID
    ]
    votes = [{"question_id": name, "answer": 3, "annotator": "ann"} for name in ("audited", "waiting")]
    filled = [dict.fromkeys(PEOPLE_SCHEMA.names) | row for row in people]
    return {
        "decisions": pa.Table.from_pylist(routed, schema=DECISION_SCHEMA),
        "people": pa.Table.from_pylist(filled, schema=PEOPLE_SCHEMA),
        "annotations": pa.Table.from_pylist(
            [dict.fromkeys(ANNOTATION_SCHEMA.names) | row for row in votes], schema=ANNOTATION_SCHEMA
        ),
    }


def test_confirmed_is_accepted_rejected_is_dropped_and_open_stays() -> None:
    tables = make_tables()
    found = decisions_in_effect(tables["decisions"], tables["people"])
    assert found.schema == DECISION_SCHEMA
    routes = {row["question_id"]: row["route"] for row in found.to_pylist()}
    assert routes == {
        "audited": "accept",
        "sent": "accept",
        "refused": "drop",
        "other": "drop",
        "waiting": "people",
        "free": "accept",
    }
    reasons = {row["question_id"]: row["reason"] for row in found.to_pylist()}
    assert reasons["sent"] == "people: why" and reasons["audited"] == reasons["free"] == "r"


def test_without_people_nothing_changes() -> None:
    tables = make_tables()
    assert decisions_in_effect(tables["decisions"], tables["people"].slice(0, 0)) is tables["decisions"]


def test_only_votes_on_confirmed_questions_are_published() -> None:
    assert decided_annotations(make_tables())["question_id"].to_pylist() == ["audited"]


def test_the_same_in_sql() -> None:
    tables = make_tables()
    connection = duckdb.connect()
    for name, rows in tables.items():
        connection.register(name, rows)
    (view,) = (statement for statement in combined_views() if "VIEW decisions_in_effect" in statement)
    connection.execute(view)
    found = decisions_in_effect(tables["decisions"], tables["people"]).sort_by("question_id")
    assert connection.sql("FROM decisions_in_effect ORDER BY 1").to_arrow_table().to_pylist() == found.to_pylist()
    accepted = {row["question_id"] for row in found.to_pylist() if row["route"] == "accept"}
    assert accepted_questions(tables["decisions"], tables["people"]) == accepted == {"audited", "sent", "free"}
    connection.close()
