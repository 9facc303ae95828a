import numpy as np

from stages.segmenters.asking_again import PLACES, agreement_of, places_of
from tests.makers import draw_boxes
from tests.stages.segmenters.drawn import boxed


class Answering:
    """A segmenter that answers with the box a point lies in, on a 64 x 64 picture."""

    name, understands = "boxes/1@test", frozenset({"points"})

    def __init__(self, *boxes):
        self.boxes = boxes

    def find(self, pictures, prompts):
        return [[self.answer(*point) for point in prompts[0].points]]

    def answer(self, x, y):
        return next(boxed(*box) for box in self.boxes if box[0] <= x < box[2] and box[1] <= y < box[3])


PICTURE = np.zeros((64, 64, 3), np.uint8)


def mask(*box):
    return draw_boxes(box, width=64, height=64)


def test_a_thing_answers_with_itself_from_every_place():
    assert agreement_of(PICTURE, [mask(8, 8, 40, 40)], Answering((8, 8, 40, 40))) == [1.0]


def test_two_things_taken_for_one_are_found_out():
    merged = agreement_of(PICTURE, [mask(8, 8, 56, 24)], Answering((8, 8, 40, 24), (40, 8, 56, 24)))
    assert merged[0] < 0.4


def test_places_lie_inside_the_mask_and_apart():
    places = places_of(mask(8, 8, 40, 40))
    assert places.shape == (PLACES, 2) and len(np.unique(places, axis=0)) == PLACES
    assert ((places > 8) & (places < 40)).all()
    assert places_of(mask(3, 3, 4, 4)).tolist() == [[3.5, 3.5]] * PLACES


def test_no_masks_need_no_answers():
    assert agreement_of(PICTURE, [], Answering()) == []
