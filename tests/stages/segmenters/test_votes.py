import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.segmenters.protocol import Evidence
from stages.segmenters.votes import agreement_of, thing_points


def evidence_of(masks):
    """What a perfect encoder would say of disjoint masks on a 64 x 64 grid."""
    thing, way = np.zeros((64, 64), np.float32), np.zeros((2, 64, 64), np.float32)
    for mask in masks:
        rows, columns = np.nonzero(mask)
        thing[mask] = 1
        way[0][mask], way[1][mask] = columns.mean() - columns, rows.mean() - rows
    return Evidence(thing, way)


def block(left, top, width, height):
    mask = np.zeros((64, 64), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def hit(mask, points):
    return [bool(mask[int(y * 64), int(x * 64)]) for x, y in points]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(3, 20), st.integers(3, 20))
def test_one_thing_gets_one_point_on_it(left, top, width, height):
    mask = block(left, top, width, height)
    assert hit(mask, thing_points(evidence_of([mask]))) == [True]


def test_things_that_touch_get_a_point_each():
    masks = [block(10, 10, 12, 20), block(22, 10, 12, 20), block(10, 30, 24, 10)]
    points = thing_points(evidence_of(masks))
    assert len(points) == 3
    assert all(sum(hit(mask, points)) == 1 for mask in masks)


def test_the_point_of_a_ring_lies_on_the_ring():
    ring = block(10, 10, 20, 20) & ~block(15, 15, 10, 10)
    points = thing_points(evidence_of([ring]))
    assert hit(ring, points) == [True]


def test_the_most_votes_come_first_and_a_speck_has_too_few():
    large, small, speck = block(5, 5, 20, 20), block(40, 40, 5, 5), block(50, 5, 2, 2)
    points = thing_points(evidence_of([small, large, speck]))
    assert len(points) == 2
    assert hit(large, points) == [True, False]


def test_the_ground_votes_for_nothing():
    assert thing_points(evidence_of([])).shape == (0, 2)


def logits_of(*masks):
    return np.stack([np.where(np.kron(mask, np.ones((2, 2), np.bool_)), 5.0, -5.0) for mask in masks]).astype(
        np.float32
    )


@given(st.integers(4, 20), st.integers(4, 20), st.integers(4, 20))
def test_the_cells_of_a_thing_agree_and_those_of_two_taken_for_one_do_not(width, other, height):
    one, two = block(5, 10, width, height), block(5 + width, 10, other, height)
    alone, merged = agreement_of(logits_of(one, one | two), evidence_of([one, two]))
    assert alone == 1
    apart = (width + other) / 2
    if min(width, other) * 3 > max(width, other) and apart > 2 * (1.5 + 0.2 * np.sqrt((width + other) * height)):
        assert merged < 0.8


def test_an_empty_mask_agrees_with_itself():
    assert agreement_of(logits_of(block(0, 0, 0, 0)), evidence_of([])).tolist() == [1]
