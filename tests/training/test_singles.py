import json
import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.models

torch = pytest.importorskip("torch")

from stages.rendering.config import RenderConfig  # noqa: E402
from stages.segmenters.onnx_graphs import WEIGHTS, open_graph  # noqa: E402
from tests.makers import draw_boxes  # noqa: E402
from training.batches import generator_of  # noqa: E402
from training.crops import VOCABULARIES, CropNet  # noqa: E402
from training.pool import draw_scene, write_shard  # noqa: E402
from training.singles import SingleConfig, drawn_wholes, make_single, part_of, touching, train_single  # noqa: E402

SMALL = RenderConfig(width=256, height=192, oversampling=1, min_things=4, max_things=6)


def test_masks_touch_that_share_a_border():
    one, beside, apart = (
        draw_boxes(box, width=40, height=20) for box in ((2, 2, 10, 12), (10, 2, 18, 12), (30, 2, 38, 9))
    )
    assert list(touching([one, beside, apart])) == [(0, 1)]


def test_a_part_is_half_of_a_mask_or_more():
    mask = draw_boxes((4, 4, 24, 18), width=40, height=24)
    for number in range(10):
        part = part_of(generator_of("part", number), mask)
        assert not (part & ~mask).any() and np.count_nonzero(part) >= 0.45 * np.count_nonzero(mask)


def test_every_pair_that_touches_is_drawn_as_a_merger():
    scene = draw_scene("train", 1, SMALL)
    pairs = list(touching([scene.ids == number for number in range(1, len(scene.things) + 1)]))
    wholes = drawn_wholes(scene, generator_of("wholes"))
    assert np.count_nonzero(~wholes.single) == 2 * len(pairs) and len(wholes.pixels) == len(wholes.single)


def test_the_head_learns_what_its_features_say():
    features = torch.randn(400, 960, generator=torch.Generator().manual_seed(0))
    truth = features[:, 3] > 0
    head = train_single(features, truth, SingleConfig(epochs=6))
    assert ((head(features)[:, 0] > 0) == truth).float().mean() > 0.9


def test_the_graph_keeps_the_classifiers_own_outputs(tmp_path):
    net = CropNet().eval()
    torch.save(net.state_dict(), tmp_path / "crops.pt")
    write_shard(tmp_path, "train", 0, [draw_scene("train", number, SMALL) for number in range(2)])
    weights = tmp_path / "weights"
    shutil.copytree(WEIGHTS, weights)
    make_single(tmp_path, weights, 2, SingleConfig(epochs=1, fresh=1))
    crops = np.random.default_rng(0).uniform(0, 1, (2, 4, 48, 48)).astype(np.float32)
    said = open_graph(weights / "crops.onnx").run({"crops": crops})
    assert said.keys() == {*VOCABULARIES, "single"} and said["single"].shape == (2, 1)
    own = net(torch.from_numpy(crops))
    assert np.allclose(said["category"], own[0].detach().numpy(), atol=0.02)
    assert json.loads((weights / "card.json").read_text())["crops"]["single"]["mergers"] >= 0
