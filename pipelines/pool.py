"""Where jobs run: this process, or a pool of worker processes that end with it, however it ends."""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from pathlib import Path
from types import TracebackType

from pipelines.errors import UserError
from pipelines.job import Job
from pipelines.opening import hold_worker_lock
from pipelines.process import process_shard
from schemas.manifest import ShardManifest

ASKING_AT_ONCE = 4
"""Shards that ask models at the same time."""


class Pool:
    """Runs jobs on a number of worker processes; with one, in this process."""

    def __init__(self, root: Path, workers: int, in_process: bool | None = None) -> None:
        self.workers = workers
        in_process = workers <= 1 if in_process is None else in_process
        self._executor: ProcessPoolExecutor | None = None
        self._thresholds = gc.get_threshold()
        if in_process:
            calm_collector()
        else:
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")  # it tidies up after Ctrl-C, and says so
            self._executor = ProcessPoolExecutor(workers, worker_context(), _start_worker, (root,))

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._executor is None:
            gc.unfreeze()  # this process goes on: what was frozen may be garbage by then, and C extensions count leaks
            gc.set_threshold(*self._thresholds)
        else:
            self._executor.shutdown(wait=kind is not KeyboardInterrupt, cancel_futures=True)

    def warm(self) -> None:
        """Lets the workers start and import while this process waits for something else."""
        if self._executor is not None:
            for _ in range(self.workers):
                self._executor.submit(int)

    def run(self, job: Job) -> ShardManifest:
        """Returns the manifest of one job, waiting for it.

        Raises:
            UserError: the worker process died.
        """
        if self._executor is None or job.asks:
            return process_shard(job)
        return _result(self._executor.submit(process_shard, job))

    def run_all(self, jobs: Sequence[Job]) -> Iterator[ShardManifest]:
        """Yields the manifests of the jobs as they are done."""
        if self._executor is None:
            yield from map(process_shard, jobs)
            return
        if jobs and jobs[0].asks:  # here is the client; threads, because asking is waiting
            with ThreadPoolExecutor(min(ASKING_AT_ONCE, len(jobs))) as threads:
                yield from (
                    future.result() for future in as_completed([threads.submit(process_shard, job) for job in jobs])
                )
            return
        for future in as_completed([self._executor.submit(process_shard, job) for job in jobs]):
            yield _result(future)


def _result(future: "Future[ShardManifest]") -> ShardManifest:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process died (out of memory?); what was finished is kept: run again, perhaps with fewer --workers"
        ) from error


def worker_context() -> BaseContext:
    """Returns a start method that copies neither threads nor locks of this process."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def calm_collector() -> None:
    """Makes the cyclic garbage collector run rarely: stages make many small tuples that hold no cycles."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _start_worker(root: Path) -> None:
    """Prepares a worker: Ctrl-C is for the parent to handle, and when the parent is gone so is the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calm_collector()
    hold_worker_lock(root)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
