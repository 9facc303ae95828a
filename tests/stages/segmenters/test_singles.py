import numpy as np
import pytest

from stages.segmenters.crops import read_single
from stages.segmenters.onnx_graphs import WEIGHTS, open_graphs
from stages.segmenters.protocol import Evidence
from stages.segmenters.singles import SIGNS, chance_of, rival_votes, shrunk, signs_of
from tests.makers import draw_boxes


def pointing(*parts):
    """Returns evidence whose cells in each box (x0, y0, x1, y1 of 64 x 64) point to the box's middle."""
    way, thing = np.zeros((2, 64, 64), np.float32), np.zeros((64, 64), np.float32)
    rows, columns = np.indices((64, 64))
    for x0, y0, x1, y1 in parts:
        inside = np.s_[y0:y1, x0:x1]
        way[0][inside] = ((x0 + x1 - 1) / 2 - columns)[inside]
        way[1][inside] = ((y0 + y1 - 1) / 2 - rows)[inside]
        thing[inside] = 1
    return Evidence(thing, way)


def cells(*parts):
    return draw_boxes(*parts, width=64, height=64)


def test_cells_that_point_to_one_centre_have_no_rivals():
    one = (10, 10, 30, 30)
    assert rival_votes(cells(one), pointing(one)) == 0
    assert rival_votes(cells(), pointing(one)) == 0


def test_the_smaller_of_two_things_in_one_mask_is_the_rival():
    large, small = (10, 10, 30, 30), (30, 15, 36, 21)
    assert rival_votes(cells(large, small), pointing(large, small)) == 36


def test_stray_votes_for_different_places_are_few():
    one, evidence = (10, 10, 30, 30), pointing((10, 10, 30, 30))
    for number, row in enumerate(range(11, 29, 4)):
        evidence.way[0, row, 12] += 10 + 8 * number
    assert rival_votes(cells(one), evidence) == 1


def test_a_mask_becomes_shares_of_cells():
    small = shrunk(draw_boxes((0, 0, 8, 4), width=32, height=16), 4, 4)
    assert small[0, 0] == 1 and small[1, 0] == 0 and small.sum() == 1


def test_every_sign_moves_the_chance_the_way_it_should():
    card = open_graphs(WEIGHTS).card
    usual = dict(zip(SIGNS, (4.0, 0.0, 4.0, 0.8, 4.0), strict=True))

    def chance(**changes):
        return chance_of(tuple((usual | changes).values()), card)

    assert chance(head=-4.0) < chance() and chance(rivals=3.0) < chance() and chance(name=-1.0) < chance()
    assert 0 <= chance(head=-np.inf) < 0.01 and chance(head=np.inf) == pytest.approx(1)


def test_signs_follow_their_names():
    one = (10, 10, 30, 30)
    mask = draw_boxes((80, 80, 240, 240), width=512, height=512)
    head, rivals, size, quality, name = signs_of(mask, pointing(one), 2.5, 0.7, 0.5)
    assert (head, rivals, quality, name) == (2.5, 0.0, 0.7, 0.0) and size == pytest.approx(np.log(401))


def test_weights_without_the_head_say_nothing_of_mergers():
    assert read_single({}, 2) == [np.inf, np.inf]
    assert read_single({"single": np.array([[1.5], [-2.0]], np.float32)}, 2) == [1.5, -2.0]
