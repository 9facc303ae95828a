"""A dataset that follows its source: only what is new or other is worked on, and rows are those of a fresh run."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from pipelines.errors import NothingToDoError, UserError
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from tests.pipelines.tables_of import tables_of
from tests.pipelines.tiny_source import write_source


@pytest.fixture
def growing(tmp_path: Path, tiny_options: RunOptions) -> RunOptions:
    """Options on a copy of the source that holds the first eight pictures."""
    assert tiny_options.source is not None
    source = tmp_path / "watched"
    source.mkdir()
    add(tiny_options, source, 0, 8)
    return tiny_options._replace(source=source, follow=True)


def add(options: RunOptions, source: Path, first: int, last: int) -> None:
    for number in range(first, last):
        shutil.copy(options.source / f"picture-{number:04d}.png", source)


def stages_done(before: dict[tuple[str, int], str], dataset: Dataset) -> set[tuple[str, int]]:
    return {key for key, name in keys(dataset).items() if before.get(key) != name}


def keys(dataset: Dataset) -> dict[tuple[str, int], str]:
    return {(manifest.stage, manifest.shard): manifest.key for manifest in dataset.manifests()}


def test_new_files_make_new_shards_and_nothing_else_is_done_again(
    growing: RunOptions, tiny_options: RunOptions, finished: Dataset
) -> None:
    produce_plain(growing)
    dataset = Dataset(growing.out)
    before = keys(dataset)
    assert produce_plain(growing).new == 0
    add(tiny_options, growing.source, 8, 12)
    produce_plain(growing)
    done = stages_done(before, dataset)
    assert {shard for stage, shard in done if stage in ("ingest", "segment", "describe", "synthesize", "judge")} == {2}
    assert tables_of(dataset) == tables_of(finished)
    assert produce_plain(growing).new == 0


def test_a_file_in_the_middle_of_the_order_moves_no_other(growing: RunOptions, tiny_options: RunOptions) -> None:
    taken = growing.source / "picture-0001.png"
    taken.unlink()
    produce_plain(growing)
    dataset = Dataset(growing.out)
    before = keys(dataset)
    shutil.copy(tiny_options.source / taken.name, taken)
    produce_plain(growing)
    assert {shard for stage, shard in stages_done(before, dataset) if stage == "ingest"} == {2}
    fresh = produce_plain(growing._replace(out=growing.out.with_name("fresh"), follow=False))
    assert tables_of(dataset) == tables_of(Dataset(fresh.root))


def test_what_is_gone_or_other_is_done_again_and_nothing_else(growing: RunOptions, tiny_options: RunOptions) -> None:
    produce_plain(growing)
    dataset = Dataset(growing.out)
    before = keys(dataset)
    (growing.source / "picture-0005.png").unlink()
    produce_plain(growing)
    assert {shard for stage, shard in stages_done(before, dataset) if stage == "ingest"} == {1}
    assert dataset.read("images").num_rows == 7


def test_the_annotation_file_may_grow_too(tmp_path: Path, growing: RunOptions) -> None:
    _, annotations = write_source(tmp_path / "more", 13)
    partial = json.loads(annotations.read_text())
    partial["images"] = partial["images"][:6]
    partial["annotations"] = [entry for entry in partial["annotations"] if entry["image_id"] < 6]
    early = tmp_path / "growing.json"
    early.write_text(json.dumps(partial))
    options = growing._replace(annotations=early)
    produce_plain(options)
    dataset = Dataset(options.out)
    before = keys(dataset)
    shutil.copy(annotations, early)
    produce_plain(options)
    assert {shard for stage, shard in stages_done(before, dataset) if stage == "segment"} == {1}
    with pytest.raises(UserError, match=r"seed \(0 there, 5 now\)"):
        produce_plain(options._replace(seed=5))


def test_a_kill_between_two_listings_leaves_both_and_the_next_run_one(
    growing: RunOptions, tiny_options: RunOptions, finished: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce_plain(growing)
    add(tiny_options, growing.source, 8, 12)
    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "retract", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            produce_plain(growing)
    dataset = Dataset(growing.out)
    assert len(dataset.manifests("list")) == 2
    produce_plain(growing)
    assert len(dataset.manifests("list")) == 1
    assert tables_of(dataset) == tables_of(finished)


def test_files_that_are_still_being_written_are_left_for_the_next_run(growing: RunOptions) -> None:
    old = time.time() - 100
    for path in growing.source.iterdir():
        os.utime(path, (old, old))
    (growing.source / "picture-0007.png").touch()
    produce_plain(growing._replace(settle=50))
    assert Dataset(growing.out).read("images").num_rows == 7
    with pytest.raises(NothingToDoError, match="no image"):
        produce_plain(growing._replace(settle=1000))


def test_a_file_of_a_time_to_come_is_not_left_for_ever(growing: RunOptions) -> None:
    """A camera's clock, or a copy that keeps the times of another zone."""
    old = time.time() - 100
    for number, path in enumerate(sorted(growing.source.iterdir())):
        os.utime(path, (old, old))
        if number < 3:
            ahead = time.time() + (5, 8 * 3600, 50 * 365 * 86400)[number]
            os.utime(path, (ahead, ahead))
    produce_plain(growing._replace(settle=50))
    assert Dataset(growing.out).read("sources")["uri"].to_pylist() == [f"picture-{n:04d}.png" for n in range(1, 8)]


def test_a_dataset_that_does_not_follow_says_how_it_could(growing: RunOptions, tiny_options: RunOptions) -> None:
    produce_plain(growing._replace(follow=False))
    add(tiny_options, growing.source, 8, 9)
    with pytest.raises(UserError, match=r"1 files more, 0 gone.*--follow if it is to grow"):
        produce_plain(growing._replace(follow=False))
    produce_plain(growing)
    assert Dataset(growing.out).read("images").num_rows == 9
