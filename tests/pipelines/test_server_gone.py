"""A Prefect server that dies for good: the run that it watched does its work, says so, and ends."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipelines.options import RunOptions
from pipelines.prefect_server import FULL, QUIET, _free_port
from pipelines.run_log import read_runs
from pipelines.server_watch import GONE, answers
from pipelines.store import Dataset
from schemas.run import RunState
from tests.pipelines.tables_of import tables_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(400)]

PATIENCE = "6"
"""Seconds without a server until a process without work ends; Prefect's own repetitions of one request take 62."""
ENDS_WITHIN = 60.0


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    path = os.pathsep.join(path for path in sys.path if path)
    return (
        kept | QUIET | {"PREFECT_HOME": str(tmp_path / "home"), "HOPYARD_SERVER_PATIENCE": PATIENCE, "PYTHONPATH": path}
    )


@contextmanager
def server(environ: dict[str, str]) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Gives the URL of a server and its process."""
    port = _free_port()
    command = [sys.executable, "-m", "pipelines.prefect_server", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**environ, **FULL})
    url, deadline = f"http://127.0.0.1:{port}/api", time.monotonic() + 180
    try:
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        yield url, process
    finally:
        process.kill()
        process.wait()


def order_a_run(url: str, options: RunOptions) -> str:
    """Returns the id of a run of the deployment that follows the source, for a worker to start."""
    from prefect.types.entrypoint import EntrypointType

    from pipelines.scheduled import FLOWS

    profile = options.out.with_name("tiny.toml")
    profile.write_text("[synthesize]\nper_image = 2\noversample = 1.0\n[route]\nper_image = 2\nmin_support = 1\n")
    parameters = {"source": str(options.source), "out": str(options.out), "annotations": str(options.annotations)}
    parameters |= {"profile": str(profile)}
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        entry = {"entrypoint_type": EntrypointType.MODULE_PATH}
        made = FLOWS["watch"].to_deployment(name="gone", parameters=parameters | {"settle": 0}, **entry).apply()
        return str(client.create_flow_run_from_deployment(made).id)


def test_a_run_by_the_clock_does_its_work_and_ends_when_its_server_is_killed(
    environ: dict[str, str], tiny_options: RunOptions, finished: Dataset
) -> None:
    with server(environ) as (url, process):
        run = order_a_run(url, tiny_options)
        command = [sys.executable, "-m", "prefect.engine"]
        environ |= {"PREFECT_API_URL": url, "PREFECT__FLOW_RUN_ID": run}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as engine:
            try:
                while not list((tiny_options.out / "_manifests").glob("ingest/*")):
                    assert engine.poll() is None
                    time.sleep(0.05)
                process.kill()
                process.wait()
                _, said = engine.communicate(timeout=ENDS_WITHIN)
            finally:
                engine.kill()
    assert engine.returncode == GONE
    assert f"no Prefect server has answered at {url} for {PATIENCE} s" in said and "the next run goes on" in said
    assert [record.state for record in read_runs(tiny_options.out)] == [RunState.FINISHED]
    assert tables_of(Dataset(tiny_options.out)) == tables_of(finished)


def test_a_process_without_work_ends_with_its_server_and_one_at_work_does_not(environ: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{_free_port()}/api"
    code = (
        f"import sys, time; from pipelines.server_watch import end_with_server, working\nend_with_server('{url}', 1)\n"
    )
    idle, busy = (
        subprocess.Popen([sys.executable, "-c", code + body], stderr=subprocess.PIPE, text=True, env=environ)
        for body in ("time.sleep(60)", "with working():\n    time.sleep(5)\nsys.exit(3)")
    )
    assert "what is committed is kept" in idle.communicate(timeout=ENDS_WITHIN)[1]
    assert idle.returncode == GONE
    assert (busy.communicate(timeout=ENDS_WITHIN)[1], busy.returncode) == ("", 3)
