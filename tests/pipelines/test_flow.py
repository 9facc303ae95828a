"""One real Prefect server for the module: the flow end to end, quiet, and gone when its process is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort

from pipelines.options import RunOptions
from pipelines.prefect_server import prefect_api
from pipelines.progress import Silent
from pipelines.server_watch import answers
from pipelines.store import Dataset
from tests.pipelines.tables_of import files_of, tables_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(400)]

RUN = """
import sys
from pipelines.cli import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_api(tmp_path_factory.mktemp("prefect"), Silent()) as url:
        yield url


def hopyard(tmp_path: Path, options: RunOptions, **environment: str) -> "subprocess.CompletedProcess[str]":
    script, profile = tmp_path / "hop.py", tmp_path / "tiny.toml"
    script.write_text(RUN)
    profile.write_text(
        "[synthesize]\nper_image = 2\noversample = 1.0\n[route]\nper_image = 2\nmin_support = 1\nmin_cell = 1\n"
    )
    command = [sys.executable, str(script), "run", str(options.source), "--annotations", str(options.annotations)]
    command += ["--out", str(options.out), "--profile", str(profile), "--workers", "2", "--shard-size", "4"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=300)


def check_what_the_server_knows(name: str) -> None:
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.ID_DESC, limit=50)
        run = next(run for run in runs if run.name == f"produce {name}")
        assert run.state_type is StateType.COMPLETED
        found = client.read_task_runs(sort=TaskRunSort.ID_DESC, limit=200)
    tasks = {task.name for task in found if task.flow_run_id == run.id}
    assert {"ingest 0", "ingest 2", "admit -1", "judge 1"} <= tasks


def test_a_run_as_a_flow_gives_the_rows_of_a_plain_one(
    api: str, tmp_path: Path, tiny_options: RunOptions, finished: Dataset
) -> None:
    ended = hopyard(tmp_path, tiny_options, PREFECT_API_URL=api)
    assert ended.returncode == 0, ended.stderr
    mine, plain = tables_of(Dataset(tiny_options.out)), tables_of(finished)
    for table in ("images", "instances", "segments", "files", "categories"):
        assert mine[table] == plain[table]
    assert len(mine["questions"]) == len(plain["questions"])
    for noise in ("Traceback", "prefect", "ERROR", "Warning"):
        assert noise not in ended.stderr
    assert not (tiny_options.out / ".prefect").exists()
    check_what_the_server_knows(tiny_options.out.name)
    before = files_of(tiny_options.out)
    again = hopyard(tmp_path, tiny_options, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "nothing to do" in again.stdout
    assert files_of(tiny_options.out) == before


def test_the_deployment_entry_point_runs(api: str, tiny_options: RunOptions, finished: Dataset) -> None:
    from pipelines.flow import produce

    done = produce(
        str(tiny_options.out), str(tiny_options.source), str(tiny_options.annotations), limit=4, publish=False
    )
    assert done["failed"] == 0
    assert Dataset(tiny_options.out).read("images").num_rows == 4


def test_the_server_answers_what_deploying_asks(api: str) -> None:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="machines", type="process"))
        assert client.read_workers_for_work_pool("machines") == [], (
            "with null for what has a default, which some refuse"
        )


def test_the_own_server_ends_when_its_process_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(
        "import sys, time; from pathlib import Path\n"
        "from pipelines.prefect_server import prefect_api\nfrom pipelines.progress import Silent\n"
        "with prefect_api(Path(sys.argv[1]), Silent()) as url:\n    print(url, flush=True)\n    time.sleep(60)\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environ.pop("PREFECT_API_URL", None)
    command = [sys.executable, str(script), str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert answers(url)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(url)
