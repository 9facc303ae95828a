import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.dataset_info import DatasetInfo
from pipelines.errors import UserError
from pipelines.opening import open_for_run
from pipelines.parts import digest_of
from pipelines.publish import publish_dataset
from pipelines.store import Dataset, ShardWriter
from schemas.drop import Drop, DropReason
from schemas.manifest import DropCount, ShardManifest, UnitCount
from tests.release_makers import make_dataset as make_release_dataset
from tests.release_makers import make_files

INFO = DatasetInfo(source="/photos", seed=7)


def make_drop(name: str) -> Drop:
    return Drop(stage="ingest", id=name, parent_id=name, reason=DropReason.EMPTY_FILE)


def write_shard(
    dataset: Dataset, shard: int = 0, key: str = "key", names: tuple[str, ...] = ("a", "b")
) -> ShardManifest:
    """Returns the manifest, uncommitted, of a shard whose parts are written."""
    writer = ShardWriter(dataset, digest_of(key))
    writer.add_records("drops", [make_drop(name) for name in names], shard)
    dropped = (DropCount(reason=DropReason.EMPTY_FILE, count=len(names)),)
    counts = (UnitCount(unit="files", taken=len(names), kept=0, dropped=dropped),)
    return ShardManifest(
        stage="ingest",
        shard=shard,
        key=digest_of(key),
        version=1,
        config_hash="c",
        input_digest="i",
        counts=counts,
        parts=writer.parts,
        seconds=0.1,
    )


def open_once(root: Path, info: DatasetInfo = INFO) -> Dataset:
    with open_for_run(root, info) as dataset:
        return dataset


def test_rows_are_invisible_before_the_commit_and_all_there_after(tmp_path: Path) -> None:
    dataset = open_once(tmp_path / "out")
    manifest = write_shard(dataset)
    assert dataset.read("drops").num_rows == 0
    dataset.commit(manifest)
    assert dataset.read("drops")["id"].to_pylist() == ["a", "b"]
    assert [drop.id for drop in dataset.records("drops", Drop)] == ["a", "b"]


def test_committing_twice_keeps_the_first(tmp_path: Path) -> None:
    dataset = open_once(tmp_path / "out")
    first = dataset.commit(write_shard(dataset))
    second = dataset.commit(write_shard(dataset).model_copy(update={"seconds": 9.0}))
    assert second == first
    assert dataset.read("drops").num_rows == 2


def test_opening_sweeps_what_no_manifest_names_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "out"
    dataset = open_once(root)
    dataset.commit(write_shard(dataset))
    lost = write_shard(dataset, shard=1, key="other")
    (root / "drops" / "x.parquet.tmp-1-ab").write_bytes(b"half")
    (root / "spool.tmp-1").mkdir()
    (root / "notes.txt").write_text("mine")
    with open_for_run(root, INFO):
        assert not (root / lost.parts[0].path).exists()
        assert not list(root.rglob("*.tmp-*"))
        assert (root / "notes.txt").exists()
        assert dataset.read("drops").num_rows == 2


def test_a_crash_at_any_file_system_call_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    def child(crash_at: int) -> None:
        calls = iter(range(1_000))
        for name in ("fsync", "replace", "link", "open"):
            real = getattr(os, name)

            def crashing(*args: object, real: Callable[..., object] = real) -> object:
                if next(calls) == crash_at:
                    os._exit(9)
                return real(*args)

            setattr(os, name, crashing)
        dataset = Dataset(tmp_path / str(crash_at))
        dataset.commit(write_shard(dataset))
        os._exit(0)

    crashes = 0
    while True:
        process = os.fork()
        if process == 0:
            child(crashes)
        if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0:
            break
        dataset = Dataset(tmp_path / str(crashes))
        assert dataset.read("drops").num_rows in (0, 2)
        dataset.sweep()
        dataset.commit(write_shard(dataset))
        assert dataset.read("drops")["id"].to_pylist() == ["a", "b"]
        crashes += 1
    assert crashes >= 8


def test_other_options_are_refused_by_name(tmp_path: Path) -> None:
    root = tmp_path / "out"
    dataset = open_once(root)
    dataset.commit(write_shard(dataset))
    with pytest.raises(UserError, match=r"seed \(7 there, 8 now\).*another --out") as refusal:
        open_once(root, INFO.model_copy(update={"seed": 8}))
    assert "\n" not in str(refusal.value)
    nested = INFO.model_copy(update={"config": {"synthesize": {"per_image": 3}}})
    with pytest.raises(UserError, match=r"config\.synthesize\.per_image \(none there, 3 now\)"):
        open_once(root, nested)


def test_options_are_free_until_something_was_made(tmp_path: Path) -> None:
    root = tmp_path / "out"
    open_once(root)
    assert open_once(root, INFO.model_copy(update={"seed": 8})).info.seed == 8


def test_a_second_writer_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    root = tmp_path / "out"
    with open_for_run(root, INFO), pytest.raises(UserError, match="another run is at work"):
        open_once(root)
    open_once(root)


def test_folders_that_are_no_dataset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        Dataset.open(tmp_path / "nothing")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(UserError, match="is not a dataset"):
        Dataset.open(tmp_path / "photos")
    with pytest.raises(UserError, match="not empty and not a dataset"):
        open_once(tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    with pytest.raises(UserError, match="cannot write to"):
        open_once(tmp_path / "photos" / "a.jpg" / "out")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 99}'])
def test_a_damaged_dataset_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=r"damaged|format 99") as refusal:
        Dataset.open(tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_damaged_manifest_is_one_clear_line(tmp_path: Path) -> None:
    dataset = open_once(tmp_path / "out")
    manifest = dataset.commit(write_shard(dataset))
    dataset.manifest_path("ingest", 0, manifest.key).write_text("{}")
    with pytest.raises(UserError, match="is damaged; remove it and run again"):
        dataset.manifests()


def test_a_dataset_of_another_version_says_so_and_what_to_do(tmp_path: Path) -> None:
    dataset = make_release_dataset(tmp_path, make_files(1))
    info = json.loads((dataset.root / "dataset.json").read_text())
    info["tables"]["questions"] -= 1
    (dataset.root / "dataset.json").write_text(json.dumps(info))
    told = r"made by another version of hopyard: tables have other columns: questions \(1 there, 2 here\); use that"
    with pytest.raises(UserError, match=told):
        Dataset.open(dataset.root)


def test_a_part_without_a_column_is_named_wherever_it_is_read(tmp_path: Path) -> None:
    dataset = make_release_dataset(tmp_path, make_files(1))
    (part,) = dataset.parts("questions")
    rows = pq.read_table(dataset.root / part.path)
    pq.write_table(rows.drop_columns(["wording", "mode"]), dataset.root / part.path)
    told = "table questions has no column wording, mode; use that version, or make it again: hopyard run --out"
    with pytest.raises(UserError, match=told):
        dataset.read("questions")
    with pytest.raises(UserError, match=told):
        publish_dataset(dataset.root)
