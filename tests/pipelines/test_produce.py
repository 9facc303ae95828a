import json
import random
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import pipelines.shard_steps
from pipelines.dataset_info import FILE_NAME
from pipelines.errors import ConservationError, UserError
from pipelines.ledger import check_run, total_counts
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from schemas.drop import DropReason
from stages.ingest import read_image
from tests.pipelines.tables_of import files_of, tables_of
from tests.pipelines.tiny_source import write_source


@pytest.mark.parametrize(("workers", "shard_size"), [(1, 7), (4, 7), (4, 64)])
def test_rows_do_not_depend_on_workers_or_shard_size(
    tiny_options: RunOptions, finished: Dataset, workers: int, shard_size: int
) -> None:
    produce_plain(tiny_options._replace(workers=workers, shard_size=shard_size))
    assert tables_of(Dataset(tiny_options.out)) == tables_of(finished)
    assert finished.read("questions").num_rows > 20


def test_the_same_run_gives_the_same_parts(tiny_options: RunOptions, finished: Dataset) -> None:
    produce_plain(tiny_options)
    again = Dataset(tiny_options.out)
    parts = [part for manifest in finished.manifests() for part in manifest.parts]
    assert [part for manifest in again.manifests() for part in manifest.parts] == parts


def test_a_second_run_of_a_finished_dataset_writes_nothing(tiny_options: RunOptions) -> None:
    assert produce_plain(tiny_options).new > 0
    before = files_of(tiny_options.out)
    assert produce_plain(tiny_options._replace(workers=4)).new == 0
    assert files_of(tiny_options.out) == before


def test_limit_takes_the_first_files_in_sorted_order(tiny_options: RunOptions) -> None:
    produce_plain(tiny_options._replace(limit=3))
    images = Dataset(tiny_options.out).read("images")
    assert sorted(images["uri"].to_pylist()) == [f"picture-{number:04d}.png" for number in range(3)]


def test_every_file_becomes_an_image_or_a_drop(tmp_path: Path, tiny_options: RunOptions) -> None:
    images, annotations = write_source(tmp_path / "odd", 3)
    (images / "below").mkdir()
    shutil.copy(images / "picture-0000.png", images / "a-copy.png")
    (images / "empty.png").touch()
    (images / "cut.png").write_bytes((images / "picture-0001.png").read_bytes()[:300])
    (images / "text.jpg").write_text("no picture")
    PIL.Image.new("RGB", (200, 200), "red").save(images / "below" / "unannotated.webp")
    (images / "below" / "mislabelled.txt").write_bytes((images / "picture-0002.png").read_bytes())
    (images / "notes.txt").write_text("not listed")
    result = produce_plain(tiny_options._replace(source=images, annotations=annotations))
    dataset = Dataset(tiny_options.out)
    drops = {(row["id"], row["reason"]) for row in dataset.read("drops").to_pylist() if row["stage"] != "synthesize"}
    unannotated = next(row for row in dataset.read("images").to_pylist() if row["uri"] == "below/unannotated.webp")
    assert {
        ("a-copy.png", DropReason.DUPLICATE_IMAGE),
        ("below/mislabelled.txt", DropReason.DUPLICATE_IMAGE),
        ("empty.png", DropReason.EMPTY_FILE),
        ("cut.png", DropReason.TRUNCATED_IMAGE),
        ("text.jpg", DropReason.UNSUPPORTED_FORMAT),
        (unannotated["image_id"], DropReason.NO_ANNOTATION),
    } <= drops
    assert len(dataset.read("images")) == 4
    assert result.failed == 0
    assert not check_run(result.manifests)


