"""Eyes that could not judge what they see are refused when they are opened, not trusted."""

import json
import shutil

import pytest

from stages.perceive import open_eyes
from stages.segmenters.embedded import EmbeddedConfig
from stages.segmenters.onnx_graphs import WEIGHTS
from stages.segmenters.protocol import SegmenterError

pytestmark = pytest.mark.skipif(not (WEIGHTS / "crops.onnx").exists(), reason="the weights hold no crop classifier")


@pytest.fixture
def weights(tmp_path):
    return shutil.copytree(WEIGHTS, tmp_path / "weights")


def opened(folder):
    return open_eyes(EmbeddedConfig(weights=str(folder)), prompted=False)


def test_complete_weights_open_and_judge(weights):
    eyes = opened(weights)
    assert eyes.strict and eyes.namer is not None


def test_weights_without_a_crop_classifier_are_refused(weights):
    (weights / "crops.onnx").unlink()
    with pytest.raises(SegmenterError, match="no crop classifier"):
        opened(weights)


def test_a_crop_classifier_that_cannot_tell_one_thing_from_two_is_refused(weights):
    shutil.copy(weights / "encoder.onnx", weights / "crops.onnx")
    with pytest.raises(SegmenterError, match="no head 'single'"):
        opened(weights)


def test_a_card_that_does_not_weigh_the_signs_is_refused(weights):
    card = json.loads((weights / "card.json").read_text())
    del card["signs"]
    (weights / "card.json").write_text(json.dumps(card))
    with pytest.raises(SegmenterError, match="no signs"):
        opened(weights)
