"""The whole factory, without Prefect: open the dataset, list the source, run the steps one after the other, check.

`pipelines.flow.produce` is the same list with a Prefect task around each job.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipelines.asking import use_models
from pipelines.catalog_file import refresh_catalog
from pipelines.config import RunConfig
from pipelines.dataset_info import DatasetInfo
from pipelines.errors import ConservationError
from pipelines.job import Job
from pipelines.lease import check_lease
from pipelines.ledger import check_run
from pipelines.listing import LIST, Listed, commit_listing, list_files, plan_listing
from pipelines.model_choice import open_models
from pipelines.opening import open_for_run
from pipelines.options import Asked, RunOptions, check_options
from pipelines.people.tables import STAGE as PEOPLE
from pipelines.progress import Silent, Watcher
from pipelines.run_log import logged_run
from pipelines.runners import open_runner
from pipelines.scene_source import render_once
from pipelines.steps import Committed, Step, plan_jobs, source_folder, steps_of
from pipelines.store import Dataset
from schemas.manifest import ShardManifest

Execute = Callable[[Step, Sequence[Job]], Iterator[ShardManifest]]
"""Does jobs of one step, in any order and anywhere, and yields their manifests as they are committed."""


class Run(NamedTuple):
    """A dataset that is open for writing, and what to make of which source."""

    dataset: Dataset
    info: DatasetInfo
    files: Sequence[Listed]
    config: RunConfig
    flow_run: str | None = None
    """Id of the run on a Prefect server."""


class RunResult(NamedTuple):
    """What a run did."""

    root: Path
    manifests: tuple[ShardManifest, ...]
    """Of all steps, also those that were committed before."""
    new: int
    """Manifests that this run committed; 0 for a dataset that was finished already."""
    seconds: float

    @property
    def failed(self) -> int:
        """Records that met an unexpected exception."""
        return sum(manifest.failed for manifest in self.manifests)


def produce_plain(options: RunOptions, watcher: Watcher | None = None) -> RunResult:
    """Runs the whole factory and returns what was done.

    Raises:
        UserError: the options, the source or the output folder cannot be used.
        ConservationError: records were lost or invented.
    """
    watcher = watcher or Silent()
    asked = check_options(options)
    with (
        open_run(options, asked, watcher) as run,
        open_runner(options.runner, run.dataset.root, options.workers) as runner,
    ):
        return produce(run, lambda _, jobs: runner.run_all(jobs), watcher)


@contextmanager
def open_run(options: RunOptions, asked: Asked, watcher: Watcher) -> Iterator[Run]:
    """Gives the dataset of the options, for this process alone, with its scenes rendered where it needs them."""
    with open_for_run(options.out, asked.info) as dataset:
        files = asked.files
        if asked.info.scene_count is not None:
            render_once(dataset, asked.info, options.config, options.workers, watcher)
            files = list_files(source_folder(dataset.root, asked.info), None)
        models = open_models(dataset, asked.info, options.config, options.budget)
        with use_models(dataset.root, models):
            yield Run(dataset, asked.info, files, options.config)


def produce(run: Run, execute: Execute, watcher: Watcher) -> RunResult:
    """Runs the steps of the factory on an open dataset; what is committed already is not done again."""
    started = time.perf_counter()
    committed, new = Committed(), 0
    follow = run.info.follows
    listing = plan_listing(run.dataset, run.files, run.info.shard_size, follow)
    committed.add([commit_listing(run.dataset, listing, follow)])
    committed.offer(run.dataset.manifests(PEOPLE))
    with logged_run(run.dataset, watcher, run.flow_run) as watcher:
        for step in steps_of(run.config):
            jobs = plan_jobs(step, run.dataset.root, run.info, run.config, committed)
            standing = _standing(run.dataset, step, jobs)
            pending = [job for job in jobs if job.shard not in standing]
            watcher.begin(step.name, len(jobs), len(standing))
            for manifest in execute(step, pending):
                check_lease(run.dataset.root)
                standing[manifest.shard] = manifest
                watcher.advance(manifest)
            watcher.end()
            new += len(pending)
            committed.add(standing[job.shard] for job in jobs)
    if new:
        refresh_catalog(run.dataset)
    problems = check_run(committed.manifests)
    if problems:
        raise ConservationError("; ".join(problems))
    return RunResult(run.dataset.root, tuple(committed.manifests), new, time.perf_counter() - started)


def is_finished(run: Run) -> bool:
    """Returns whether every job is committed already, so that producing would do nothing. Changes nothing.

    Raises:
        UserError: the source folder is not what it was when the dataset was begun.
    """
    committed = Committed()
    follow = run.info.follows
    listing = plan_listing(run.dataset, run.files, run.info.shard_size, follow)
    if follow and [manifest.key for manifest in run.dataset.manifests(LIST)] != [listing.key]:
        return False
    committed.add([commit_listing(run.dataset, listing)])
    committed.offer(run.dataset.manifests(PEOPLE))
    for step in steps_of(run.config):
        jobs = plan_jobs(step, run.dataset.root, run.info, run.config, committed)
        standing = {manifest.key: manifest for manifest in run.dataset.manifests(step.name) if not manifest.failures}
        if any(job.key not in standing for job in jobs):
            return False
        committed.add(standing[job.key] for job in jobs)
    return True


def _standing(dataset: Dataset, step: Step, jobs: Sequence[Job]) -> dict[int, ShardManifest]:
    """Returns the committed manifests of the jobs by shard; takes back what is no longer wanted or had failures.

    A manifest is no longer wanted when its input has changed: records that failed in an earlier run have succeeded now.
    """
    wanted = {job.shard: job.key for job in jobs}
    standing = {}
    for manifest in dataset.manifests(step.name):
        if wanted.get(manifest.shard) == manifest.key and not manifest.failures:
            standing[manifest.shard] = manifest
        else:
            dataset.retract(manifest)
    return standing
