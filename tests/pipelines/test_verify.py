import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.parts import file_sha256
from pipelines.store import MANIFEST_FOLDER, Dataset
from pipelines.verify import verify_dataset


@pytest.fixture
def copy(finished: Dataset, tmp_path: Path) -> Dataset:
    shutil.copytree(finished.root, tmp_path / "copy")
    return Dataset(tmp_path / "copy")


def forge(dataset: Dataset, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Changes the rows of one part and makes its manifest agree, as somebody would who wants to hide it."""
    part = dataset.parts(table)[0]
    path = dataset.root / part.path
    pq.write_table(change(pq.read_table(path)), path)
    for manifest in (dataset.root / MANIFEST_FOLDER).glob("*/*.json"):
        data = json.loads(manifest.read_text())
        for entry in data["parts"]:
            if entry["path"] == part.path:
                entry["sha256"] = file_sha256(path)
                entry["rows"] = pq.read_metadata(path).num_rows
        manifest.write_text(json.dumps(data))


def replaced(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), table.schema.field(column), values)


def test_a_finished_dataset_verifies(finished: Dataset) -> None:
    report = verify_dataset(finished)
    assert report.problems == ()
    assert report.questions == finished.read("questions").num_rows
    assert report.accepted > 0
    assert report.programs > report.questions
    assert report == verify_dataset(finished, workers=2)
    assert list(report.lines())[-1] == "0 mismatches"


def test_a_changed_byte_is_noticed(copy: Dataset) -> None:
    path = copy.root / copy.parts("images")[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "its digest differs" in verify_dataset(copy).problems[0]


def test_a_missing_part_is_noticed(copy: Dataset) -> None:
    (copy.root / copy.parts("verdicts")[0].path).unlink()
    assert "is missing" in verify_dataset(copy).problems[0]


def test_a_forged_answer_is_noticed(copy: Dataset) -> None:
    forge(copy, "questions", lambda rows: replaced(rows, "answer", pc.add(rows["answer"], 1)))
    problems = verify_dataset(copy).problems
    assert len([problem for problem in problems if "second_executor" in problem]) == copy.parts("questions")[0].rows


def test_forged_certificates_are_noticed(copy: Dataset) -> None:
    forge(copy, "questions", lambda rows: replaced(rows, "margin", pc.multiply(rows["margin"], 2.0)))
    assert any("margin is stored as" in problem for problem in verify_dataset(copy).problems)


def test_forged_geometry_is_noticed(copy: Dataset) -> None:
    def mirror(rows: pa.Table) -> pa.Table:
        flipped = [[191 - x, y] for x, y in rows["centroid_xy"].to_pylist()]
        return replaced(rows, "centroid_xy", pa.array(flipped, rows.schema.field("centroid_xy").type))

    forge(copy, "instances", mirror)
    assert verify_dataset(copy).problems


def test_a_lost_row_is_noticed(copy: Dataset) -> None:
    forge(copy, "questions", lambda rows: rows.slice(1))
    assert any("but questions has" in problem for problem in verify_dataset(copy).problems)


def test_a_smuggled_decision_is_noticed(copy: Dataset) -> None:
    def accept_a_stranger(rows: pa.Table) -> pa.Table:
        return replaced(rows, "question_id", pa.array([f"{number:032x}" for number in range(rows.num_rows)]))

    forge(copy, "decisions", accept_a_stranger)
    assert any("decisions name a question" in problem for problem in verify_dataset(copy).problems)


def test_a_hidden_manifest_is_noticed(copy: Dataset) -> None:
    copy.retract(copy.manifests("describe")[0])
    assert any("describe took" in problem for problem in verify_dataset(copy).problems)
