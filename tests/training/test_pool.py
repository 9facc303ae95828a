import numpy as np
import pytest

from stages.rendering.config import RenderConfig
from training.pool import Pool, draw_scene, fill_pool, write_shard

SMALL = RenderConfig(width=256, height=192, oversampling=1, max_things=4)


def test_a_scene_of_a_split_is_always_the_same_and_no_other_splits():
    one, again, other = (draw_scene(split, 0, SMALL) for split in ("train", "train", "report"))
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.ids, again.ids)
    assert not np.array_equal(one.image, other.image)


def test_ids_and_facts_belong_together():
    scene = draw_scene("train", 1, SMALL)
    assert set(np.unique(scene.ids)) == set(range(len(scene.things) + 1))
    assert all(thing["visible_fraction"] >= SMALL.min_visible for thing in scene.things)


def test_a_shard_is_read_back_and_an_unfinished_one_is_not_seen(tmp_path):
    scenes = [draw_scene("train", number, SMALL) for number in range(2)]
    write_shard(tmp_path, "train", 0, scenes)
    pool = Pool(tmp_path, "train")
    assert len(pool) == 2
    for stored, drawn in zip((pool[0], pool[1]), scenes, strict=True):
        assert np.array_equal(stored.image, drawn.image)
        assert np.array_equal(stored.ids, drawn.ids)
        assert list(stored.things) == list(drawn.things)
    write_shard(tmp_path, "train", 1, scenes)
    (tmp_path / "train-00001.things.json").unlink()
    pool.refresh()
    assert len(pool) == 2


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split 'test' is none of train, calibrate, report"):
        fill_pool(tmp_path, "test", 0, 1)
