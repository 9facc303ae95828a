import gc
from pathlib import Path

from pipelines.pool import Pool


def test_a_pool_of_one_leaves_the_collector_as_it_found_it(tmp_path: Path) -> None:
    before = gc.get_threshold()
    with Pool(tmp_path, 1):
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() != before
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
