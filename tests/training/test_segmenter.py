from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.models

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from stages.rendering.config import RenderConfig  # noqa: E402
from stages.segmenters.lent_torchvision import import_segment_anything  # noqa: E402
from stages.segmenters.onnx_graphs import WEIGHTS  # noqa: E402
from training.augment import to_model_size  # noqa: E402
from training.decoder import fold, unfold  # noqa: E402
from training.export import MAPS, export_segmenter  # noqa: E402
from training.model import TinySam, to_sam  # noqa: E402
from training.pool import draw_scene  # noqa: E402
from training.scoring import innermost  # noqa: E402
from training.weights import open_model  # noqa: E402

segment_anything = import_segment_anything()


@pytest.fixture(scope="session")
def shipped():
    torch.set_num_threads(1)
    return open_model(WEIGHTS)


@pytest.fixture(scope="session")
def square_scene():
    """A picture as the model sees it, its things' masks, and a box and a point for each."""
    scene = draw_scene("report", 3, RenderConfig())
    picture = to_model_size(scene.image)
    rows = np.minimum(((np.arange(256) + 0.5) * scene.ids.shape[0] / 256).astype(int), scene.ids.shape[0] - 1)
    columns = ((np.arange(256) + 0.5) * scene.ids.shape[1] / 256).astype(int)
    ids = scene.ids[rows][:, columns]
    masks = [ids == number for number in range(1, len(scene.things) + 1)]
    boxes = [
        [
            np.nonzero(m.any(0))[0][0],
            np.nonzero(m.any(1))[0][0],
            np.nonzero(m.any(0))[0][-1] + 1,
            np.nonzero(m.any(1))[0][-1] + 1,
        ]
        for m in masks
    ]
    points = [innermost(mask) for mask in masks]
    return picture, masks, np.array(boxes, np.float32), np.array(points, np.float32)


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def answers(model, picture, points, boxes, is_box):
    pixels = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float()[None]
    with torch.inference_mode():
        return model(pixels, *(torch.from_numpy(part)[None] for part in (points, boxes, is_box)))


def test_folded_maps_unfold_to_themselves():
    maps = tuple(torch.randn(2, channels, side, side) for channels, side in ((96, 16), (24, 32), (16, 64), (8, 128)))
    assert all(torch.equal(one, other) for one, other in zip(unfold(fold(maps)), maps, strict=True))


def test_sam_predictor_gives_the_models_own_masks(shipped, square_scene):
    picture, true, boxes, points = square_scene
    predictor = segment_anything.SamPredictor(to_sam(shipped))
    predictor.set_image(picture)
    n = len(true)
    masks, _, _ = answers(shipped, picture, points, boxes, np.ones(n, np.float32))
    for index in range(n):
        _, _, low = predictor.predict(box=boxes[index], multimask_output=False)
        assert np.abs(low[0] - masks[index, 0].numpy()).max() < 1e-2
    at = points[0]
    masks, quality, _ = answers(shipped, picture, points, boxes, np.zeros(n, np.float32))
    found, scores, low = predictor.predict(point_coords=at[None], point_labels=np.array([1]), multimask_output=True)
    assert found.shape == (3, 256, 256)
    assert np.abs(scores - quality[0, 1:].numpy()).max() < 1e-2
    assert np.abs(low - masks[0, 1:].numpy()).max() < 5e-2


def test_sam_predictor_sees_the_things_in_their_boxes(shipped, square_scene):
    picture, true, boxes, _ = square_scene
    predictor = segment_anything.SamPredictor(to_sam(shipped))
    predictor.set_image(picture)
    found = [predictor.predict(box=box, multimask_output=False)[0][0] for box in boxes]
    assert np.mean([iou(one, other) for one, other in zip(found, true, strict=True)]) > 0.75


def test_sams_automatic_generator_runs_the_model_unchanged(shipped, square_scene):
    picture, true, _, _ = square_scene
    generator = segment_anything.SamAutomaticMaskGenerator(
        to_sam(shipped), points_per_side=8, pred_iou_thresh=0.4, stability_score_thresh=0.5, output_mode="binary_mask"
    )
    found = [one["segmentation"] for one in generator.generate(picture)]
    assert 1 <= len(found) <= 64
    assert sum(max(iou(mask, one) for one in found) > 0.5 for mask in true) >= len(true) / 3


def test_mask_prompts_and_no_prompts_are_refused(shipped):
    with pytest.raises(ValueError, match="either points or boxes"):
        shipped.prompt_encoder(points=None, boxes=None, masks=None)
    with pytest.raises(ValueError, match="no mask prompts"):
        shipped.prompt_encoder(points=None, boxes=torch.zeros(1, 4), masks=torch.zeros(1, 1, 64, 64))


@pytest.mark.parametrize("folder", ["shipped", "fresh"])
def test_the_graphs_say_what_the_model_says(folder, shipped, square_scene, tmp_path):
    picture, _, boxes, points = square_scene
    model, where = (shipped, WEIGHTS) if folder == "shipped" else (fresh_model(), tmp_path)
    if folder == "fresh":
        export_segmenter(model, tmp_path)
    is_box = (np.arange(len(points)) % 2).astype(np.float32)
    masks, quality, dense = (part.numpy() for part in answers(model, picture, points, boxes, is_box))
    said = run_graphs(where, picture, points, boxes, is_box)
    assert np.abs(said["dense"] - dense).max() < 0.05 * max(1, np.abs(dense).max())
    assert np.mean((said["masks"] > 0) != (masks > 0)) < 2e-3
    assert np.abs(said["iou"] - quality).max() < 0.05


def fresh_model():
    torch.manual_seed(1)
    return TinySam().eval()


def run_graphs(folder: Path, picture, points, boxes, is_box):
    encoder, decoder = (onnxruntime.InferenceSession(str(folder / f"{name}.onnx")) for name in ("encoder", "decoder"))
    pixels = picture.transpose(2, 0, 1)[None].astype(np.float32)
    maps = dict(zip((*MAPS, "dense"), encoder.run(None, {"image": pixels}), strict=True))
    dense = maps.pop("dense")
    given = {**maps, "points": points, "boxes": boxes, "isbox": is_box}
    return dict(zip(("masks", "iou"), decoder.run(None, given), strict=True)) | {"dense": dense}
