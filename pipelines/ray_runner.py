"""Shards on Ray: one actor per worker, which keeps what it has loaded; a job whose worker died goes to another one.

A worker may die at any moment, also between committing a shard and saying so. That is no harm: the job is done again
by whoever gets it next, finds its manifest and returns it.
"""

import logging
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Any

from pipelines.bucket import BucketPath, place
from pipelines.errors import ConservationError, UserError
from pipelines.job import Job
from pipelines.opening import hold_worker_lock
from pipelines.pool import calm_collector
from pipelines.process import process_shard
from pipelines.runners import RunnerChoice
from pipelines.steps import step_named
from schemas.manifest import ShardManifest

STARTS = 3
"""How often a cluster of this machine is tried: Ray gives up after 30 seconds, which is little on a loaded one."""
MOST_DEATHS = 3
"""A job that has taken so many workers with it is not tried again."""


class ShardWorker:
    """One process of the cluster. Models that stages open stay loaded in it."""

    def __init__(self, root: str) -> None:
        calm_collector()
        folder = place(root)
        if isinstance(folder, BucketPath) or folder.is_dir():
            self._lock = hold_worker_lock(folder)

    def process_id(self) -> int:
        """Returns the process on its host."""
        return os.getpid()

    def process(self, job: Job) -> ShardManifest:
        """Returns the committed manifest of a job."""
        return process_shard(job)


class RayRunner:
    """Runs jobs on the actors of a Ray cluster; without an address on one that it starts and ends."""

    def __init__(self, root: Path, workers: int, choice: RunnerChoice) -> None:
        self.workers = workers
        self._root = root
        self._gpus = choice.gpus
        self._ray, was_up = _connect(choice, workers)
        self._lock = threading.Lock()
        self._idle: dict[float, queue.SimpleQueue[Any]] = {}
        self._deaths: dict[str, int] = {}
        self._started: list[Any] = []
        self._was_up = was_up

    def __enter__(self) -> "RayRunner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self._started:
            self._ray.kill(worker)
        if not self._was_up:
            self._ray.shutdown()

    @property
    def deaths(self) -> int:
        """How many workers died under a job."""
        return sum(self._deaths.values())

    def worker_processes(self) -> list[int]:
        """Returns the processes of the workers that are alive, each on its host."""
        found = []
        for worker in list(self._started):
            try:
                found.append(self._ray.get(worker.process_id.remote()))
            except self._ray.exceptions.RayActorError:
                continue
        return found

    def warm(self) -> None:
        """Lets the workers start and import while this process waits for something else."""
        self._workers_with(0.0)

    def run(self, job: Job) -> ShardManifest:
        """Returns the manifest of one job, waiting for it; other threads may do the same.

        Raises:
            UserError: the job's workers died again and again, or the cluster is gone.
        """
        if job.asks:  # the client of the models is in this process
            return process_shard(job)
        gpus = self._gpus if step_named(job.stage, job.config).loads_models else 0.0
        idle = self._workers_with(gpus)
        while True:
            worker = idle.get()
            try:
                manifest = self._ray.get(worker.process.remote(job))
            except self._ray.exceptions.RayActorError as error:
                idle.put(self._start(gpus))
                self._count_death(job, error)
            except self._ray.exceptions.RayTaskError as error:
                idle.put(worker)
                raise _own(error) from error
            except BaseException:
                idle.put(worker)
                raise
            else:
                idle.put(worker)
                assert isinstance(manifest, ShardManifest)
                return manifest

    def run_all(self, jobs: Sequence[Job]) -> Iterator[ShardManifest]:
        """Yields the manifests of the jobs as they are done."""
        with ThreadPoolExecutor(self.workers) as threads:
            futures = [threads.submit(self.run, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _workers_with(self, gpus: float) -> "queue.SimpleQueue[Any]":
        """Returns the idle workers that hold so many GPUs each, having started them on the first call."""
        with self._lock:
            if gpus not in self._idle:
                count = self.workers
                if gpus:
                    offered = self._ray.cluster_resources().get("GPU", 0.0)
                    count = min(self.workers, int(offered / gpus))
                    if count < 1:
                        raise UserError(f"--gpus {gpus:g}: the Ray cluster offers {offered:g} GPUs in all")
                idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
                for _ in range(count):
                    idle.put(self._start(gpus))
                self._idle[gpus] = idle
            return self._idle[gpus]

    def _start(self, gpus: float) -> Any:  # noqa: ANN401 - an actor
        # No CPU is reserved while a worker waits: those with a GPU and those without take turns on the same cores.
        remote = self._ray.remote(num_cpus=0 if gpus else 0.5, num_gpus=gpus, max_concurrency=1)(ShardWorker)
        worker = remote.remote(str(self._root))
        self._started.append(worker)
        return worker

    def _count_death(self, job: Job, error: Exception) -> None:
        with self._lock:
            self._deaths[job.key] = self._deaths.get(job.key, 0) + 1
            deaths = self._deaths[job.key]
        if deaths >= MOST_DEATHS:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{job.stage} on shard {job.shard} took {deaths} Ray workers with it (out of memory?): {reason}; "
                "what was finished is kept: run again, perhaps with a smaller --shard-size"
            ) from error


def _own(error: Any) -> Exception:  # noqa: ANN401 - Ray's wrapper of an exception
    """Returns the exception that was raised in the worker, without Ray's story around it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, (UserError, ConservationError)) else RuntimeError(f"on Ray: {cause or error}")


def _connect(choice: RunnerChoice, workers: int) -> tuple[Any, bool]:
    """Returns the module, and whether this process was connected to a cluster before."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UserError("--runner ray needs the extra ray: pip install 'hopyard[ray]'") from error
    if ray.is_initialized():
        return ray, True
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if choice.address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # of a cluster that only this machine reaches
        os.environ.setdefault("RAY_worker_niceness", "0")  # 15 otherwise: next to nothing on a machine that is busy
        quiet |= {"address": "local", "num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        quiet["address"] = choice.address
    for attempt in range(STARTS):
        try:
            ray.init(**quiet)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, the user's next step is the same
            ray.shutdown()
            if choice.address is None and attempt < STARTS - 1:
                continue
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"cannot reach Ray at {choice.address or 'this machine'}: {reason}") from error
        break
    return ray, False
