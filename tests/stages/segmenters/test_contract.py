"""What every back-end promises, held against each: tiny random checkpoints, saved and opened offline."""

import os
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stages.masks import mask_to_rle, rle_to_mask
from stages.segmenters.embedded import EmbeddedConfig
from stages.segmenters.everything import GridConfig
from stages.segmenters.opening import open_segmenter
from stages.segmenters.protocol import EVERYTHING, Prompts, SegmenterError, to_pixels
from stages.segmenters.sam import SamConfig, to_segmenter
from stages.segmenters.sam1 import Sam1Config
from stages.segmenters.sam2 import Sam2Config
from stages.segmenters.sam3 import Sam3Config
from tests.stages.segmenters import tiny_models

pytestmark = pytest.mark.models

torch = pytest.importorskip("torch")

GRID = GridConfig(sides=(4, 6), min_quality=0, min_stability=0, batch=8)
KINDS = ("embedded", "segment-anything", "own", "sam1", "sam2", "sam3")
COCO = Path(__file__).resolve().parents[4] / "shared" / "coco" / "images"
POINTS = Prompts(points=np.array([[30.0, 40.0], [100.0, 20.0], [5.0, 90.0]]))
BOXES = Prompts(boxes=np.array([[10.0, 10.0, 60.0, 60.0], [80.0, 5.0, 120.0, 90.0]]))
NOUNS = Prompts(nouns=("cat", "dog"))


@pytest.fixture(scope="session")
def pictures():
    rng = np.random.default_rng(0)
    grounds = [np.full((height, width, 3), 120, dtype=np.uint8) for height, width in ((96, 128), (200, 90), (17, 150))]
    for ground in grounds:
        ground[4:14, 10:40] = (220, 30, 30)
        ground += rng.integers(0, 20, ground.shape, dtype=np.uint8)
    return grounds


@pytest.fixture(scope="session")
def sam_model():
    return tiny_models.tiny_sam()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, sam_model):
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    torch.save(sam_model.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def opened(tmp_path_factory, sam_model, checkpoint):
    """Every back-end, each from what it saved and could load again without a network."""
    folder = tmp_path_factory.mktemp("checkpoints")
    os.environ["HF_HUB_OFFLINE"] = "1"
    configs = (
        SamConfig(checkpoint=str(checkpoint), grid=GRID),
        EmbeddedConfig(weights=str(tiny_models.save_graphs(folder / "graphs")), grid=GRID),
        Sam1Config(checkpoint=str(tiny_models.save_sam1(sam_model, folder / "sam1")), grid=GRID),
        Sam2Config(checkpoint=str(tiny_models.save_sam2(folder / "sam2")), grid=GRID),
        Sam3Config(
            checkpoint=str(tiny_models.save_sam3(folder / "sam3")),
            tracker=str(tiny_models.save_sam3_tracker(folder / "tracker")),
            min_score=0.01,
            grid=GRID,
        ),
    )
    found = {config.kind: open_segmenter(config) for config in configs}
    return found | {"own": to_segmenter(own_model(), "own", SamConfig(grid=GRID))}


def own_model():
    """Returns the model that ships with the package, with its weights, in the shape of `segment_anything`."""
    from stages.segmenters.onnx_graphs import WEIGHTS
    from training.model import to_sam
    from training.weights import open_model

    return to_sam(open_model(WEIGHTS))


@pytest.fixture(params=KINDS)
def segmenter(request, opened):
    return opened[request.param]


def assert_is_sound(found):
    assert found.logits.ndim == 2 and found.logits.dtype == np.float32 and np.isfinite(found.logits).all()
    assert 0 <= found.quality <= 1 and 0 <= found.stability <= 1
    columns, rows = found.reach_xy
    assert 0 < columns <= found.logits.shape[1] and 0 < rows <= found.logits.shape[0]


def assert_same(first, second, atol):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, atol=atol)
        assert one.quality == pytest.approx(other.quality, abs=atol)
        assert one.reach_xy == other.reach_xy and one.noun == other.noun


