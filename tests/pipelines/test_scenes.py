"""Scenes on disk: the same files whatever the workers and the count, resumable, readable as COCO."""

import json

import numpy as np
import PIL.Image
import pytest

from pipelines.scenes import write_scenes
from schemas.drop import Drop
from schemas.source_annotation import ImageAnnotations
from stages.ingest import IngestConfig, read_image
from stages.masks import rle_to_mask
from stages.rendering.config import RenderConfig
from stages.rendering.scene import render_scene
from stages.segment import SegmentConfig, segment
from stages.segmenters.annotations import to_source_annotation

CONFIG = RenderConfig(max_things=6)


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "images").glob("*.png"))}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 4, 5, CONFIG)
    return folder


def test_workers_and_count_change_no_scene(written, tmp_path):
    write_scenes(tmp_path, 3, 5, CONFIG, workers=2)
    assert files_of(tmp_path).items() <= files_of(written).items()
    few, many = (json.loads((folder / "instances.json").read_text()) for folder in (tmp_path, written))
    assert few["annotations"] == many["annotations"][: len(few["annotations"])]


def test_a_second_call_changes_nothing_and_an_interrupted_one_goes_on(written, tmp_path):
    write_scenes(tmp_path, 3, 5, CONFIG)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    whole = (tmp_path / "instances.json").read_bytes()
    write_scenes(tmp_path, 3, 5, CONFIG)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / "instances.json").unlink()
    (tmp_path / ".parts" / "scene-000001.json").unlink()
    (tmp_path / "images" / "scene-000002.png").unlink()
    write_scenes(tmp_path, 3, 5, CONFIG)
    assert (tmp_path / "instances.json").read_bytes() == whole
    assert files_of(tmp_path).items() <= files_of(written).items()


def test_another_seed_replaces_everything(written, tmp_path):
    write_scenes(tmp_path, 2, 5, CONFIG)
    write_scenes(tmp_path, 2, 6, CONFIG)
    assert json.loads((tmp_path / "instances.json").read_text())["info"]["seed"] == 6


def test_the_coco_file_gives_back_the_exact_masks(written):
    document = json.loads((written / "instances.json").read_text())
    names = {row["id"]: row["name"] for row in document["categories"]}
    assert {"colour", "size", "material", "digit", "points", "pips", "depth"} == set(document["info"]["supports"])
    for row in document["images"]:
        scene = render_scene(f"5:scene:{row['id'] - 1}", CONFIG)
        data = (written / "images" / row["file_name"]).read_bytes()
        decoded = read_image(data, row["file_name"], "CC0-1.0", IngestConfig())
        assert not isinstance(decoded, Drop) and np.array_equal(decoded.pixels, scene.image)
        records = [to_source_annotation(a, names) for a in document["annotations"] if a["image_id"] == row["id"]]
        given = ImageAnnotations(
            uri="x", width=row["width"], height=row["height"], licence="x", supports=(), annotations=tuple(records)
        )
        found = segment(decoded.image, given, SegmentConfig())
        assert not found.drops
        masks = {rle_to_mask(instance.mask).tobytes() for instance in found.instances}
        assert masks == {thing.mask.tobytes() for thing in scene.things}


def test_pictures_carry_no_metadata_and_a_free_licence(written):
    document = json.loads((written / "instances.json").read_text())
    assert [row["name"] for row in document["licenses"]] == ["CC0-1.0"]
    with PIL.Image.open(written / "images" / "scene-000000.png") as picture:
        assert not picture.info and not picture.getexif()


def test_a_negative_count_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="got -1"):
        write_scenes(tmp_path, -1, 0, CONFIG)
