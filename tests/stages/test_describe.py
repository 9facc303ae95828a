"""Describe: colours a person would agree with, and categories a person could count."""

import numpy as np
import pytest

from schemas.drop import Drop, DropReason
from schemas.segmentation import Segmentation
from stages.colours import name_colour
from stages.describe import DescribeConfig, describe
from tests.makers import make_image, make_instance

IMAGE = make_image(width=200, height=200)
PIXELS = np.full((200, 200, 3), 128, dtype=np.uint8)


def run(*instances, drops=(), pixels=PIXELS, supports=("colour",)):
    found = describe(IMAGE, pixels, Segmentation(tuple(instances), tuple(drops)), supports, DescribeConfig())
    rejected = {category.category for category in found.categories if not category.countable}
    assert {drop.id.rpartition(":")[2] for drop in found.drops} == rejected
    return {category.category: category for category in found.categories}, found


def at(x, y, size=30, category="cup", **changes):
    return make_instance(category, (x, y, x + size, y + size), image=IMAGE, **changes)


def test_large_separate_things_are_countable():
    categories, _ = run(at(10, 10), at(100, 100))
    assert categories["cup"].countable and categories["cup"].instance_count == 2


@pytest.mark.parametrize(
    ("instances", "reason", "selectable"),
    [
        ([at(10, 10), at(100, 100, size=5)], DropReason.CATEGORY_HAS_TINY_INSTANCES, False),
        ([at(0, 10, size=20), at(100, 100)], DropReason.CATEGORY_TRUNCATED, True),
        ([at(10, 10, category="book", size=60)], DropReason.CATEGORY_NOT_COUNTABLE, False),
        ([at(10, 10, size=40), at(18, 10, size=40)], DropReason.CATEGORY_CROWDED, False),
        (
            [at(10, 10, category="sink", size=40), at(52, 10, category="sink", size=40)],
            DropReason.CATEGORY_CROWDED,
            False,
        ),
        ([at(10 + 45 * (i % 4), 10 + 45 * (i // 4)) for i in range(13)], DropReason.CATEGORY_CROWDED, False),
    ],
)
def test_what_people_would_not_count_alike_is_not_counted(instances, reason, selectable):
    categories, found = run(*instances)
    (category,) = categories.values()
    assert not category.countable and category.reason == reason and category.selectable is selectable
    assert found.drops[0].reason is reason and found.drops[0].detail


def test_a_category_with_a_crowd_region_is_not_counted():
    crowd = Drop(
        stage="segment", id=f"{IMAGE.image_id}:cup:9", parent_id=IMAGE.image_id, reason=DropReason.CROWD_REGION
    )
    categories, _ = run(at(10, 10), drops=[crowd])
    assert not categories["cup"].countable and not categories["cup"].selectable


def test_lookalikes_in_one_picture_are_named_only_one_of_each():
    one_each, _ = run(at(10, 10, category="oven", size=60), at(100, 100, category="microwave", size=60))
    assert one_each["oven"].countable and one_each["microwave"].countable
    more, _ = run(
        at(10, 10, category="oven", size=50),
        at(130, 10, category="oven", size=50),
        at(10, 120, category="microwave", size=50),
    )
    assert not more["oven"].countable and not more["microwave"].countable


def test_a_source_that_knows_every_thing_may_count_small_and_cut_off_ones():
    categories, _ = run(at(0, 10, size=6, visible_fraction=1.0), at(60, 60, visible_fraction=0.6))
    assert categories["cup"].countable


@pytest.mark.parametrize(
    ("rgb", "term"),
    [
        ((200, 20, 25), "red"),
        ((30, 90, 220), "blue"),
        ((20, 150, 50), "green"),
        ((250, 220, 20), "yellow"),
        ((15, 15, 15), "black"),
        ((250, 250, 250), "white"),
    ],
)
def test_plain_colours_get_their_name_with_confidence(rgb, term):
    found = name_colour(np.tile(np.array(rgb, dtype=np.uint8), (500, 1)))
    assert found is not None and found.term == term and found.confidence >= 0.6


def test_a_mixed_surface_has_no_confident_colour():
    half = np.concatenate([np.tile(np.uint8([200, 20, 25]), (300, 1)), np.tile(np.uint8([20, 150, 50]), (300, 1))])
    found = name_colour(half)
    assert found is None or found.confidence < 0.6


def test_people_get_no_colour_and_stated_colours_stay():
    pixels = PIXELS.copy()
    pixels[:] = (200, 20, 25)
    stated = at(60, 60, attributes={"colour": "green"})
    _, found = run(at(10, 10, category="person"), stated, at(120, 120), pixels=pixels)
    colours = {i.category + str(i.box_xyxy[0]): {a.value for a in i.attributes} for i in found.instances}
    assert colours == {"person10.0": set(), "cup60.0": {"green"}, "cup120.0": {"red"}}