@pytest.mark.parametrize("prompts", [POINTS, BOXES], ids=["points", "boxes"])
def test_each_prompt_gives_one_mask_of_the_picture(segmenter, pictures, prompts):
    for picture, found in zip(pictures, segmenter.find(pictures, [prompts] * 3), strict=True):
        assert len(found) == len(prompts.points if prompts.points is not None else prompts.boxes)
        for one in found:
            assert_is_sound(one)
            mask = to_pixels(one, *picture.shape[:2])
            assert mask.shape == picture.shape[:2]
            assert (rle_to_mask(mask_to_rle(mask)) == mask).all()


@pytest.mark.parametrize("prompts", [POINTS, EVERYTHING, NOUNS], ids=["points", "everything", "nouns"])
def test_a_picture_gives_the_same_alone_and_in_a_batch_and_again(segmenter, pictures, prompts):
    if prompts.kind not in segmenter.understands:
        pytest.skip(f"{segmenter.name} takes no {prompts.kind}")
    before = [picture.copy() for picture in pictures]
    together = segmenter.find(pictures, [prompts] * 3)
    for picture, found in zip(pictures, together, strict=True):
        assert_same(segmenter.find([picture], [prompts])[0], found, atol=1e-3)
    for first, second in zip(together, segmenter.find(pictures, [prompts] * 3), strict=True):
        assert_same(first, second, atol=0)
    assert all((one == other).all() for one, other in zip(pictures, before, strict=True))


def test_everything_has_no_copies_and_the_best_comes_first(segmenter, pictures):
    found = segmenter.find(pictures[:1], [EVERYTHING])[0]
    scores = [one.quality * one.stability for one in found]
    assert scores == sorted(scores, reverse=True)
    cells = [one.cells for one in found]
    for i, one in enumerate(cells):
        assert one.any()
        for other in cells[:i]:
            assert (one & other).sum() / (one | other).sum() <= GRID.copy_iou


def test_no_points_give_no_masks(segmenter, pictures):
    assert segmenter.find(pictures[:1], [Prompts(points=np.zeros((0, 2)))]) == [[]]
    assert segmenter.find([], []) == []


def test_a_prompt_it_does_not_understand_is_refused(segmenter, pictures):
    if "nouns" in segmenter.understands:
        pytest.skip("takes every kind")
    with pytest.raises(ValueError, match="does not take nouns; it takes boxes, everything, points"):
        segmenter.find(pictures[:1], [NOUNS])


def test_it_names_itself(segmenter):
    assert segmenter.name.partition("/")[0] in set(KINDS) - {"own"} and "@" in segmenter.name


def test_nouns_are_answered_each_by_its_name_and_pictures_are_seen_once(opened, pictures, monkeypatch):
    sam3 = opened["sam3"]
    seen = []
    features = sam3.model.get_vision_features
    monkeypatch.setattr(sam3.model, "get_vision_features", lambda shown: (seen.append(len(shown)), features(shown))[1])
    mixed = [NOUNS, Prompts(nouns=("dog",)), NOUNS]
    found = sam3.find(pictures, mixed)
    assert seen == [3], "three pictures, one pass, whatever the number of nouns"
    assert [{one.noun for one in masks} for masks in found] == [{"cat", "dog"}, {"dog"}, {"cat", "dog"}]
    for masks in found:
        for one in masks:
            assert_is_sound(one)


def test_the_same_weights_give_the_same_masks_in_two_backends(opened, pictures):
    for prompts in (POINTS, BOXES):
        ours = opened["segment-anything"].find(pictures, [prompts] * 3)
        theirs = opened["sam1"].find(pictures, [prompts] * 3)
        for one, other in zip(sum(ours, []), sum(theirs, []), strict=True):
            np.testing.assert_allclose(one.logits, other.logits, atol=2e-4)
            assert one.quality == pytest.approx(other.quality, abs=1e-4)
            assert np.std(one.logits) > 0.01, "a flat answer would agree with anything"


def test_masks_are_those_of_the_package_itself(opened, sam_model, pictures):
    from stages.segmenters.lent_torchvision import import_segment_anything

    import_segment_anything()
    from segment_anything import SamPredictor

    predictor = SamPredictor(sam_model)
    predictor.set_image(pictures[0])
    for point, ours in zip(POINTS.points, opened["segment-anything"].find(pictures[:1], [POINTS])[0], strict=True):
        masks, quality, _ = predictor.predict(point[None], np.ones(1), multimask_output=True)
        best = int(quality.argmax())
        assert ours.quality == pytest.approx(float(quality[best]), abs=1e-4)
        same = to_pixels(ours, *pictures[0].shape[:2]) == masks[best]
        assert same.mean() > 0.97


