import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.drop import DropReason
from stages.segmenters.one_mask import OneMaskConfig, things_of
from tests.stages.segmenters.drawn import boxed, drawn

CONFIG = OneMaskConfig()


def reasons(found, config=CONFIG):
    things, away = things_of(found, 64, 64, config)
    return [thing.order for thing in things], {one.order: one.reason for one in away}


def test_of_near_copies_the_better_one_stays():
    copies = [boxed(5, 5, 25, 25, 0.7), boxed(5, 5, 25, 26, 0.9)]
    assert reasons(copies) == ([1], {0: DropReason.DUPLICATE_INSTANCE})


def test_a_part_gives_way_to_its_whole():
    assert reasons([boxed(10, 10, 40, 40), boxed(12, 12, 20, 20, 0.99)]) == ([0], {1: DropReason.PART_OF_WHOLE})


def test_a_mask_of_two_things_gives_way_to_them():
    merged, left, right = boxed(4, 4, 44, 24), boxed(4, 4, 24, 24), boxed(24, 4, 44, 24)
    assert reasons([merged, left, right]) == ([1, 2], {0: DropReason.MERGED_MASK})


def test_two_small_details_do_not_make_their_whole_a_merger():
    details = [boxed(12, 12, 16, 16), boxed(30, 30, 34, 34)]
    kept, away = reasons([boxed(10, 10, 40, 40), *details])
    assert kept == [0] and set(away.values()) == {DropReason.PART_OF_WHOLE}


def test_ground_specks_and_nothing_are_no_things():
    found = [boxed(0, 0, 64, 60), boxed(3, 3, 4, 5), boxed(0, 0, 0, 0)]
    expected = {0: DropReason.GROUND_MASK, 1: DropReason.TINY_INSTANCE, 2: DropReason.EMPTY_MASK}
    assert reasons(found) == ([], expected)


def test_a_pixel_belongs_to_the_better_of_two_masks():
    things, away = things_of([boxed(0, 0, 20, 20, 0.9), boxed(14, 0, 40, 20, 0.8)], 64, 64, CONFIG)
    assert not away
    first, second = (thing.mask for thing in things)
    assert not (first & second).any()
    assert first.sum() == 400 and second.sum() == 400


def test_what_is_mostly_covered_by_better_masks_is_no_thing():
    row = boxed(0, 0, 18, 30, 0.9), boxed(24, 0, 40, 30, 0.85), boxed(8, 0, 34, 30, 0.5)
    assert reasons(list(row))[1] == {2: DropReason.OVERLAPPED_MASK}


def test_parts_stay_beside_their_wholes_where_no_scene_is_wanted():
    things, away = things_of([boxed(10, 10, 40, 40), boxed(12, 12, 20, 20)], 64, 64, OneMaskConfig(scene=False))
    assert not away
    assert [(thing.order, thing.part_of) for thing in things] == [(0, None), (1, 0)]


def test_only_the_largest_piece_is_kept():
    mask = drawn("##....", "##....", "##...#", "......")
    things, _ = things_of([mask], 4, 6, CONFIG)
    assert things[0].mask.sum() == 6 and not things[0].mask[2, 5]


boxes = st.tuples(*[st.integers(0, 63)] * 4, st.floats(0.1, 1)).map(
    lambda v: boxed(min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]) + 1, max(v[1], v[3]) + 1, v[4])
)


@given(st.lists(boxes, max_size=8), st.booleans())
def test_every_mask_is_a_thing_or_turned_away_and_things_share_no_pixel(found, scene):
    things, away = things_of(found, 48, 80, OneMaskConfig(scene=scene))
    assert sorted([one.order for one in things] + [one.order for one in away]) == list(range(len(found)))
    total = sum((thing.mask.astype(int) for thing in things), np.zeros((48, 80), int))
    assert not scene or total.max(initial=0) <= 1
    assert all(thing.mask.any() and thing.mask.shape == (48, 80) for thing in things)


@given(st.lists(boxes, min_size=1, max_size=6), st.randoms())
def test_the_order_of_masks_does_not_matter(found, rng):
    found = [one._replace(quality=0.3 + 0.1 * i) for i, one in enumerate(found)]  # ties are decided by order
    shuffled = list(found)
    rng.shuffle(shuffled)
    one, other = (things_of(masks, 48, 80, CONFIG)[0] for masks in (found, shuffled))
    assert [a.mask.tobytes() for a in one] == [b.mask.tobytes() for b in other]


def test_no_masks_give_no_things():
    assert things_of([], 10, 10, CONFIG) == ([], [])


@pytest.mark.parametrize("part", [DropReason.PART_OF_WHOLE, DropReason.MERGED_MASK])
def test_the_detail_names_the_other_mask(part):
    merged = [boxed(4, 4, 44, 24), boxed(4, 4, 24, 24), boxed(24, 4, 44, 24)]
    found = merged if part is DropReason.MERGED_MASK else [boxed(10, 10, 40, 40), boxed(12, 12, 20, 20)]
    away = things_of(found, 64, 64, CONFIG)[1]
    assert "mask" in away[0].detail and away[0].reason is part
