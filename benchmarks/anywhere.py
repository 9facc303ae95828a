"""The same dataset in this process, on Ray with a worker killed in the middle, and in a failing, slow bucket.

`python -m benchmarks.anywhere --images 2000`: not part of `python -m benchmarks`: it passes or fails. Ray and the
bucket's server run on this machine.
"""

import argparse
import hashlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.bucket import place
from pipelines.config import parse_config
from pipelines.job import Job
from pipelines.options import RunOptions, check_options
from pipelines.produce import open_run, produce, produce_plain
from pipelines.progress import Silent
from pipelines.ray_runner import RayRunner
from pipelines.run_kinds import RunnerKind
from pipelines.runners import RunnerChoice
from pipelines.steps import Step
from pipelines.store import Dataset
from pipelines.tables import TABLES
from schemas.manifest import ShardManifest
from tests.pipelines.s3_server import BUCKET, ENVIRONMENT, Faults, s3_server
from tests.pipelines.tiny_source import write_source

SECTIONS = {
    "synthesize": {"per_image": 1, "oversample": 1.0, "variants": False},
    "route": {"per_image": 1, "min_support": 1},
}
WORKERS = 4


def main() -> None:
    """Produces the dataset three times and compares every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hopyard-anywhere-") as scratch:
        images, annotations = write_source(Path(scratch) / "source", asked.images)
        options = RunOptions(Path(scratch) / "local", parse_config(SECTIONS, "anywhere"), images, annotations)
        found = {"local": told("local", options, by_itself)}
        found["ray"] = told("ray", options._replace(out=Path(scratch) / "ray", workers=WORKERS), on_ray)
        found["bucket"] = told("bucket", options, in_a_bucket)
    same = all(digests == found["local"] for digests in found.values())
    rows = {table: count for table, (count, _) in found["local"].items() if count}
    print(f"{asked.images:,} images, rows: {rows}")
    print(f"every table {'identical' if same else 'NOT identical'} in {', '.join(found)}")
    sys.exit(0 if same else 1)


def told(name: str, options: RunOptions, way: object) -> dict[str, tuple[int, str]]:
    """Runs one way and says how long it took."""
    started = time.perf_counter()
    digests, said = way(options)  # type: ignore[operator]
    print(f"{name}: {time.perf_counter() - started:.0f} s{said}", flush=True)
    return digests  # type: ignore[no-any-return]


def by_itself(options: RunOptions) -> tuple[dict[str, tuple[int, str]], str]:
    """In this process."""
    return digests_of(Dataset(produce_plain(options).root)), ""


def on_ray(options: RunOptions) -> tuple[dict[str, tuple[int, str]], str]:
    """On a Ray cluster of this machine, one worker of which is killed after a third of the shards of a stage."""
    victims: list[int] = []
    with (
        open_run(options, check_options(options), Silent()) as run,
        RayRunner(run.dataset.root, WORKERS, RunnerChoice(RunnerKind.RAY)) as runner,
    ):

        def execute(step: Step, jobs: Sequence[Job]) -> Iterator[ShardManifest]:
            for number, manifest in enumerate(runner.run_all(jobs)):
                if step.name == "synthesize" and number == len(jobs) // 3 and not victims:
                    victims.append(runner.worker_processes()[0])
                    os.kill(victims[0], signal.SIGKILL)
                yield manifest

        produce(run, execute, Silent())
        said = f", {WORKERS} workers, process {victims[0]} killed, {runner.deaths} jobs done again"
    return digests_of(Dataset(options.out)), said


def in_a_bucket(options: RunOptions) -> tuple[dict[str, tuple[int, str]], str]:
    """On an S3-compatible server that answers 500 to 3% of the requests and is slow at 3%."""
    faults = Faults(failing=0.03, slow=0.03, slow_seconds=0.3)
    with s3_server(faults) as url:
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=url)
        root = place(f"s3://{BUCKET}/anywhere")
        produce_plain(options._replace(out=root))
        digests = digests_of(Dataset(root))
    return digests, f", {faults.requests:,} requests, {faults.failed:,} of them answered 500"


def digests_of(dataset: Dataset) -> dict[str, tuple[int, str]]:
    """Returns rows and a digest of every table, whatever parts its rows lie in."""
    found = {}
    for table, spec in TABLES.items():
        rows = dataset.read(table).sort_by([(column, "ascending") for column in spec.order])
        digest = hashlib.sha256()
        for row in rows.to_pylist():
            digest.update(repr(row).encode())
        found[table] = (rows.num_rows, digest.hexdigest())
    return found


if __name__ == "__main__":
    main()
