import pytest

from pipelines.errors import UserError
from pipelines.store import Dataset
from pipelines.tables import VIEWS
from pipelines.why import explain


def tell(dataset: Dataset, wanted: str) -> str:
    return "\n".join(explain(dataset, wanted))


def test_every_id_of_every_table_has_a_story(finished: Dataset) -> None:
    for table in VIEWS:
        for row in finished.read(table).to_pylist()[:4]:
            keys = [
                key for key in ("image_id", "instance_id", "question_id", "family_id", "id", "parent_id") if key in row
            ]
            for key in keys:
                assert len(tell(finished, row[key]).splitlines()) >= 2


def test_an_accepted_question_names_its_parents_verdicts_and_route(finished: Dataset) -> None:
    accepted = next(row for row in finished.read("decisions").to_pylist() if row["route"] == "accept")
    question = next(
        row for row in finished.read("questions").to_pylist() if row["question_id"] == accepted["question_id"]
    )
    story = tell(finished, accepted["question_id"])
    for part in (question["question"], question["image_id"], "judge second_executor: pass", "route: accept", ".png"):
        assert part in story
    assert tell(finished, accepted["question_id"][:12]) == story


def test_a_dropped_question_says_where_and_why(finished: Dataset) -> None:
    drop = next(row for row in finished.read("drops").to_pylist() if row["stage"] == "route")
    assert f"dropped by route: over_quota: {drop['detail']}" in tell(finished, drop["id"])


def test_an_image_is_known_by_its_file(finished: Dataset) -> None:
    image = finished.read("images").to_pylist()[0]
    assert tell(finished, image["uri"]) == tell(finished, image["image_id"])


def test_an_instance_and_a_category_are_told(finished: Dataset) -> None:
    instance = finished.read("instances").to_pylist()[0]
    assert "questions land on it" in tell(finished, instance["instance_id"])
    category = finished.read("categories").to_pylist()[0]
    assert "countable" in tell(finished, f"{category['image_id']}:{category['category']}")


def test_unknown_and_ambiguous_ids_are_refused(finished: Dataset) -> None:
    with pytest.raises(UserError, match="knows nothing with the id nobody"):
        tell(finished, "nobody")
    with pytest.raises(UserError, match="several ids"):
        tell(finished, "picture-")
