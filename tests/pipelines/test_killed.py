"""kill -9 at random moments, then the same command again: the tables of an uninterrupted run."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.config import RunConfig
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from tests.pipelines.tables_of import tables_of
from tests.pipelines.tiny_source import write_source

ROUNDS = 50


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, tiny_config: RunConfig) -> RunOptions:
    folder = tmp_path_factory.mktemp("killed")
    images, annotations = write_source(folder, 6, seed=1)
    synthesize = tiny_config.synthesize.model_copy(update={"per_image": 1})
    config = tiny_config.model_copy(update={"synthesize": synthesize})
    return RunOptions(out=folder / "whole", config=config, source=images, annotations=annotations, shard_size=2)


def nursery(pipe: Connection) -> None:
    """Forks a run per order, from a process that has imported everything and runs no thread."""
    pa.array([0])  # looks for pandas, once for all children
    while True:
        options = pipe.recv()
        child = os.fork()
        if child == 0:
            produce_plain(options)
            os._exit(0)
        pipe.send(child)
        pipe.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@pytest.fixture(scope="module")
def runs() -> Iterator[Connection]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=nursery, args=(there,), daemon=True)
    process.start()
    yield here
    process.kill()
    process.join()
    process.close()


def run_and_kill(runs: Connection, options: RunOptions, delay: float | None) -> int:
    """Returns the exit code of a run that is killed after a delay, unless it ends before."""
    runs.send(options)
    child = runs.recv()
    if not runs.poll(delay):
        os.kill(child, signal.SIGKILL)
    return runs.recv()


@pytest.mark.timeout(400)  # fifty starts of the factory, beside other tests
def test_fifty_kills_change_nothing(small: RunOptions, tmp_path: Path, runs: Connection) -> None:
    assert run_and_kill(runs, small, None) == 0
    whole = tables_of(Dataset(small.out))
    started = time.perf_counter()
    assert run_and_kill(runs, small._replace(out=tmp_path / "timed"), None) == 0
    longest = 0.7 * (time.perf_counter() - started)
    rng = random.Random(2)
    kills = finished = 0
    while kills < ROUNDS:
        options = small._replace(out=tmp_path / f"run-{finished}")
        while code := run_and_kill(runs, options, rng.uniform(0, longest)):
            assert code == -signal.SIGKILL
            kills += 1
        finished += 1
        dataset = Dataset(options.out)
        assert tables_of(dataset) == whole
        assert run_and_kill(runs, options, None) == 0
        assert tables_of(dataset) == whole
        left = {path.relative_to(dataset.root).as_posix() for path in dataset.root.rglob("*.parquet")}
        assert left == {part.path for manifest in dataset.manifests() for part in manifest.parts}
    assert finished >= 3


def test_workers_of_a_killed_run_end_and_spoil_nothing(small: RunOptions, tmp_path: Path) -> None:
    produce_plain(small)
    whole = tables_of(Dataset(small.out))
    options = small._replace(out=tmp_path / "pool", workers=2)
    for delay in (0.5, 1.0, 1.5):
        process = multiprocessing.get_context("spawn").Process(target=produce_plain, args=(options,))
        process.start()
        process.join(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    produce_plain(options._replace(workers=1))
    assert tables_of(Dataset(options.out)) == whole
