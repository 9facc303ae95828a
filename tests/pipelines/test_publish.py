"""Publishing: same content same bytes, nothing done twice, never a wrong picture."""

import hashlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

from pipelines.errors import UserError
from pipelines.ledger import check_run
from pipelines.publish import publish_dataset
from pipelines.publish_buckets import read_buckets
from pipelines.store import ShardWriter
from schemas.drop import DropReason
from schemas.manifest import ShardManifest
from schemas.question import Question
from schemas.release_row import RESERVED_COLUMNS
from schemas.rollout import Rollout, Scored
from schemas.rollout import View as Shown
from stages.ingest import image_id_of
from stages.publish import Format, PublishConfig, View
from tests.release_makers import (
    accept,
    admit,
    encode,
    make_dataset,
    make_files,
    make_instances,
    make_pixels,
    make_question,
    passes,
    write_dataset,
)


def read_rows(folder):
    rows = []
    for path in sorted(folder.glob("*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_publish_writes_every_accepted_question_with_its_own_picture(tmp_path):
    dataset = make_dataset(tmp_path, make_files(12))
    report = publish_dataset(dataset.root)
    rows = read_rows(report.folder)
    assert sum(report.rows.values()) == len(rows) == 36
    for row in rows:
        (picture,) = row["images"]
        pixels = np.array(PIL.Image.open(io.BytesIO(picture["bytes"])).convert("RGB"))
        assert image_id_of(pixels) == row["image_id"]
        assert row["solution"] == row["answer"] == row["reward_model"]["ground_truth"] == row["extra_info"]["answer"]
        assert row["prompt_tagged"][0]["content"] == "<image>" + row["prompt"][0]["content"]
        assert "<image>" not in row["prompt"][0]["content"]
        assert row["prompt"][0]["content"].endswith("\\boxed{}.")


def test_publish_is_done_once(tmp_path):
    dataset = make_dataset(tmp_path, make_files(4))
    first = publish_dataset(dataset.root)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    second = publish_dataset(dataset.root)
    assert not first.up_to_date and second.up_to_date
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before
    assert second.rows == first.rows and second.files == first.files


def test_release_is_a_function_of_content_not_of_parts(tmp_path):
    one = publish_dataset(make_dataset(tmp_path / "a", make_files(9), parts=1).root)
    four = publish_dataset(make_dataset(tmp_path / "b", make_files(9), parts=4).root)
    assert digests(one.folder) == digests(four.folder)


def test_stated_digests_and_sizes_are_those_of_the_files(tmp_path):
    dataset = make_dataset(tmp_path, make_files(20))
    report = publish_dataset(dataset.root, config=PublishConfig(rows_per_file=9, rows_per_group=3))
    told = json.loads((report.folder / "release.json").read_text())["files"]
    assert len(told) >= 6
    assert {file["path"]: file["sha256"] for file in told}.items() <= digests(report.folder).items()
    for file in told:
        assert file["file_bytes"] == (report.folder / file["path"]).stat().st_size


def test_image_ranges_hold_every_row_once_in_order(tmp_path):
    dataset = make_dataset(tmp_path, make_files(40), parts=3)
    (whole,) = read_buckets(dataset, ("images", "questions"), tmp_path / "unused")
    cut = list(read_buckets(dataset, ("images", "questions"), tmp_path / "ranges", rows_per_bucket=10))
    assert len(cut) == 16
    for table in ("images", "questions"):
        rows = [row for bucket in cut for row in bucket[table].to_pylist()]
        assert [row["image_id"][0] for row in rows] == sorted(row["image_id"][0] for row in rows)
        key = "question_id" if table == "questions" else "image_id"
        assert sorted(rows, key=lambda row: row[key]) == sorted(whole[table].to_pylist(), key=lambda row: row[key])
    assert not [path for path in (tmp_path / "ranges").rglob("*") if path.is_file()]


def test_damaged_or_stale_release_is_replaced_whole(tmp_path):
    dataset = make_dataset(tmp_path, make_files(4))
    report = publish_dataset(dataset.root)
    good = digests(report.folder)
    part = report.folder / report.files[0].path
    part.write_bytes(part.read_bytes()[:-5])
    (report.folder / "train-00007-of-00008.parquet").write_bytes(b"stale")
    assert not publish_dataset(dataset.root).up_to_date
    assert digests(report.folder) == good
    assert len(dataset.read("samples")) == 12


def test_other_config_makes_another_release_and_samples_follow(tmp_path):
    dataset = make_dataset(tmp_path, make_files(6))
    publish_dataset(dataset.root)
    config = PublishConfig(rows_per_file=4, rows_per_group=2)
    report = publish_dataset(dataset.root, config=config)
    assert len(report.files) >= 3
    for file in report.files:
        parquet = pq.ParquetFile(report.folder / file.path)
        assert max(parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)) <= 2
    samples = dataset.read("samples").to_pylist()
    assert len(samples) == 18 and len({sample["id"] for sample in samples}) == 18
    for sample in samples:
        row = pq.read_table(report.folder / sample["file"]).slice(sample["row"], 1).to_pylist()[0]
        assert row["id"] == sample["id"] and row["image_id"] == sample["image_id"]


def test_no_image_is_cut_between_files_and_no_split_shares_one(tmp_path):
    dataset = make_dataset(tmp_path, make_files(20))
    report = publish_dataset(dataset.root, config=PublishConfig(rows_per_file=4))
    seen = {}
    for file in report.files:
        for image_id in set(pq.read_table(report.folder / file.path)["image_id"].to_pylist()):
            assert seen.setdefault(image_id, file.path) == file.path


def test_repeated_picture_is_stored_once_per_row_group(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    dataset = make_dataset(tmp_path, {"noise.png": encode(noise)}, per_image=50)
    report = publish_dataset(dataset.root)
    assert sum(file.file_bytes for file in report.files) < 2 * 120 * 160 * 3


def test_rows_are_ordered_and_indexed_within_their_split(tmp_path):
    report = publish_dataset(make_dataset(tmp_path, make_files(20)).root, config=PublishConfig(rows_per_file=10))
    for split in report.rows:
        rows = [row for row in read_rows(report.folder) if row["split"] == split]
        assert [row["extra_info"]["index"] for row in rows] == list(range(len(rows)))
        assert [(row["image_id"], row["id"]) for row in rows] == sorted((row["image_id"], row["id"]) for row in rows)


def test_columns_avoid_the_names_trainers_reserve(tmp_path):
    report = publish_dataset(make_dataset(tmp_path, make_files(2)).root)
    schema = pq.read_schema(report.folder / report.files[0].path)
    assert not RESERVED_COLUMNS & set(schema.names)
    assert json.loads(schema.metadata[b"huggingface"])["info"]["features"]["images"]["feature"] == {"_type": "Image"}


def test_vanished_and_changed_pictures_are_dropped_and_counted(tmp_path):
    dataset = make_dataset(tmp_path, make_files(5))
    (tmp_path / "source/folder/000.png").unlink()
    (tmp_path / "source/folder/001.png").write_bytes(encode(make_pixels(999)))
    (tmp_path / "source/folder/002.png").write_bytes(b"no picture at all")
    report = publish_dataset(dataset.root)
    assert report.dropped == {DropReason.MISSING_IMAGE: 9}
    assert sum(report.rows.values()) == 6
    drops = [drop for drop in dataset.read("drops").to_pylist() if drop["stage"] == "publish"]
    assert len(drops) == 9 and all(drop["detail"] for drop in drops)
    assert not [problem for problem in check_run(dataset.manifests("publish")) if "publish" in problem]
    (tmp_path / "source/folder/000.png").write_bytes(make_files(1)["folder/000.png"])
    assert sum(publish_dataset(dataset.root).rows.values()) == 9


def test_nothing_to_publish_is_a_clear_error(tmp_path):
    dataset = make_dataset(tmp_path, make_files(1))
    (tmp_path / "source/folder/000.png").unlink()
    with pytest.raises(UserError, match="nothing to publish: 3 missing_image"):
        publish_dataset(dataset.root)
    assert not (dataset.root / "release").exists()
    empty = write_dataset(tmp_path / "empty", tmp_path / "source", {"images": []})
    with pytest.raises(UserError, match="no question was accepted"):
        publish_dataset(empty.root)


def test_source_folder_gone_is_a_clear_error(tmp_path):
    dataset = make_dataset(tmp_path, make_files(1))
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="source folder .* is gone"):
        publish_dataset(dataset.root)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    dataset = make_dataset(tmp_path, make_files(1))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("precious")
    with pytest.raises(UserError, match="not a release"):
        publish_dataset(dataset.root, out=tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text() == "precious"


@pytest.mark.parametrize("text", ["Is <image> here?", "a <video>", "x <|im_end|> y", "< Image >", "<think>"])
def test_placeholder_in_a_question_is_dropped(tmp_path, text):
    data = make_files(1)["folder/000.png"]
    image = admit(data, "a.png")
    instances = make_instances(image)
    questions = [make_question(image, instances, 0), make_question(image, instances, 1, question=text)]
    (tmp_path / "a.png").write_bytes(data)
    tables = {"images": [image], "questions": questions, "decisions": [accept(question) for question in questions]}
    report = publish_dataset(write_dataset(tmp_path / "d", tmp_path, tables).root)
    assert report.dropped == {DropReason.BAD_TEXT: 1} and sum(report.rows.values()) == 1
    again = publish_dataset(tmp_path / "d")
    assert again.up_to_date and again.dropped == report.dropped


def test_box_outside_the_picture_is_dropped(tmp_path):
    data = make_files(1)["folder/000.png"]
    image = admit(data, "a.png")
    instances = make_instances(image)
    good, bad = make_question(image, instances, 0), make_question(image, instances, 1)
    hop = bad.hops[0].model_copy(update={"boxes_xyxy": ((0.0, 0.0, 97.0, 10.0),)})
    questions = [good, bad.model_copy(update={"hops": (hop, bad.hops[1])})]
    (tmp_path / "a.png").write_bytes(data)
    tables = {"images": [image], "questions": questions, "decisions": [accept(question) for question in questions]}
    report = publish_dataset(write_dataset(tmp_path / "d", tmp_path, tables).root)
    assert report.dropped == {DropReason.OUTSIDE_IMAGE: 1}


@pytest.mark.parametrize("broken", ["question of another image", "decision without question", "accepted twice"])
def test_contradicting_tables_publish_nothing(tmp_path, broken):
    files = make_files(2)
    images = [admit(data, uri) for uri, data in files.items()]
    questions = [make_question(image, make_instances(image)) for image in images]
    decisions = [accept(question) for question in questions]
    if broken == "question of another image":
        questions[0] = questions[0].model_copy(update={"image_id": images[1].image_id})
    elif broken == "decision without question":
        questions.pop()
    else:
        decisions.append(decisions[0])
    for uri, data in files.items():
        (tmp_path / uri).parent.mkdir(exist_ok=True)
        (tmp_path / uri).write_bytes(data)
    tables = {"images": images, "questions": questions, "decisions": decisions}
    dataset = write_dataset(tmp_path / "d", tmp_path, tables)
    with pytest.raises(ValueError, match="question"):
        publish_dataset(dataset.root)
    assert not (dataset.root / "release").exists() and len(dataset.read("samples")) == 0


def test_release_is_readable_by_duckdb(tmp_path):
    report = publish_dataset(make_dataset(tmp_path, make_files(3)).root)
    sql = f"SELECT count(*), sum(len(hops)) FROM read_parquet('{report.folder}/*.parquet')"
    assert duckdb.sql(sql).fetchall() == [(9, 18)]


def test_left_overs_of_a_killed_run_are_swept(tmp_path):
    dataset = make_dataset(tmp_path, make_files(2))
    (dataset.root / ".release.working-new-99999").mkdir()
    (dataset.root / ".release.working-new-99999/train-00000.parquet").write_bytes(b"half")
    publish_dataset(dataset.root)
    assert not list(dataset.root.glob(".release.*"))
    assert dataset.sweep() == 0


def test_the_name_of_a_model_cannot_mark_up_the_card(tmp_path):
    """A server that offers one model says itself what that is called."""
    dataset = make_dataset(tmp_path, make_files(1))
    asked = next(dataset.records("questions", Question))
    tried = {"view": Shown.FULL, "attempt": 0, "temperature": 1, "response": "", "answer": 1}
    model = "<img src=x onerror=alert(1)> [a](javascript:b)\n# Big"
    rollout = Rollout(
        question_id=asked.question_id, image_id=asked.image_id, model=model, outcome=Scored.INCORRECT, **tried
    )
    writer = ShardWriter(dataset, "solve")
    writer.add_records("rollouts", [rollout], 0)
    known = {"stage": "solve", "shard": 0, "key": "solve", "version": 1, "config_hash": "", "input_digest": ""}
    dataset.commit(ShardManifest(**known, counts=(), parts=writer.parts, seconds=0.0))
    card = (publish_dataset(dataset.root).folder / "README.md").read_text()
    assert card.count("src=x") == 2, "it is told in a table and in a sentence"
    assert not any(mark in card for mark in ("<img", " [a](", "\n# Big"))


def test_killed_between_two_renames_the_old_release_comes_back(tmp_path):
    dataset = make_dataset(tmp_path, make_files(2))
    folder = publish_dataset(dataset.root).folder
    good = digests(folder)
    folder.rename(dataset.root / ".release.working-old-99999")
    Path(dataset.info.source).rename(tmp_path / "away")  # so that it could not be made again
    assert publish_dataset(dataset.root).up_to_date
    assert digests(folder) == good
    assert not list(dataset.root.glob(".release.*"))


def test_a_release_may_go_where_one_stands(tmp_path, monkeypatch):
    dataset = make_dataset(tmp_path, make_files(2))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert not publish_dataset(dataset.root, out=Path(".")).up_to_date
    assert (tmp_path / "here/release.json").is_file()


def test_a_release_without_the_file_that_its_trainer_starts_from_is_not_whole(tmp_path):
    dataset = make_dataset(tmp_path, make_files(2))
    config = PublishConfig(view=View.SFT_REASONING, format=Format.LLAMAFACTORY)
    folder = publish_dataset(dataset.root, config=config).folder
    good = digests(folder)
    (folder / "dataset_info.json").unlink()
    assert not publish_dataset(dataset.root, config=config).up_to_date
    assert digests(folder) == good


def test_killed_at_any_moment_a_rerun_ends_the_same(tmp_path):
    files = make_files(60)
    expected = digests(publish_dataset(make_dataset(tmp_path / "whole", files).root).folder)
    dataset = make_dataset(tmp_path / "killed", files)
    code = "import sys; from pathlib import Path; from pipelines.publish import publish_dataset as publish\n"
    code += "print('ready', flush=True); publish(Path(sys.argv[1]))"
    for delay in (0.02, 0.08, 0.2):
        process = subprocess.Popen([sys.executable, "-c", code, str(dataset.root)], stdout=subprocess.PIPE)
        process.stdout.read(2)
        time.sleep(delay)
        process.kill()
        process.communicate()
        standing = dataset.root / "release"
        assert not standing.exists() or digests(standing) == expected
    report = publish_dataset(dataset.root)
    assert digests(report.folder) == expected
    assert len(dataset.read("samples")) == 180
    assert not list(dataset.root.glob(".release.*"))


def test_unwritable_or_damaged_places_are_clear_errors(tmp_path):
    dataset = make_dataset(tmp_path, make_files(1))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot publish"):
        publish_dataset(dataset.root, out=tmp_path / "file/release")
    for part in dataset.parts("questions"):
        (dataset.root / part.path).unlink()
    with pytest.raises(UserError, match="cannot publish"):
        publish_dataset(dataset.root)
    with pytest.raises(UserError, match="does not exist"):
        publish_dataset(tmp_path / "nowhere")


def test_a_row_carries_all_seven_certificates(tmp_path):
    dataset = make_dataset(tmp_path, make_files(1), per_image=1)
    publish_dataset(dataset.root)
    rows = pq.read_table(next((dataset.root / "release").glob("*.parquet"))).to_pylist()
    names = {certificate["name"] for certificate in rows[0]["certificates"]}
    assert {"answer", "no_give_away", "prior"} <= names
    assert all(certificate["passed"] for certificate in rows[0]["certificates"])


@pytest.mark.parametrize("judge", ["second_executor", "text_rules"])
def test_a_question_without_a_pass_of_every_judge_is_never_published(tmp_path, judge):
    ((uri, data),) = make_files(1).items()
    image = admit(data, uri)
    question = make_question(image, make_instances(image))
    verdicts = [verdict for verdict in passes(question) if verdict.judge != judge]
    source = tmp_path / "source"
    (source / uri).parent.mkdir(parents=True)
    (source / uri).write_bytes(data)
    tables = {"images": [image], "questions": [question], "decisions": [accept(question)], "verdicts": verdicts}
    dataset = write_dataset(tmp_path / "d", source, tables)
    with pytest.raises(ValueError, match=f"without a pass of {judge}"):
        publish_dataset(dataset.root)
