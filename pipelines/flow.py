"""The factory as a Prefect flow: the steps of `pipelines.produce` with one task per stage and shard around the work.

Nothing depends on Prefect's memory: what is committed stands in the dataset, results are not persisted, and a
run that was killed goes on from the manifests.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from pipelines.artifacts import ProgressArtifact, tell_crash, tell_result
from pipelines.bucket import place
from pipelines.config import DEFAULT_PROFILE, load_profile
from pipelines.job import Job
from pipelines.options import RunOptions, check_options
from pipelines.packages import assert_own_packages
from pipelines.produce import Run, RunResult, open_run
from pipelines.produce import produce as produce_steps
from pipelines.progress import Several, Silent, Watcher
from pipelines.publish import publish_dataset
from pipelines.run_kinds import RunnerKind
from pipelines.run_log import read_runs
from pipelines.runners import Runner, RunnerChoice, open_runner
from pipelines.segmenter_option import with_segmenter
from pipelines.server_watch import end_with_server, server_is_there, working
from pipelines.settings import settings
from pipelines.steps import Step
from schemas.manifest import ShardManifest

AHEAD = 4
"""Tasks that are with Prefect at a time, per worker: enough that no worker waits, so few that memory stays flat."""


@task(task_run_name="{stage} {shard}", persist_result=False, cache_policy=NO_CACHE, retries=0)
def process(stage: str, shard: int, job: Job, runner: Runner) -> ShardManifest:
    """One stage on one shard, done by a worker. Prefect sees its name and number."""
    return runner.run(job)


@dataclass
class _End:
    """How the work ended, whatever became of the flow around it."""

    result: RunResult | None = None
    error: Exception | None = None


def run_flow(run: Run, runner: Runner, watcher: Watcher) -> RunResult:
    """Runs the steps on an open dataset as one flow run and returns what was done.

    Where the server goes away meanwhile the work is done all the same, and the watcher hears of it.
    """
    end = _End()
    threads = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=runner.workers))

    def execute(step: Step, jobs: Sequence[Job]) -> Iterator[ShardManifest]:
        waiting: deque[PrefectFuture[ShardManifest]] = deque()
        for job in jobs:
            if len(waiting) >= AHEAD * runner.workers:
                yield waiting.popleft().result()
            waiting.append(process.submit(step.name, job.shard, cast(Job, quote(job)), cast(Runner, quote(runner))))
        while waiting:
            yield waiting.popleft().result()

    @flow(
        name="hopyard",
        flow_run_name=f"produce {run.dataset.root.name}",
        task_runner=threads,
        persist_result=False,
        validate_parameters=False,
    )
    def produce_dataset() -> None:
        context = FlowRunContext.get()
        flow_run = None if context is None or context.flow_run is None else str(context.flow_run.id)
        for record in read_runs(run.dataset.root):
            tell_crash(run.dataset.root, record)
        progress = ProgressArtifact(run.dataset.root)
        try:
            with working():
                end.result = produce_steps(run._replace(flow_run=flow_run), execute, Several((watcher, progress)))
        except Exception as error:
            end.error = error
            raise
        tell_result(end.result)

    try:
        produce_dataset()
    except Exception as error:  # noqa: BLE001 - whatever Prefect raises; what is no want of a server is raised again
        _forgive(error, end, watcher)
    if end.result is not None:
        return end.result
    with working():
        return produce_steps(run, lambda _, jobs: runner.run_all(jobs), watcher)


def _forgive(error: Exception, end: _End, watcher: Watcher) -> None:
    """Says that the server could not be told how the work ended, or that the work goes on without it.

    Raises:
        Exception: what the work raised, or what Prefect raised before it although its server is there.
    """
    if end.error is not None:
        raise end.error  # and not that the server could not be told of it
    if end.result is None and server_is_there():
        raise error
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if end.result is None:
        watcher.say(f"the Prefect server is gone ({reason}); going on without it")
    else:
        watcher.say(f"the run is done, but the Prefect server could not be told ({reason})")


@flow(name="produce", flow_run_name="produce {out}", persist_result=False, log_prints=False)
def produce(  # noqa: PLR0913 - the parameters of a deployment
    out: str,
    source: str | None = None,
    annotations: str | None = None,
    profile: str = DEFAULT_PROFILE,
    seed: int = 0,
    limit: int | None = None,
    workers: int = 1,
    publish: bool = True,
    follow: bool = False,
    settle: float = 0.0,
    runner: str | None = None,
    address: str | None = None,
    gpus: float = 0.0,
) -> dict[str, Any]:
    """Produces and publishes a dataset; the entry point of deployments (`prefect.yaml`). Returns what was done.

    With ``follow`` the source may change between runs, and only what is new or other is worked on.
    """
    assert_own_packages()
    options = RunOptions(
        out=place(out),
        config=with_segmenter(load_profile(profile), None, None, annotations is not None),
        source=None if source is None else place(source),
        annotations=None if annotations is None else place(annotations),
        seed=seed,
        limit=limit,
        workers=workers,
        runner=RunnerChoice(None if runner is None else RunnerKind(runner), address, gpus),
        follow=follow,
        settle=settle,
    )
    watcher = Silent()
    with (
        open_run(options, check_options(options), watcher) as run,
        open_runner(options.runner, run.dataset.root, workers) as opened,
    ):
        result = run_flow(run, opened, watcher)
    with working():
        rows = sum(publish_dataset(options.out).rows.values()) if publish else 0
    done = {"new": result.new, "failed": result.failed, "seconds": result.seconds, "rows": rows}
    return {"dataset": str(result.root), **done}


if os.environ.get("PREFECT__FLOW_RUN_ID") and PREFECT_API_URL.value():  # this process exists to run a deployment
    end_with_server(PREFECT_API_URL.value(), settings().server_patience)
