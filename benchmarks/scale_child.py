"""The process that `benchmarks.scale` looks at: produces a dataset and prints what that took as JSON."""

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.memory_child import SECTIONS, peak_bytes
from pipelines import pool, process
from pipelines.config import parse_config
from pipelines.job import Job
from pipelines.options import RunOptions, check_options
from pipelines.prefect_server import prefect_api
from pipelines.produce import open_run, produce
from pipelines.progress import Silent
from pipelines.runners import RunnerChoice, open_runner
from schemas.manifest import ShardManifest


class Stopwatch:
    """Adds up the processor seconds that are spent inside the work."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def process_shard(self, job: Job) -> ShardManifest:
        """Does the job; only one at a time, since the thread's clock is not the process's."""
        started = time.thread_time()
        manifest = process.process_shard(job)
        self.seconds += time.thread_time() - started
        return manifest


class Peaks(Silent):
    """Watches how much memory each step has resident at most; in one figure where the kernel cannot begin anew."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self._stage = ""

    def begin(self, stage: str, total: int, done: int) -> None:
        """Starts the kernel's mark anew."""
        self._stage = stage
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    def end(self) -> None:
        """Takes the mark down."""
        self.found[self._stage] = peak_bytes()


def main() -> None:
    """Produces the dataset that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs=3, type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--flow", action="store_true")
    parser.add_argument("--questions", action="store_true")
    asked = parser.parse_args()
    images, annotations, out = asked.paths
    config = parse_config(SECTIONS, "scale")
    options = RunOptions(out, config, images, annotations, workers=asked.workers)
    watch = Stopwatch()
    if asked.workers == 1:
        pool.process_shard = watch.process_shard
    if asked.flow:
        with prefect_api(out.with_name(f"{out.name}-prefect"), Silent()):
            figures = measured(options, watch, flow=True)
    else:
        figures = measured(options, watch, flow=False)
    print(json.dumps(figures | {"stage_cpu": watch.seconds}))


def measured(options: RunOptions, watch: Stopwatch, flow: bool) -> dict[str, Any]:
    """Produces and returns wall and processor seconds, and the peaks of memory by step."""
    peaks = Peaks()
    if flow:
        from pipelines.flow import run_flow
    wall, cpu = time.perf_counter(), time.process_time()
    with (
        open_run(options, check_options(options), Silent()) as run,
        open_runner(RunnerChoice(), options.out, options.workers) as runner,
    ):
        if flow:
            run_flow(run, runner, peaks)
        else:
            produce(run, lambda _, jobs: runner.run_all(jobs), peaks)
    return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peaks": peaks.found}


if __name__ == "__main__":
    main()
