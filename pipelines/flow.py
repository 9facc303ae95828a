"""The factory as a Prefect flow: the steps of `pipelines.produce` with one task per stage and shard around the work.

Nothing depends on Prefect's memory: what is committed stands in the dataset, results are not persisted, and a
run that was killed goes on from the manifests.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from pipelines.config import DEFAULT_PROFILE, load_profile
from pipelines.job import Job
from pipelines.options import RunOptions, check_options
from pipelines.packages import assert_own_packages
from pipelines.pool import Pool
from pipelines.produce import Run, RunResult, open_run
from pipelines.produce import produce as produce_steps
from pipelines.progress import Silent, Watcher
from pipelines.publish import publish_dataset
from pipelines.steps import Step
from schemas.manifest import ShardManifest


@task(task_run_name="{stage} {shard}", persist_result=False, cache_policy=NO_CACHE, retries=0)
def process(stage: str, shard: int, job: Job, pool: Pool) -> ShardManifest:
    """One stage on one shard, done by a worker process. Prefect sees its name and number."""
    return pool.run(job)


def run_flow(run: Run, pool: Pool, watcher: Watcher) -> RunResult:
    """Runs the steps on an open dataset as one flow run and returns what was done."""
    results: list[RunResult] = []
    threads = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=pool.workers))

    def execute(step: Step, jobs: Sequence[Job]) -> Iterator[ShardManifest]:
        futures = [process.submit(step.name, job.shard, cast(Job, quote(job)), cast(Pool, quote(pool))) for job in jobs]
        yield from (future.result() for future in as_completed(futures))

    @flow(
        name="hopyard",
        flow_run_name=f"produce {run.dataset.root.name}",
        task_runner=threads,
        persist_result=False,
        validate_parameters=False,
    )
    def produce_dataset() -> None:
        results.append(produce_steps(run, execute, watcher))

    produce_dataset()
    return results[0]


@flow(name="produce", persist_result=False, log_prints=False)
def produce(  # noqa: PLR0913 - the parameters of a deployment
    out: str,
    source: str | None = None,
    annotations: str | None = None,
    profile: str = DEFAULT_PROFILE,
    seed: int = 0,
    limit: int | None = None,
    workers: int = 1,
    publish: bool = True,
) -> dict[str, Any]:
    """Produces and publishes a dataset; the entry point of deployments (`prefect.yaml`). Returns what was done."""
    assert_own_packages()
    options = RunOptions(
        out=Path(out),
        config=load_profile(profile),
        source=None if source is None else Path(source),
        annotations=None if annotations is None else Path(annotations),
        seed=seed,
        limit=limit,
        workers=workers,
    )
    watcher = Silent()
    with open_run(options, check_options(options), watcher) as run, Pool(options.out, workers) as pool:
        result = run_flow(run, pool, watcher)
    rows = sum(publish_dataset(options.out).rows.values()) if publish else 0
    done = {"new": result.new, "failed": result.failed, "seconds": result.seconds, "rows": rows}
    return {"dataset": str(result.root), **done}
