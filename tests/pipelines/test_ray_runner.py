"""Shards on a real Ray cluster of this machine: a worker is killed, and the rows are those of a plain run."""

import os
import signal
from collections.abc import Iterator

import pytest

from pipelines.errors import UserError
from pipelines.job import Job
from pipelines.options import RunOptions
from pipelines.produce import produce, produce_plain
from pipelines.progress import Silent
from pipelines.run_kinds import RunnerKind
from pipelines.runners import RunnerChoice, open_runner
from pipelines.store import Dataset
from schemas.manifest import ShardManifest
from tests.pipelines.tables_of import tables_of

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster that stays up for the module: two CPUs, and one GPU that exists on paper only."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    yield
    ray.shutdown()


def test_two_workers_and_one_killed_give_the_rows_of_a_plain_run(
    cluster: None, tiny_options: RunOptions, finished: Dataset
) -> None:
    from pipelines.options import check_options
    from pipelines.produce import open_run

    options = tiny_options._replace(shard_size=3, workers=2)
    victims: list[int] = []
    with (
        open_run(options, check_options(options), Silent()) as run,
        open_runner(RunnerChoice(RunnerKind.RAY, gpus=1.0), run.dataset.root, 2) as runner,
    ):

        def execute(step: object, jobs: list[Job]) -> Iterator[ShardManifest]:
            for manifest in runner.run_all(jobs):
                if manifest.stage == "synthesize" and not victims:
                    victims.append(runner.worker_processes()[0])
                    os.kill(victims[0], signal.SIGKILL)
                yield manifest

        result = produce(run, execute, Silent())
        assert runner.deaths == 1
        assert victims[0] not in runner.worker_processes()
    assert result.failed == 0
    assert tables_of(Dataset(options.out)) == tables_of(finished)


def test_a_mistake_on_ray_is_the_users_mistake(cluster: None, tiny_options: RunOptions, tmp_path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"images": [{"id": 1, "file_name": "x.png"}], "categories": [{"id": 1, "name": "cup"}]}')
    choice = RunnerChoice(RunnerKind.RAY)
    with pytest.raises(UserError, match="none of the 1 images"):
        produce_plain(tiny_options._replace(annotations=other, runner=choice))
    with pytest.raises(UserError, match="offers . GPUs in all"):
        produce_plain(tiny_options._replace(runner=choice._replace(gpus=64.0), out=tmp_path / "gpus"))


def test_an_address_where_nobody_is_and_options_that_do_not_go_together(tmp_path) -> None:
    with pytest.raises(UserError, match="--address and --gpus go with --runner ray"):
        open_runner(RunnerChoice(RunnerKind.PROCESSES, address="somewhere:1"), tmp_path, 2)
