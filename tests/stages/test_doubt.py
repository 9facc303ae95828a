import numpy as np

from stages.doubt import Seen, TrustConfig, doubt_of
from stages.segmenters.crops import Reading
from stages.segmenters.one_mask import Thing
from stages.segmenters.protocol import Evidence
from tests.makers import draw_boxes
from tests.stages.segmenters.drawn import boxed

TRUST = TrustConfig(min_single=0.9, min_category=0.9, max_unexplained=0.002)


def seen(box=(20, 20, 80, 80), category="cup", confidence=0.99, single=0.99):
    thing = Thing(boxed(1, 1, 5, 5, 0.9), draw_boxes(box, width=128, height=128), 0)
    return Seen(thing, {"category": Reading(category, confidence)}, single=single)


def shown(*boxes):
    """Returns a 64 x 64 foreground that shows things in those boxes of a 128 x 128 picture."""
    thing = draw_boxes(*boxes, width=128, height=128)[::2, ::2].astype(np.float32)
    return Evidence(thing, np.zeros((2, 64, 64), np.float32))


def test_a_scene_that_is_seen_surely_raises_no_doubt():
    assert doubt_of([seen()], shown((20, 20, 80, 80)), TRUST) is None
    assert doubt_of([seen()], None, TRUST) is None


def test_each_sign_of_doubt_is_told():
    assert "mask 0 holds one thing with a chance of 0.400, below 0.9" in doubt_of([seen(single=0.4)], None, TRUST)
    assert "a cup is sure to 0.500" in doubt_of([seen(confidence=0.5)], None, TRUST)
    assert "shows a thing without a mask" in doubt_of([seen()], shown((20, 20, 80, 80), (90, 90, 110, 110)), TRUST)


def test_cells_beside_a_mask_need_no_explanation():
    assert doubt_of([seen()], shown((18, 18, 82, 82)), TRUST) is None


def test_a_scene_without_things_is_doubtful_only_where_something_shows():
    assert doubt_of([], shown(), TRUST) is None
    assert "without a mask" in doubt_of([], shown((0, 0, 30, 30)), TRUST)
