"""Kill -9 of worker, server and flow at random moments while a schedule works: the tables of a plain run at the end.

`python -m benchmarks.rounds --rounds 20`: every round puts a few more pictures into the watched folder, asks the
server for a run at once, kills one of the three somewhere in the middle of it, and starts again what was killed. Not
part of `python -m benchmarks`: it takes its time, and it passes or fails.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.memory_child import SECTIONS
from pipelines.config import parse_config
from pipelines.options import RunOptions
from pipelines.prefect_server import FULL, _free_port
from pipelines.produce import produce_plain
from pipelines.run_log import read_runs
from pipelines.server_watch import answers
from pipelines.store import Dataset
from pipelines.verify import verify_dataset
from tests.pipelines.tables_of import tables_of
from tests.pipelines.tiny_source import write_source

PATIENCE = 300.0
KINDS = ("flow", "worker", "server")


class Stage:
    """A server, and a worker that serves the deployments of one dataset from a watched folder."""

    def __init__(self, folder: Path, pictures: Path, annotations: Path) -> None:
        self.folder, self.watched, self.out = folder, folder / "watched", folder / "out"
        self.watched.mkdir()
        self.pictures, self.annotations = sorted(pictures.iterdir()), annotations
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.profile = folder / "tiny.toml"
        self.profile.write_text(
            "[synthesize]\nper_image = 2\noversample = 1.0\n[route]\nper_image = 2\nmin_support = 1\n"
        )
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
        self.environ |= {
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": self.url,
            "PREFECT_RUNNER_POLL_FREQUENCY": "2",
            "HOPYARD_OUTPUT": str(folder),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        self.server = self.worker = None

    def start_server(self) -> None:
        """Starts the server on its database and waits until it answers."""
        environ = {**self.environ, **FULL, "PREFECT_API_URL": ""}
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "pipelines.prefect_server", str(self.port)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=environ,
            )  # fmt: skip
        self.until(lambda: answers(self.url), "server")

    def start_worker(self) -> None:
        """Starts `hopyard schedule`; runs are asked for by hand, so that no round waits for the clock."""
        command = [sys.executable, "-c", "from pipelines.cli import main; main()", "schedule", str(self.watched)]
        command += ["--out", str(self.out), "--annotations", str(self.annotations), "--profile", str(self.profile)]
        command += ["--watch", "0 0 1 1 *", "--publish", "", "--report", "", "--sync", "", "--settle", "0"]
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(command, stdout=log, stderr=log, env=self.environ)

    def ask_for_a_run(self) -> None:
        """Asks the server for a run of the deployment now."""
        from prefect.client.orchestration import get_client
        from prefect.settings import PREFECT_API_URL, temporary_settings

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with temporary_settings({PREFECT_API_URL: self.url}), get_client(sync_client=True) as client:
                    deployment = client.read_deployment_by_name(f"watch/{self.out.name}")
                    client.create_flow_run_from_deployment(deployment.id)
                return
            except Exception:  # noqa: BLE001 - the server or the deployment is not back yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def flows(self) -> list[int]:
        """Returns the processes that run flows of this stage's worker."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes()
                    environ = (entry / "environ").read_bytes()
                except OSError:
                    continue
                if b"prefect.engine" in command or b"prefect.flow_engine" in command:
                    if str(self.folder).encode() in environ:
                        found.append(int(entry.name))
        return found

    def committed(self) -> int:
        """Returns how many shards of work are committed."""
        return sum(1 for _ in (self.out / "_manifests").glob("*/*.json"))

    def until(self, look: object, what: str) -> None:
        """Waits for something."""
        deadline = time.monotonic() + PATIENCE
        while not look():  # type: ignore[operator]
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {what} within {PATIENCE:.0f} s; logs are in {self.folder}")
            time.sleep(0.2)

    def kill(self, kind: str) -> bool:
        """Kills one of the three with -9; returns whether there was one."""
        if kind == "flow":
            flows = self.flows()
            for process in flows:
                os.kill(process, signal.SIGKILL)
            return bool(flows)
        process = self.server if kind == "server" else self.worker
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def one_round(stage: Stage, rng: random.Random, kind: str, new: list[Path]) -> bool:
    """Adds pictures, starts a run, kills, mends; returns whether the kill met a flow at work."""
    for path in new:
        shutil.copy(path, stage.watched)
    before = stage.committed()
    stage.ask_for_a_run()
    stage.until(lambda: stage.flows(), "flow")
    if rng.random() < 0.8:  # most kills in the middle of the work, some while it starts
        stage.until(lambda: stage.committed() > before or not stage.flows(), "first shard")
        time.sleep(rng.uniform(0, 2))
    at_work = bool(stage.flows())
    stage.kill(kind)
    if kind == "server":
        stage.start_server()
    if kind == "worker":
        stage.start_worker()
    return at_work


def main() -> None:
    """Runs the rounds and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="hopyard-rounds-") as scratch:
        folder = Path(scratch)
        each = 3
        pictures, annotations = write_source(folder / "source", each * asked.rounds)
        stage = Stage(folder, pictures, annotations)
        stage.start_server()
        stage.start_worker()
        counts: Counter[str] = Counter()
        try:
            for number in range(asked.rounds):
                kind = KINDS[number % 3] if number < 3 else rng.choice(KINDS)
                new = stage.pictures[each * number : each * (number + 1)]
                at_work = one_round(stage, rng, kind, new)
                counts[f"{kind}, {'at work' if at_work else 'between runs'}"] += 1
                print(f"round {number + 1}: killed the {kind}, {stage.committed()} shards committed", flush=True)
            finish(stage)
        finally:
            for process in (stage.worker, stage.server):
                if process is not None:
                    process.kill()
                    process.wait()
            stage.kill("flow")
        dataset = Dataset(stage.out)
        options = RunOptions(folder / "plain", parse_config(SECTIONS, "rounds"), pictures, annotations)
        same = tables_of(dataset) == tables_of(Dataset(produce_plain(options).root))
        ends = Counter(record.state.value for record in read_runs(stage.out))
        problems = verify_dataset(dataset).problems
    print(f"{asked.rounds} rounds: {dict(counts)}; runs as recorded: {dict(ends)}")
    print(f"tables {'identical to' if same else 'DIFFER from'} a plain run's; verify: {len(problems)} mismatches")
    sys.exit(0 if same and not problems else 1)


def finish(stage: Stage) -> None:
    """Lets runs come to their end until every picture is in the dataset and nothing is left to do."""
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        if not stage.flows():
            ended = [record.state.value for record in read_runs(stage.out)][-1:]
            images = Dataset(stage.out).read("images").num_rows if (stage.out / "dataset.json").exists() else 0
            if ended == ["finished"] and images == len(stage.pictures):
                return
            stage.ask_for_a_run()
            stage.until(lambda: stage.flows(), "flow")
        time.sleep(1)
    raise TimeoutError("the runs do not come to an end")


if __name__ == "__main__":
    main()
