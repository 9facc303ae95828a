import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.coco_file import read_header
from pipelines.config import RunConfig
from pipelines.errors import UserError
from pipelines.ledger import total_counts
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from schemas.manifest import UnitCount
from tests.pipelines.tiny_source import write_source


def run_with(tmp_path: Path, config: RunConfig, change: Any, **changes: Any) -> tuple[Dataset, dict[Any, UnitCount]]:
    images, annotations = write_source(tmp_path, 3)
    coco = json.loads(annotations.read_text())
    change(coco)
    annotations.write_text(json.dumps(coco))
    options = RunOptions(out=tmp_path / "out", config=config, source=images, annotations=annotations, **changes)
    result = produce_plain(options)
    return Dataset(options.out), total_counts(result.manifests)


def drops_of(dataset: Dataset) -> set[tuple[str, str, str]]:
    rows = dataset.read("drops").to_pylist()
    return {(row["id"], row["parent_id"], row["reason"]) for row in rows if row["stage"] == "annotate-import"}


def test_entries_without_a_file_are_dropped_and_their_annotations_with_them(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["images"] += [
            {"id": 90, "file_name": "missing.png", "width": 5, "height": 5},
            {"id": 91, "file_name": "../instances.json"},
            {"id": 92},
            "nonsense",
        ]
        coco["annotations"].append({"id": 900, "image_id": 90, "category_id": 1, "segmentation": [], "iscrowd": 0})

    dataset, totals = run_with(tmp_path, tiny_config, change)
    entries = totals["annotate-import", "entries"]
    assert (entries.taken, entries.kept, entries.dropped_total) == (7, 3, 4)
    assert drops_of(dataset) == {
        ("missing.png", "missing.png", "missing_image"),
        ("entry 91", "entry 91", "missing_image"),
        ("entry 92", "entry 92", "missing_image"),
        ("entry no id 6", "entry no id 6", "missing_image"),
    }


def test_annotations_without_image_or_category_are_dropped_by_name(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["annotations"] += [
            {"id": 900, "image_id": 77, "category_id": 1},
            {"id": 901, "image_id": 0, "category_id": 99},
            {"category_id": 1},
            17,
        ]

    dataset, totals = run_with(tmp_path, tiny_config, change)
    count = totals["annotate-import", "annotations"]
    assert count.taken - count.kept == count.dropped_total == 4
    assert {(parent, reason) for _, parent, reason in drops_of(dataset)} == {
        ("77", "missing_image"),
        ("picture-0000.png", "unknown_category"),
        ("", "missing_image"),
    }


def test_an_id_that_names_two_files_is_believed_for_neither(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["images"][1]["id"] = 0

    dataset, totals = run_with(tmp_path, tiny_config, change)
    reasons = {(name, reason) for name, _, reason in drops_of(dataset)}
    assert {("picture-0000.png", "bad_annotation"), ("picture-0001.png", "bad_annotation")} <= reasons
    assert totals["annotate-import", "entries"].kept == 1


def test_two_entries_of_one_file_are_one_image(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["images"].append({"id": 50, "file_name": "./picture-0000.png", "width": 192, "height": 192})
        for annotation in coco["annotations"][:2]:
            annotation["image_id"] = 50

    dataset, totals = run_with(tmp_path, tiny_config, change)
    rows = {row["uri"]: json.loads(row["payload"]) for row in dataset.read("source_annotations").to_pylist()}
    assert len(rows) == 3
    assert sum(map(len, rows.values())) == totals["annotate-import", "annotations"].kept


def test_a_fact_is_supported_where_every_annotation_or_the_file_states_it(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["info"] = {"supports": ["digit"]}
        for annotation in coco["annotations"]:
            annotation["attributes"] = {"material": "metal"} | ({"size": "big"} if annotation["image_id"] == 0 else {})
            annotation["depth"] = 1.5
        coco["annotations"][0]["attributes"] = {"size": "big"}

    dataset, _ = run_with(tmp_path, tiny_config, change)
    supports = {row["uri"][8:12]: set(row["supports"]) for row in dataset.read("source_annotations").to_pylist()}
    assert supports == {
        "0000": {"colour", "depth", "digit", "size"},
        "0001": {"colour", "depth", "digit", "material"},
        "0002": {"colour", "depth", "digit", "material"},
    }


def test_a_limit_leaves_the_other_entries_alone_but_not_missing_ones(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["images"].append({"id": 90, "file_name": "missing.png"})

    dataset, totals = run_with(tmp_path, tiny_config, change, limit=1)
    entries = totals["annotate-import", "entries"]
    assert (entries.taken, entries.kept, entries.dropped_total) == (2, 1, 1)


def test_a_name_that_no_folder_can_have_is_one_missing_file(tmp_path, tiny_config) -> None:
    def change(coco):
        coco["images"].append({"id": 90, "file_name": "x" * 300 + ".png"})

    _, totals = run_with(tmp_path, tiny_config, change, limit=1)
    entries = totals["annotate-import", "entries"]
    assert (entries.taken, entries.kept, entries.dropped_total) == (2, 1, 1)


def test_lists_may_come_in_any_order(tmp_path: Path, tiny_config: RunConfig) -> None:
    def change(coco):
        for key in ("categories", "annotations", "images"):
            coco[key] = coco.pop(key)

    _, totals = run_with(tmp_path, tiny_config, change)
    assert totals["annotate-import", "entries"].kept == 3


@pytest.mark.parametrize("entries", [1, 4])
def test_joining_few_entries_at_a_time_gives_the_same_rows(
    tmp_path: Path, tiny_config: RunConfig, monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    whole, _ = run_with(tmp_path / "whole", tiny_config, lambda coco: None, shard_size=1)
    monkeypatch.setattr("pipelines.annotate._BAND_ENTRIES", entries)
    banded, totals = run_with(
        tmp_path / "banded", tiny_config, lambda coco: coco["annotations"].reverse(), shard_size=1
    )
    assert totals["annotate-import", "entries"].kept == 3
    assert totals["annotate-import", "annotations"].kept > 3
    found = [dataset.read("source_annotations").sort_by("uri").to_pylist() for dataset in (whole, banded)]
    for row in (*found[0], *found[1]):
        row["payload"] = sorted(json.loads(row["payload"]), key=json.dumps)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("\xff\xfe", "is not JSON"),
        ("[1, 2]", "is not a COCO annotation file"),
        ('{"images": []}', "is not a COCO annotation file"),
        ('{"categories": [{"id": 1}]}', "is not a COCO annotation file"),
    ],
)
def test_a_file_that_is_no_coco_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message) as refusal:
        read_header(path)
    assert "\n" not in str(refusal.value)


def test_doubly_escaped_licences_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    licences = [{"id": 4, "url": r"http:\/\/example.org\/by"}]
    path.write_text(json.dumps({"licenses": licences, "categories": [{"id": 1, "name": "cup"}]}))
    assert read_header(path).licences == {"4": "http://example.org/by"}
