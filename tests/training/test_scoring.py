import math

import numpy as np
import pytest

from training.scoring import Said, SceneScore, innermost, match, reliability, score_scenes, summarise


def rectangle(x0, y0, x1, y1):
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def test_each_mask_belongs_to_one_thing_at_most_and_the_best_pair_comes_first():
    things = [rectangle(0, 0, 8, 8), rectangle(0, 0, 8, 10)]
    found = [rectangle(0, 0, 8, 10), rectangle(12, 12, 20, 20)]
    assert match(things, found) == [(1, 0, 1.0)]


def test_an_overlap_below_one_half_is_no_match():
    assert match([rectangle(0, 0, 10, 10)], [rectangle(0, 0, 10, 21)[:20]]) == [(0, 0, 0.5)]
    assert match([rectangle(0, 0, 10, 9)], [rectangle(0, 0, 10, 20)]) == []
    assert match([], [rectangle(0, 0, 2, 2)]) == []


def test_the_innermost_pixel_of_a_ring_lies_in_the_ring():
    ring = rectangle(2, 2, 18, 18) & ~rectangle(6, 6, 14, 14)
    x, y = innermost(ring)
    assert ring[int(y), int(x)]


def test_recall_counts_things_and_precision_counts_masks():
    right, wrong = Said("category", True, 0.9), Said("colour", False, 0.6)
    one = SceneScore((1.0, 0.5), (0.8, 0.4), (2000, 100), (0.9, 0.0), 1, ((right,),))
    two = SceneScore((0.75,), (0.75,), (500,), (0.6,), 3, ((right, wrong),))
    told = summarise([one, two])
    assert told["recall_50"] == pytest.approx(2 / 3, abs=1e-4)
    assert told["precision_50"] == 0.5
    assert told["recall_75"] == pytest.approx(1 / 3, abs=1e-4)
    assert told["box_miou"] == 0.75
    assert told["box_miou_small"] == pytest.approx(0.625)
    assert told["crops"] == {"category": 1.0, "colour": 0.0}
    assert told["crops_all"] == 0.5
    assert told["exact_count"] == 0.0


def test_reliability_counts_every_reading_once():
    said = [Said("colour", index % 4 > 0, index / 40) for index in range(41)]
    rows = reliability(said, (0.0, 0.5, 1.0))
    assert [row["readings"] for row in rows] == [20, 21]
    assert all(
        math.isclose(row["right"], sum(one.is_right for one in part) / len(part), abs_tol=1e-4)
        for row, part in zip(rows, (said[:20], said[20:]), strict=True)
    )


def test_the_shipped_weights_see_a_scene_they_never_saw():
    told = summarise(score_scenes("report", range(2)))
    assert told["box_miou"] > 0.8
    assert told["recall_50"] > 0.6
    assert told["precision_50"] > 0.7
