"""The factory with the embedded segmenter in place of annotations, on scenes small in number and real in everything."""

import pyarrow.parquet as pq
import pytest

from pipelines.config import parse_config
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from pipelines.segmenter_option import with_segmenter
from pipelines.store import Dataset
from pipelines.verify import verify_dataset
from stages.perceive import CROP_FACTS
from stages.segmenters.onnx_graphs import WEIGHTS

pytestmark = pytest.mark.skipif(not (WEIGHTS / "crops.onnx").exists(), reason="the weights hold no crop classifier")

LOOSE = {"min_single": 0.0, "min_category": 0.0, "min_attribute": 0.0, "max_unexplained": 1.0, "views": ["flip"]}


def options_of(out, trust):
    sections = {
        "segment": {"segmenter": {"kind": "embedded"}, "trust": trust},
        "synthesize": {"per_image": 2, "oversample": 2.0},
        "route": {"per_image": 2, "min_support": 1},
        "render": {"min_things": 3, "max_things": 5},
    }
    return RunOptions(out=out, config=parse_config(sections, "test"), limit=3, shard_size=2, seed=3)


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    options = options_of(tmp_path_factory.mktemp("looked") / "out", LOOSE)
    return options, produce_plain(options)


def rows(root, table):
    return Dataset(root).read(table).to_pylist()


def test_instances_come_from_looking_and_balances_hold(looked):
    _, result = looked
    assert result.failed == 0
    instances = rows(result.root, "instances")
    assert instances and all(row["source"].startswith("embedded/1@") for row in instances)
    assert all(row["depth"] is None and row["visible_fraction"] is None for row in instances)
    stated = rows(result.root, "source_annotations")
    assert {tuple(row["supports"]) for row in stated} == {CROP_FACTS}


def test_the_category_is_stored_with_how_sure_it_is(looked):
    for row in rows(looked[1].root, "instances"):
        known = {one["key"]: one for one in row["attributes"]}
        assert known["category"]["value"] == row["category"] and 0 < known["category"]["confidence"] <= 1


def test_views_solve_every_question_that_is_asked(looked):
    root = looked[1].root
    questions = rows(root, "questions")
    stable = {row["question_id"]: row for row in rows(root, "stabilities")}
    assert {row["view"] for row in rows(root, "views")} <= {"flip"}
    assert stable.keys() == {row["question_id"] for row in questions}
    said = {row["question_id"]: row["outcome"] for row in rows(root, "verdicts") if row["judge"] == "views"}
    assert said.keys() == stable.keys()
    assert all((said[key] == "pass") == (row["stability"] == 1.0) for key, row in stable.items())
    others = {
        row["question_id"] for row in rows(root, "verdicts") if row["judge"] != "views" and row["outcome"] != "pass"
    }
    dropped = {row["id"]: row["reason"] for row in rows(root, "drops") if row["stage"] == "judge"}
    unstable = {key for key, outcome in said.items() if outcome == "fail"} - others
    assert {dropped[key] for key in unstable} <= {"unstable_answer"}


def test_the_stability_of_an_answer_is_published(looked, tmp_path):
    root = looked[1].root
    publish_dataset(root, tmp_path / "release")
    files = sorted((tmp_path / "release").glob("*.parquet"))
    published = [row for file in files for row in pq.read_table(file, columns=["question_id", "stability"]).to_pylist()]
    stable = {row["question_id"]: row["stability"] for row in rows(root, "stabilities")}
    assert published and all(row["stability"] == stable[row["question_id"]] == 1.0 for row in published)


def test_a_second_run_does_nothing_and_the_dataset_verifies(looked):
    options, result = looked
    assert produce_plain(options).new == 0
    assert not list(verify_dataset(Dataset(result.root)).problems)


def test_strict_trust_gives_up_pictures_with_a_reason(tmp_path):
    result = produce_plain(options_of(tmp_path / "out", LOOSE | {"min_category": 1.0, "views": []}))
    drops = [row for row in rows(result.root, "drops") if row["stage"] == "segment"]
    given_up = [
        row
        for row in drops
        if row["reason"] == "uncertain_scene" and row["id"] == row["parent_id"] or ":" not in row["id"]
    ]
    assert given_up and all("less than 1.0" in row["detail"] for row in given_up)


def test_other_weights_are_another_dataset(tmp_path, looked):
    options, _ = looked
    config = with_segmenter(options.config, "embedded", str(WEIGHTS), annotated=False)
    assert config.segment.segmenter.weights == str(WEIGHTS)
