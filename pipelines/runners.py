"""Where shards are worked on: in this process, in processes of this machine, or on Ray. The work is the same."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from pipelines.errors import UserError
from pipelines.job import Job
from pipelines.pool import Pool
from pipelines.run_kinds import RunnerKind
from schemas.manifest import ShardManifest


class RunnerChoice(NamedTuple):
    """Which runner, and where. None of it changes a row."""

    kind: RunnerKind | None = None
    """None takes processes for several workers, this process for one."""
    address: str | None = None
    """Of a Ray cluster (``ray://host:10001``, ``host:6379``, ``auto``); None starts one on this machine."""
    gpus: float = 0.0
    """GPUs that Ray gives to each worker of a stage that holds a model; fractions share one."""


class Runner(Protocol):
    """Does jobs, in any order and anywhere."""

    workers: int
    """How many jobs at a time."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def warm(self) -> None: ...

    def run(self, job: Job) -> ShardManifest: ...

    def run_all(self, jobs: Sequence[Job]) -> Iterator[ShardManifest]: ...


def open_runner(choice: RunnerChoice, root: Path, workers: int) -> Runner:
    """Returns the runner that was chosen.

    Raises:
        UserError: the choice contradicts itself, or Ray is not installed or not there.
    """
    kind = choice.kind or (RunnerKind.PROCESSES if workers > 1 else RunnerKind.LOCAL)
    if kind is RunnerKind.RAY:
        from pipelines.ray_runner import RayRunner

        return RayRunner(root, workers, choice)
    if choice.address is not None or choice.gpus:
        raise UserError(f"--address and --gpus go with --runner ray, not with {kind.value}")
    return Pool(root, 1 if kind is RunnerKind.LOCAL else max(workers, 1), in_process=kind is RunnerKind.LOCAL)
