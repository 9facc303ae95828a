import numpy as np

from stages.doubt import Seen, TrustConfig, doubt_of, match_views
from stages.segmenters.crops import Reading
from stages.segmenters.one_mask import Thing
from stages.segmenters.protocol import Evidence
from tests.makers import draw_boxes
from tests.stages.segmenters.drawn import boxed

TRUST = TrustConfig(
    min_mask=0.5, min_category=0.9, max_unexplained=0.002, min_shown=0.5, max_spread=0.4, min_again=0.3, view_iou=0.7
)


def seen(box=(20, 20, 80, 80), category="cup", confidence=0.99, quality=0.9, colour=("red", 0.95)):
    thing = Thing(boxed(1, 1, 5, 5, quality), draw_boxes(box, width=128, height=128), 0)
    return Seen(thing, {"category": Reading(category, confidence), "colour": Reading(*colour)})


def shown(*boxes):
    """Returns a 64 x 64 foreground that shows things in those boxes of a 128 x 128 picture."""
    thing = draw_boxes(*boxes, width=128, height=128)[::2, ::2].astype(np.float32)
    return Evidence(
        thing, np.stack([24.5 - np.indices((64, 64))[1], 24.5 - np.indices((64, 64))[0]]).astype(np.float32)
    )


def test_a_scene_that_is_seen_surely_raises_no_doubt():
    assert doubt_of([seen()], shown((20, 20, 80, 80)), TRUST) is None
    assert doubt_of([seen()], None, TRUST) is None


def test_each_sign_of_doubt_is_told():
    assert "mask 0 is trusted with 0.40" in doubt_of([seen(quality=0.4)], None, TRUST)
    assert "answers with IoU 0.10" in doubt_of([seen()._replace(again=0.1)], None, TRUST)
    assert "a cup is sure to 0.500" in doubt_of([seen(confidence=0.5)], None, TRUST)
    assert "shows a thing without a mask" in doubt_of([seen()], shown((20, 20, 80, 80), (90, 90, 110, 110)), TRUST)
    assert "on average" in doubt_of([seen()], shown((20, 20, 40, 40)), TRUST)


def test_cells_of_one_mask_that_point_to_two_centres_are_doubtful():
    evidence = shown((20, 20, 80, 80))
    evidence.way[0, :, 25:] += 30
    assert "point to centres" in doubt_of([seen()], evidence, TRUST)


def test_a_scene_without_things_is_doubtful_only_where_something_shows():
    assert doubt_of([], shown(), TRUST) is None
    assert "without a mask" in doubt_of([], shown((0, 0, 30, 30)), TRUST)


def test_views_that_agree_leave_the_smaller_confidence():
    found, unstable = match_views([seen()], {"flip": [seen(colour=("red", 0.7))]}, TRUST)
    assert unstable is None and found[0].readings["colour"] == Reading("red", 0.7)


def test_a_contradicted_reading_is_left_no_confidence():
    found, unstable = match_views([seen()], {"flip": [seen(colour=("pink", 0.99))]}, TRUST)
    assert unstable is None and found[0].readings["colour"] == Reading("red", 0.0)


def test_other_things_in_a_view_are_told():
    assert "shows 0 things, the plain picture 1" in match_views([seen()], {"crop": []}, TRUST)[1]
    assert "a cup is a mug in the view flip" in match_views([seen()], {"flip": [seen(category="mug")]}, TRUST)[1]
    assert "has IoU" in match_views([seen()], {"flip": [seen(box=(30, 20, 110, 80))]}, TRUST)[1]
