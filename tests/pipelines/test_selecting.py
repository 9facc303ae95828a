"""Selection through publishing: copies of pictures never cross splits, benchmarks are kept clear of, nothing moves."""

import io
import json

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import UserError
from pipelines.publish import publish_dataset
from pipelines.publish_options import selecting_of
from pipelines.selecting import Selecting
from schemas.drop import DropReason
from stages.alike import find_alike
from stages.likeness import thumbnail_of
from tests.copies import COPIES
from tests.release_makers import encode, make_dataset
from tests.stages.test_likeness import draw

KINDS = ("compressed", "turned left", "mirrored", "cropped 5%", "cropped 20%", "turned and cropped")


def png(picture) -> bytes:
    return encode(np.asarray(picture.convert("RGB")))


def with_copies(count: int, copied: int):
    """Returns pictures and, of the first ones, one copy each, by file name."""
    pictures = {f"{number:03d}.png": draw(number) for number in range(count)}
    for number in range(copied):
        kind = KINDS[number % len(KINDS)]
        pictures[f"copy-{number:03d}.png"] = COPIES[kind](pictures[f"{number:03d}.png"])
    return {name: png(picture) for name, picture in pictures.items()}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("copied"), with_copies(40, 30), per_image=2)


def rows_of(folder):
    columns = ["id", "image_id", "split", "difficulty", "curriculum", "image_uri"]
    return [
        row
        for path in sorted(folder.glob("*.parquet"))
        for row in pq.read_table(path, columns=[*columns, "images"]).to_pylist()
    ]


def splits_of(folder):
    return {row["image_id"]: row["split"] for row in rows_of(folder)}


def test_no_two_splits_share_a_picture_whatever_was_done_to_it(copied, tmp_path):
    report = publish_dataset(copied.root, tmp_path / "release")
    rows = {row["image_id"]: row for row in rows_of(report.folder)}
    ids = sorted(rows)
    assert len({row["split"] for row in rows.values()}) > 1
    shown = [PIL.Image.open(io.BytesIO(rows[name]["images"][0]["bytes"])).convert("RGB") for name in ids]
    pairs = find_alike(np.stack([thumbnail_of(np.asarray(picture)) for picture in shown]))
    assert len(pairs) > 10
    for pair in pairs:
        assert rows[ids[pair.first]]["split"] == rows[ids[pair.second]]["split"]
    own = {name.removeprefix("copy-"): name for name in (row["image_uri"].rpartition("/")[2] for row in rows.values())}
    for row in rows.values():
        partner = own.get(row["image_uri"].removeprefix("copy-"))
        where = [other["split"] for other in rows.values() if other["image_uri"] == partner]
        assert set(where) <= {row["split"]}
    assert report.dropped[DropReason.NEAR_DUPLICATE_IMAGE] > 0


def test_what_is_asked_again_about_a_copy_is_asked_once(copied, tmp_path):
    report = publish_dataset(copied.root, tmp_path / "release")
    kept, dropped = sum(report.rows.values()), sum(report.dropped.values())
    assert kept + dropped == 140
    assert report.dropped[DropReason.NEAR_DUPLICATE_QUESTION] > 0


def test_more_pictures_move_no_row(tmp_path):
    files = with_copies(24, 16)
    first = {name: data for number, (name, data) in enumerate(sorted(files.items())) if number % 2}
    before = publish_dataset(make_dataset(tmp_path, first, per_image=1, name="before").root, tmp_path / "old")
    dataset = make_dataset(tmp_path, files, per_image=1, name="after")
    fresh = publish_dataset(dataset.root, tmp_path / "fresh")
    kept = publish_dataset(dataset.root, tmp_path / "kept", selecting=Selecting(after=before.folder))
    old, new, after = splits_of(before.folder), splits_of(fresh.folder), splits_of(kept.folder)
    assert all(new.get(name, split) == split for name, split in old.items())
    assert {name: after.get(name) for name in old} == old
    assert publish_dataset(dataset.root, tmp_path / "kept", selecting=Selecting(after=before.folder)).up_to_date