def test_one_record_that_breaks_a_stage_fails_alone_and_is_tried_again(
    tiny_options: RunOptions, finished: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(data: bytes, uri: str, licence: str, config: object) -> object:
        if uri == "picture-0005.png":
            raise RuntimeError("the decoder\nhas a bug")
        return read_image(data, uri, licence, config)

    monkeypatch.setattr(pipelines.shard_steps, "read_image", breaking)
    result = produce_plain(tiny_options)
    failures = [failure for manifest in result.manifests for failure in manifest.failures]
    assert [(failure.stage, failure.id) for failure in failures] == [("ingest", "picture-0005.png")]
    assert failures[0].error == "RuntimeError: the decoder has a bug"
    assert total_counts(result.manifests)["ingest", "files"].failed == 1
    assert len(Dataset(tiny_options.out).read("images")) == 11
    monkeypatch.undo()
    assert produce_plain(tiny_options).failed == 0
    assert tables_of(Dataset(tiny_options.out)) == tables_of(finished)


def test_a_stage_that_loses_a_record_fails_the_run(tiny_options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pipelines.shard_steps.segment_image

    def losing(*arguments: object) -> object:
        found = real(*arguments)
        return found._replace(instances=found.instances[1:])

    monkeypatch.setattr(pipelines.shard_steps, "segment_image", losing)
    with pytest.raises(ConservationError, match=r"segment: \d+ annotations in, but .* unaccounted for"):
        produce_plain(tiny_options)
    assert Dataset(tiny_options.out).read("segments").num_rows == 0


def test_a_changed_source_folder_is_refused(tmp_path: Path, tiny_options: RunOptions) -> None:
    images, annotations = write_source(tmp_path / "changing", 3)
    options = tiny_options._replace(source=images, annotations=annotations)
    produce_plain(options)
    (images / "picture-0001.png").unlink()
    with pytest.raises(UserError, match=r"has changed .*0 files more, 1 gone, 0 resized, e\.g\. picture-0001\.png"):
        produce_plain(options)


def test_a_picture_that_changes_during_the_run_fails(tmp_path: Path, tiny_options: RunOptions, monkeypatch) -> None:
    images, annotations = write_source(tmp_path / "changing", 3)
    real = pipelines.shard_steps.describe_image

    def swapping(image, *rest):
        PIL.Image.new("RGB", (200, 200), "red").save(images / "picture-0002.png")
        return real(image, *rest)

    monkeypatch.setattr(pipelines.shard_steps, "describe_image", swapping)
    result = produce_plain(tiny_options._replace(source=images, annotations=annotations))
    errors = [failure.error for manifest in result.manifests for failure in manifest.failures]
    assert errors in ([], ["ValueError: picture-0002.png is no longer the picture that was ingested"])


def test_a_broken_first_try_does_not_bind_the_folder(tmp_path: Path, tiny_options: RunOptions) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"images": [], "categories": [{"id": 1, "name": "cup"}], "annotations": []}')
    with pytest.raises(UserError, match="none of the 0 images"):
        produce_plain(tiny_options._replace(annotations=broken))
    assert produce_plain(tiny_options).new > 0


def test_reading_goes_on_while_a_run_does(tiny_options: RunOptions, finished: Dataset) -> None:
    final = finished.read("questions").num_rows
    seen = []

    class Reader:
        def say(self, text): ...
        def begin(self, stage, total, done): ...
        def end(self): ...

        def advance(self, manifest):
            dataset = Dataset.open(tiny_options.out)
            named = {part.path for one in dataset.manifests() for part in one.parts}
            assert {part.path for part in manifest.parts} <= named
            seen.append(dataset.read("questions").num_rows)

    produce_plain(tiny_options, Reader())
    assert seen == sorted(seen)
    assert seen[0] == 0 and seen[-1] == final
    assert 0 < sorted(set(seen))[1] < final


def test_dataset_json_says_what_the_rows_are_a_function_of(finished: Dataset) -> None:
    info = json.loads((finished.root / FILE_NAME).read_text())
    assert info["seed"] == 0
    assert info["shard_size"] == 4
    assert info["versions"].keys() >= {"ingest", "segment", "describe", "synthesize", "judge", "route"}
    assert len(info["annotations_sha256"]) == 64


def test_random_pixels_and_no_annotations_are_no_reason_to_stop(tmp_path: Path, tiny_options: RunOptions) -> None:
    images, annotations = write_source(tmp_path / "noise", 1)
    rng = np.random.default_rng(random.Random(1).randrange(100))
    for number in range(3):
        noise = rng.integers(0, 255, (80, 80, 3), dtype=np.uint8)
        PIL.Image.fromarray(noise).save(images / f"noise-{number}.png")
    result = produce_plain(tiny_options._replace(source=images, annotations=annotations))
    assert total_counts(result.manifests)["segment", "images"].dropped_total == 3


@pytest.mark.parametrize("name", ["answer=3", "o*"])
def test_the_names_of_folders_above_a_dataset_change_no_row(
    tmp_path: Path, tiny_options: RunOptions, finished: Dataset, name: str
) -> None:
    """To DuckDB `answer=3` may be a column, and `o*` every folder that begins so, as the one beside it does."""
    shutil.copytree(finished.root, tmp_path / "opt")
    result = produce_plain(tiny_options._replace(out=tmp_path / name))
    assert tables_of(Dataset(result.root)) == tables_of(finished)
