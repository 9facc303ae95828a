"""The release as its consumers read it: `datasets` itself, and the steps that verl and TRL take.

The real verl and TRL run in `tests/consumers` (`make test-consumers`). `HOPYARD_RELEASE=DIR/release` in the environment
runs all of it on a release of your own.
"""

import io
import os
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

from pipelines.publish import publish_dataset
from schemas.huggingface import huggingface_features
from schemas.release_row import RELEASE_SCHEMA, RESERVED_COLUMNS
from stages.ingest import image_id_of
from stages.publish import PublishConfig
from tests.release_makers import encode, make_dataset, make_files, make_pixels

datasets = pytest.importorskip("datasets", reason="needs datasets")

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    if "HOPYARD_RELEASE" in os.environ:
        return Path(os.environ["HOPYARD_RELEASE"])
    folder = tmp_path_factory.mktemp("release")
    files = make_files(30) | {f"photo/{n}.jpg": encode(make_pixels(100 + n), "JPEG", quality=90) for n in range(10)}
    return publish_dataset(make_dataset(folder, files).root, config=PublishConfig(rows_per_file=40)).folder


@pytest.fixture(scope="module")
def rows(release, tmp_path_factory):
    files = sorted(str(path) for path in release.glob("*.parquet"))
    return datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path_factory.mktemp("cache"))
    )


def row_count(release):
    return sum(pq.read_metadata(path).num_rows for path in release.glob("*.parquet"))


def test_datasets_shows_pictures(release, rows):
    assert len(rows) == row_count(release)
    for row in rows:
        (picture,) = row["images"]
        assert isinstance(picture, PIL.Image.Image)
        assert image_id_of(np.asarray(picture.convert("RGB"))) == row["image_id"]


def test_datasets_honours_the_card(release, tmp_path):
    loaded = datasets.load_dataset(str(release), cache_dir=str(tmp_path))
    assert set(loaded) == {path.name.partition("-")[0] for path in release.glob("*.parquet")}
    assert sum(len(split) for split in loaded.values()) == row_count(release)
    for name, split in loaded.items():
        assert set(split["split"]) == {name}
        assert [info["index"] for info in split["extra_info"]] == list(range(len(split)))


def test_feature_description_is_what_datasets_makes_of_the_types():
    ours = datasets.Features.from_dict(huggingface_features(RELEASE_SCHEMA))
    derived = datasets.Features.from_arrow_schema(RELEASE_SCHEMA.remove_metadata())
    assert datasets.Features.from_arrow_schema(RELEASE_SCHEMA) == ours
    assert {name for name in ours if ours[name] != derived[name]} == {"images"}


def test_the_release_made_here_has_several_files_per_split(release):
    if "HOPYARD_RELEASE" not in os.environ:
        assert len(list(release.glob("train-*.parquet"))) >= 3 and row_count(release) == 120


def test_shards_share_one_schema(release):
    schemas = [pq.read_schema(path) for path in release.glob("*.parquet")]
    assert schemas
    assert all(schema.equals(RELEASE_SCHEMA, check_metadata=False) for schema in schemas)
    assert len({schema.metadata[b"huggingface"] for schema in schemas}) == 1


def verl_messages(row, prompt_key, image_key):
    """What verl's RLHFDataset._build_messages does with a row."""
    images, offset = row.get(image_key) or [], 0
    messages = [dict(message) for message in row[prompt_key]]
    for message in messages:
        blocks = []
        for segment in re.split("(<image>|<video>|<audio>)", message["content"]):
            if segment == "<image>":
                assert offset < len(images)
                image = images[offset]
                if isinstance(image, dict):
                    image = PIL.Image.open(io.BytesIO(image["bytes"]))
                blocks.append({"type": "image", "image": image.convert("RGB")})
                offset += 1
            elif segment:
                assert segment not in ("<video>", "<audio>")
                blocks.append({"type": "text", "text": segment})
        message["content"] = blocks
    assert offset == len(images)
    return messages


@pytest.mark.parametrize("decoded", [True, False])
def test_verl_finds_one_picture_per_placeholder_in_every_row(rows, decoded):
    shown = rows if decoded else rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    for row in shown:
        (message,) = verl_messages(row, "prompt_tagged", "images")
        assert [block["type"] for block in message["content"]] == ["image", "text"]
        assert message["content"][0]["image"].mode == "RGB"
        assert row["reward_model"] == {"style": "rule", "ground_truth": row["answer"]}
        assert row["data_source"] and isinstance(row["extra_info"]["index"], int)


def test_trl_finds_a_plain_conversation_beside_the_pictures(rows):
    assert not RESERVED_COLUMNS & set(rows.column_names)
    for row in rows:
        assert [message["role"] for message in row["prompt"]] == ["user"]
        assert all(isinstance(message["content"], str) for message in row["prompt"])
        assert "<image>" not in row["prompt"][0]["content"]
    assert rows.features["images"] == datasets.List(datasets.Image())
