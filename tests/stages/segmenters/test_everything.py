import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.segmenters.components import largest_component
from stages.segmenters.everything import GridConfig, Probe, find_everything, without_copies
from stages.segmenters.protocol import Found, stability_of, to_pixels
from tests.stages.segmenters.drawn import boxed

SIDE = 64
GRID = GridConfig(sides=(4, 16), batch=8)


def scene_of(*boxes):
    """Returns ids ``(64, 64)`` of boxes; 0 is the ground."""
    ids = np.zeros((SIDE, SIDE), dtype=int)
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        ids[y0:y1, x0:x1] = number
    return ids


def decoder_of(ids, asked):
    """Returns a decoder that answers with the thing at the point, and with nothing sure on the ground."""

    def decode(points):
        asked.extend(points.tolist())
        at = ids[(points[:, 1] * SIDE).astype(int), (points[:, 0] * SIDE).astype(int)]
        logits = np.where(ids[None] == at[:, None, None], 9.0, -9.0).astype(np.float32)[:, None]
        return logits, np.where(at > 0, 0.95, 0.1).astype(np.float32)[:, None]

    return decode


def test_each_thing_is_found_once_and_covered_points_are_not_asked_about():
    ids = scene_of((0, 0, 30, 30), (34, 4, 60, 40), (10, 50, 14, 54))
    asked = []
    found = find_everything(Probe(decoder_of(ids, asked)), GRID)
    assert {int(ids[one.cells].max()) for one in found} == {1, 2, 3} and len(found) == 3
    assert len(asked) < 16 + 256 - 60


def test_the_ground_is_not_asked_about_where_the_model_knows_it():
    ids, asked = scene_of((0, 0, 30, 30), (10, 50, 14, 54)), []
    thing = (ids > 0).astype(np.float32)
    assert len(find_everything(Probe(decoder_of(ids, asked), thing), GRID)) == 2
    assert len(asked) < 12


def test_what_is_not_good_enough_is_left_out():
    asked = []
    assert (
        find_everything(
            Probe(decoder_of(scene_of((0, 0, 30, 30)), asked)), GRID.model_copy(update={"min_quality": 0.99})
        )
        == []
    )
    assert len(asked) == 16 + 256


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4), max_size=8))
def test_without_copies_no_two_overlap_much_and_doing_it_again_changes_nothing(corners):
    found = [boxed(x, y, x + w + 1, y + h + 1, 0.5 + 0.01 * i) for i, (x, y, w, h) in enumerate(corners)]
    kept = without_copies(found, 0.7)
    for i, one in enumerate(kept):
        for other in kept[:i]:
            assert (one.cells & other.cells).sum() <= 0.7 * (one.cells | other.cells).sum()
    again = without_copies(kept, 0.7)
    assert [id(one.logits) for one in again] == [id(one.logits) for one in kept]


def test_a_mask_on_a_grid_of_the_pictures_size_is_that_mask():
    mask = np.random.default_rng(0).random((20, 30)) > 0.5
    found = Found(np.where(mask, 3, -3).astype(np.float32), (30.0, 20.0), 1.0, 1.0)
    assert (to_pixels(found, 20, 30) == mask).all()


def test_padding_of_the_grid_is_no_part_of_the_picture():
    logits = np.full((8, 8), -5, dtype=np.float32)
    logits[:4, :4] = 5
    mask = to_pixels(Found(logits, (8.0, 4.0), 1.0, 1.0), 40, 80)
    assert mask[:, :38].all() and not mask[:, 42:].any()


def test_stability_compares_a_higher_with_a_lower_threshold():
    sure, vague = np.full((1, 4, 4), 9.0, np.float32), np.full((1, 4, 4), 0.5, np.float32)
    assert stability_of(sure)[0] == 1 and stability_of(vague)[0] == 0
    assert stability_of(np.full((1, 4, 4), -9.0, np.float32))[0] == 0


def flood(mask):
    """Returns the largest 4-connected piece, by filling from each pixel."""
    left, best = {tuple(map(int, at)) for at in np.argwhere(mask)}, set()
    while left:
        start = min(left)
        piece, edge = {start}, [start]
        while edge:
            y, x = edge.pop()
            near = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left - piece
            piece |= near
            edge += near
        left -= piece
        best = max(best, piece, key=len)
    out = np.zeros_like(mask)
    for y, x in best:
        out[y, x] = True
    return out


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_largest_piece_is_what_filling_finds(mask):
    found = largest_component(mask)
    assert found.sum() == flood(mask).sum()
    assert (found <= mask).all() and (flood(found) == found).all()


def test_points_that_come_first_are_asked_first_and_spare_the_grids():
    ids, asked = scene_of((0, 0, 30, 30), (34, 4, 60, 40)), []
    first = np.array([[0.2, 0.2], [0.7, 0.3]])
    thing = (ids > 0).astype(np.float32)
    assert len(find_everything(Probe(decoder_of(ids, asked), thing, first=first), GRID)) == 2
    assert asked == first.tolist()


def test_of_rivals_only_the_better_stays_and_parts_stay_where_they_may():
    whole, part, other = boxed(0, 0, 40, 20), boxed(0, 0, 20, 20), boxed(50, 50, 60, 60)
    found = [one._replace(quality=quality) for one, quality in ((whole, 0.7), (part, 0.9), (other, 0.8))]
    assert len(without_copies(found, 0.7)) == 3
    assert [one.quality for one in without_copies(found, 0.7, rival_share=0.6)] == [0.9, 0.8]