def test_rows_that_a_benchmark_has_are_dropped_and_counted(tmp_path):
    files = {f"{number}.png": png(draw(number)) for number in range(6)}
    dataset = make_dataset(tmp_path, files, per_image=2)
    bench = tmp_path / "bench"
    bench.mkdir()
    (bench / "x.jpg").write_bytes(encode(np.asarray(COPIES["cropped 20%"](draw(2))), "JPEG"))
    (tmp_path / "asked.jsonl").write_text(
        json.dumps({"question": "Unlike the others.", "image": "source/4.png"}) + "\n"
    )
    report = publish_dataset(
        dataset.root, tmp_path / "a", selecting=Selecting(benchmarks=(bench, tmp_path / "asked.jsonl"))
    )
    assert report.dropped == {DropReason.BENCHMARK_OVERLAP: 4}
    assert {row["image_uri"] for row in rows_of(report.folder)} == {"0.png", "1.png", "3.png", "5.png"}
    text = "Start with the cup farthest to the left. How many balls lie to its right, plus 1?"
    rows = pa.table({"problem": [text], "images": [[{"bytes": files["5.png"], "path": None}]]})
    pq.write_table(rows, tmp_path / "bench.parquet")
    (tmp_path / "asked.txt").write_text(text)
    for name, count in (("asked.txt", 6), ("bench.parquet", 7)):
        chosen = Selecting(benchmarks=(tmp_path / name,))
        report = publish_dataset(dataset.root, tmp_path / name.replace(".", "-"), selecting=chosen)
        assert report.dropped == {DropReason.BENCHMARK_OVERLAP: count}


def test_a_changed_benchmark_is_another_release(tmp_path):
    dataset = make_dataset(tmp_path, {"a.png": png(draw(1)), "b.png": png(draw(2))}, per_image=1)
    bench = tmp_path / "bench.txt"
    bench.write_text("Nothing of ours is here at all, not one word.")
    chosen = Selecting(benchmarks=(bench,))
    assert not publish_dataset(dataset.root, tmp_path / "r", selecting=chosen).up_to_date
    assert publish_dataset(dataset.root, tmp_path / "r", selecting=chosen).up_to_date
    bench.write_text("Nothing of ours is here at all, not two words.")
    assert not publish_dataset(dataset.root, tmp_path / "r", selecting=chosen).up_to_date


def test_another_picture_under_the_name_that_a_benchmark_gives_is_another_release(tmp_path):
    files = {"a.png": png(draw(1)), "b.png": png(draw(2))}
    dataset = make_dataset(tmp_path, files, per_image=1)
    (tmp_path / "bench.jsonl").write_text(json.dumps({"question": "Nothing of ours.", "image": "theirs.png"}) + "\n")
    (tmp_path / "theirs.png").write_bytes(png(draw(3)))
    chosen = Selecting(benchmarks=(tmp_path / "bench.jsonl",))
    assert publish_dataset(dataset.root, tmp_path / "r", selecting=chosen).dropped == {}
    (tmp_path / "theirs.png").write_bytes(files["a.png"])
    assert publish_dataset(dataset.root, tmp_path / "r", selecting=chosen).dropped == {DropReason.BENCHMARK_OVERLAP: 1}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("missing.txt", None, "cannot be read"),
        ("empty.txt", b"", "neither a question nor a picture"),
        ("odd.csv", b"a,b", "is no folder, image"),
        ("broken.json", b"{", "cannot be read"),
        ("broken.parquet", b"PAR1", "cannot be read"),
        ("other.jsonl", b'{"a": 1}\n', "neither a question nor a picture"),
        ("text.json", b'"What is it?"', "neither a question nor a picture"),
        ("null.json", b"null", "neither a question nor a picture"),
        ("deep.json", b"[" * 100_000, "cannot be read"),
        ("cut.png", b"\x89PNG\r\n\x1a\n", "a picture of benchmark .* cannot be read"),
        ("named.jsonl", b'{"question": "What is it?", "image": "named.jsonl.png"}\n', "cannot be read"),
    ],
)
def test_a_benchmark_that_cannot_be_read_stops_publishing_in_one_line(tmp_path, name, data, message):
    dataset = make_dataset(tmp_path, {"a.png": png(draw(1))}, per_image=1)
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message):
        publish_dataset(dataset.root, tmp_path / "r", selecting=Selecting(benchmarks=(tmp_path / name,)))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("text", ["answer", "colour=0.2", "answer=0", "answer=2", "answer=many"])
def test_a_share_that_makes_no_sense_is_refused(text):
    with pytest.raises(UserError, match="--share"):
        selecting_of((), (text,), None)


def test_rows_say_how_hard_they_are_and_when_to_train_on_them(copied, tmp_path):
    rows = rows_of(publish_dataset(copied.root, tmp_path / "release").folder)
    assert {row["difficulty"] for row in rows} == {"unknown"}
    assert {row["curriculum"] for row in rows if row["split"] == "train"} == {1, 2, 3, 4, 5}
