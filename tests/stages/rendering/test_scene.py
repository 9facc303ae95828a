"""Rendered scenes: the same from the same name, exact masks, and everything that counts in full view."""

import os
import subprocess
import sys

import numpy as np
import pytest

from stages.masks import box_xyxy_of
from stages.rendering.catalogue import CATEGORIES
from stages.rendering.config import RenderConfig
from stages.rendering.layout import draw_looks
from stages.rendering.palette import COLOURS, MATERIALS, SIZES, display_rgb
from stages.rendering.scene import render_scene

CONFIG = RenderConfig()
COUNT = 10


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(f"test:scene:{number}", CONFIG) for number in range(COUNT)]


def test_a_scene_is_a_function_of_its_name_in_any_process():
    code = (
        "import hashlib; from stages.rendering.scene import render_scene; "
        "from stages.rendering.config import RenderConfig; "
        "print(hashlib.sha256(render_scene('again', RenderConfig()).image.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    other = render_scene("another", CONFIG)
    assert not np.array_equal(other.image, render_scene("again", CONFIG).image)


def test_masks_are_disjoint_and_clear_of_the_border(scenes):
    for scene in scenes:
        total = np.sum([thing.mask for thing in scene.things], axis=0)
        assert total.max() == 1
        assert not total[:2].any() and not total[-2:].any() and not total[:, :2].any() and not total[:, -2:].any()


def test_every_thing_keeps_its_visible_share_and_stars_are_whole(scenes):
    for thing in (thing for scene in scenes for thing in scene.things):
        assert CONFIG.min_visible <= thing.visible_fraction <= 1
        assert thing.visible_fraction == 1 or "points" not in thing.measures


def test_numbers_are_in_range_and_only_where_they_belong(scenes):
    for thing in (thing for scene in scenes for thing in scene.things):
        category = CATEGORIES[thing.category]
        assert thing.digit is None or (category.carries_digit and 0 <= thing.digit <= 9)
        assert set(thing.measures) == ({category.measure} if category.measure else set())
        assert 4 <= thing.measures.get("points", 5) <= 8 and 1 <= thing.measures.get("pips", 3) <= 6
        assert thing.colour in COLOURS and thing.size in SIZES and thing.material in MATERIALS
        assert thing.material == "matte" or category.can_be_metal


def test_the_number_of_things_and_the_order_of_depth(scenes):
    for scene in scenes:
        assert CONFIG.min_things <= len(scene.things) <= CONFIG.max_things
        depths = [thing.depth for thing in scene.things]
        assert depths == sorted(depths, reverse=True) and all(0 <= depth <= 1 for depth in depths)


def test_things_wear_their_colour(scenes):
    """The median pixel of a thing is nearer to its own colour than to any other, in hue where it has one."""
    right = wrong = 0
    for scene in scenes:
        for thing in scene.things:
            if thing.digit is not None or thing.measures or thing.category in ("candle", "mushroom", "flag", "lamp"):
                continue
            median = np.median(scene.image[thing.mask], axis=0)
            gaps = {name: np.abs(median - np.array(display_rgb(name))).sum() for name in COLOURS}
            if min(gaps, key=gaps.__getitem__) == thing.colour:
                right += 1
            else:
                wrong += 1
    assert right + wrong > 20 and wrong <= 0.1 * (right + wrong)


def test_sizes_keep_apart(scenes):
    import random

    heights = {size: [] for size in SIZES}
    for scene in scenes:
        for thing in scene.things:
            if thing.visible_fraction == 1 and thing.category in ("ball", "box", "mug", "can", "bell", "cone", "vase"):
                x0, y0, x1, y1 = box_xyxy_of(thing.mask)
                heights[thing.size].append(max(x1 - x0, y1 - y0))
    medians = [np.median(heights[size]) for size in SIZES if heights[size]]
    assert all(larger >= 1.3 * smaller for smaller, larger in zip(medians, medians[1:], strict=False))
    looks = [look for number in range(200) for look in draw_looks(random.Random(number), 8)]
    assert {look.category for look in looks} == set(CATEGORIES)
    assert {look.colour for look in looks} == set(COLOURS)
    assert len(CATEGORIES) >= 12 and len(COLOURS) == 8 and len(SIZES) == 3 and len(MATERIALS) == 2
