"""What the scene index works out for whole scenes at once is what its definitions say of each pair."""

import math

import pytest

from stages.scene_index import SceneIndex
from stages.terms import Key, Relation
from tests.layouts import random_scene

SCENES = (random_scene("alone", 1, 1), random_scene("index few", 5, 8), random_scene("index many", 36, 40))
INDICES = tuple(SceneIndex(scene) for scene in SCENES)
EVERY = pytest.mark.parametrize("index", INDICES, ids=[f"{index.n} things" for index in INDICES])


def gap_of(index: SceneIndex, a: int, b: int) -> float:
    """Empty distance between two boxes in diagonals."""
    one, other = index.boxes[a], index.boxes[b]
    dx = max(one[0] - other[2], other[0] - one[2], 0.0)
    dy = max(one[1] - other[3], other[1] - one[3], 0.0)
    return math.hypot(dx, dy) / index.diagonal


def test_one_of_the_scenes_has_more_things_than_are_worked_out_together() -> None:
    assert INDICES[0].n == 1 and INDICES[-1].n > 32


@EVERY
def test_near_leads_and_orders_follow_from_distances(index: SceneIndex) -> None:
    limits = index.margins
    for x in range(index.n):
        far = [
            math.hypot(index.cx[x] - index.cx[a], index.cy[x] - index.cy[a]) / index.diagonal for a in range(index.n)
        ]
        others = [a for a in range(index.n) if a != x]
        assert index.near_orders[x] == sorted(others, key=lambda a: index.squared_distances[x][a])
        for a in others:
            for b in others:
                by_ratio = (far[b] / far[a] - 1) / (limits.near_ratio - 1)
                by_box = (gap_of(index, x, b) - gap_of(index, x, a)) / limits.near_gap
                least = min(by_ratio, (far[b] - far[a]) / limits.near_gap, by_box)
                assert index.near_leads(x)[a][b] == pytest.approx(least, abs=1e-9)


@EVERY
def test_relations_follow_from_one_coordinate_and_opposites_are_as_clear(index: SceneIndex) -> None:
    depths = [depth or 0.0 for depth in index.depths]
    for relation, opposite, values in (
        (Relation.LEFT, Relation.RIGHT, index.cx),
        (Relation.ABOVE, Relation.BELOW, index.cy),
        (Relation.FRONT, Relation.BEHIND, depths),
    ):
        for a in range(index.n):
            others = [b for b in range(index.n) if b != a]
            assert index.related(relation)[a] == sum(1 << b for b in others if values[b] < values[a])
            assert index.related(opposite)[a] == sum(1 << b for b in others if values[b] > values[a])
            doubtful = sum(1 << b for b in others if index.relation_margins(relation)[a][b] < 1)
            assert index.unclear(relation)[a] == index.unclear(opposite)[a] == doubtful


def test_a_thing_of_unknown_depth_is_neither_in_front_nor_behind() -> None:
    scene = SCENES[1]
    unknown = scene.instances[0].model_copy(update={"depth": None})
    index = SceneIndex(scene.model_copy(update={"instances": (unknown, *scene.instances[1:])}))
    for relation in (Relation.FRONT, Relation.BEHIND):
        assert index.related(relation)[0] == 0
        assert not any(row & 1 for row in index.related(relation))
        assert index.unclear(relation)[0] == index.everything & ~1


@EVERY
def test_key_values_sort_as_the_keys_say(index: SceneIndex) -> None:
    for key in Key:
        values = index.key_values(key)
        assert [values[i] for i in index.order(key)] == sorted(values)
        assert index.key_values(key) is values