@pytest.mark.parametrize(("name", "width", "depth"), [("vit_b", 768, 12), ("vit_l", 1024, 24), ("vit_h", 1280, 32)])
def test_the_published_shapes_are_told_from_their_weights(name, width, depth):
    from stages.segmenters.lent_torchvision import import_segment_anything
    from stages.segmenters.sam_shapes import build_for

    package = import_segment_anything()
    with torch.device("meta"):
        theirs = package.sam_model_registry[name]()
        ours = build_for(theirs.state_dict(), package.modeling)
    assert {key: value.shape for key, value in ours.state_dict().items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }
    assert (ours.image_encoder.img_size, len(ours.image_encoder.blocks)) == (1024, depth)
    windows = [[block.window_size for block in one.image_encoder.blocks] for one in (ours, theirs)]
    assert windows[0] == windows[1]
    heads = [[block.attn.num_heads for block in one.image_encoder.blocks] for one in (ours, theirs)]
    assert heads[0] == heads[1]


@pytest.mark.skipif(not COCO.is_dir(), reason="no photos here")
def test_photos_run_through_the_factory_with_a_checkpoint(checkpoint, tmp_path):
    from pipelines.cli import run_command
    from pipelines.store import Dataset

    images = tmp_path / "images"
    images.mkdir()
    for path in sorted(COCO.iterdir())[:2]:
        (images / path.name).write_bytes(path.read_bytes())
    profile = tmp_path / "profile.toml"
    grid = "sides = [4], min_quality = 0.0, min_stability = 0.0"
    loose = "scene = false, max_area_share = 1.0, min_left = 0.001"  # the masks of random weights are no things
    profile.write_text(
        f'[segment]\none_mask = {{ {loose} }}\n[segment.segmenter]\nkind = "segment-anything"\ngrid = {{ {grid} }}\n'
    )
    options = ["--segmenter", "segment-anything", "--checkpoint", str(checkpoint), "--profile", str(profile)]
    command = ["run", str(images), *options, "--out", str(tmp_path / "out"), "--no-server", "--workers", "1"]
    assert run_command(command) == 0
    instances = Dataset(tmp_path / "out").read("instances").to_pylist()
    assert instances and {row["source"] for row in instances} == {"segment-anything/1@tiny"}
    assert {row["category"] for row in instances} == {"thing"}
    drops = Dataset(tmp_path / "out").read("drops").to_pylist()
    assert "unnamed_thing" in {row["reason"] for row in drops}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SamConfig(), "needs weights: --checkpoint FILE"),
        (SamConfig(checkpoint="/nowhere/sam.pth"), "finds no checkpoint /nowhere/sam.pth"),
        (Sam1Config(), "needs a model: --checkpoint FOLDER"),
        (Sam2Config(checkpoint="nobody/no-such-model"), "HF_HUB_OFFLINE=1"),
        (Sam3Config(checkpoint="/nowhere/sam3"), "cannot load '/nowhere/sam3'"),
        (EmbeddedConfig(weights="/nowhere"), "has no card.json in /nowhere"),
        (SamConfig(checkpoint="x", device="cuda"), "finds no checkpoint"),
    ],
)
def test_what_is_missing_is_said_in_one_line(config, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SegmenterError, match=message) as caught:
        open_segmenter(config)
    assert "\n" not in str(caught.value)


class _Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/hopyard-was-here",))


@pytest.mark.parametrize("content", ["pickle", "noise", "list", "empty", "other"])
def test_a_checkpoint_runs_no_code_and_must_hold_plain_tensors(content, tmp_path):
    path = tmp_path / "sam.pth"
    write = {
        "pickle": lambda: path.write_bytes(pickle.dumps(_Evil())),
        "noise": lambda: path.write_bytes(os.urandom(300)),
        "list": partial(torch.save, [torch.zeros(1)], path),
        "empty": path.touch,
        "other": partial(torch.save, {"a": torch.zeros(1)}, path),
    }
    write[content]()
    with pytest.raises(SegmenterError, match="no checkpoint of plain tensors|holds no weights of a SAM"):
        open_segmenter(SamConfig(checkpoint=str(path)))
    assert not os.path.exists("/tmp/hopyard-was-here")
