"""A real Prefect server and `hopyard schedule` on a minute's clock: runs, artifacts, kills, and the same tables."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipelines.bucket import place
from pipelines.errors import UserError
from pipelines.options import RunOptions
from pipelines.prefect_server import _free_port, full_api
from pipelines.produce import produce_plain
from pipelines.run_log import read_runs
from pipelines.schedule import Clock, Plan, parameters, serve
from pipelines.server_watch import answers
from pipelines.settings import Settings
from pipelines.store import Dataset
from schemas.run import RunState
from tests.pipelines.tables_of import tables_of
from tests.release_makers import make_dataset, make_files

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]

EVERY_MINUTE = "* * * * *"
EVERY_SECOND_MINUTE = "*/2 * * * *"
Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], seconds: float, what: str) -> Found:
    """Returns the first truthy answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"no {what} within {seconds:.0f} s")


@pytest.fixture
def watched(tmp_path: Path, tiny_options: RunOptions) -> RunOptions:
    """Options on a folder that holds half of the pictures so far."""
    assert tiny_options.source is not None
    source, profile = tmp_path / "watched", tmp_path / "tiny.toml"
    source.mkdir()
    for path in sorted(tiny_options.source.iterdir())[:6]:
        shutil.copy(path, source)
    profile.write_text("[synthesize]\nper_image = 2\noversample = 1.0\n[route]\nper_image = 2\nmin_support = 1\n")
    return tiny_options._replace(source=source)


@pytest.fixture
def scheduled(
    tmp_path: Path, watched: RunOptions
) -> Iterator[tuple[SyncPrefectClient, "subprocess.Popen[bytes]", Path]]:
    """Gives a client of the server that `hopyard schedule` started, its process, and its log."""
    port, log = _free_port(), tmp_path / "schedule.log"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environ |= {"HOPYARD_OUTPUT": str(tmp_path / "output"), "PREFECT_RUNNER_POLL_FREQUENCY": "2"}
    environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "schedule", str(watched.source)]
    command += ["--out", str(watched.out), "--annotations", str(watched.annotations), "--port", str(port)]
    command += ["--profile", str(tmp_path / "tiny.toml"), "--settle", "0"]
    command += [
        "--watch",
        EVERY_MINUTE,
        "--publish",
        EVERY_SECOND_MINUTE,
        "--report",
        EVERY_SECOND_MINUTE,
        "--sync",
        "",
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environ)
    url = f"http://127.0.0.1:{port}/api"
    try:
        wait_for(lambda: process.poll() is not None or answers(url), 180, "server")
        assert process.poll() is None, log.read_text()
        with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
            yield client, process, log
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def completed(client: SyncPrefectClient, start: str) -> list[FlowRun]:
    """Returns the runs that ended well and are named so; hundreds of later ones are scheduled already."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED]))
    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=state), sort=FlowRunSort.ID_DESC, limit=100)
    return [run for run in runs if run.name.startswith(start)]


def test_the_clock_produces_what_is_new_publishes_and_reports(
    scheduled: tuple[SyncPrefectClient, "subprocess.Popen[bytes]", Path],
    watched: RunOptions,
    tiny_options: RunOptions,
    finished: Dataset,
) -> None:
    client, process, log = scheduled
    wait_for(lambda: completed(client, f"watch {watched.source}"), 240, "watch run")
    dataset = Dataset(watched.out)
    assert dataset.read("images").num_rows == 6
    for path in sorted(tiny_options.source.iterdir()):
        shutil.copy(path, watched.source)
    wait_for(lambda: dataset.read("images").num_rows == 12, 150, "second tick")
    wait_for(lambda: tables_of(dataset) == tables_of(finished), 60, "rows of a plain run")
    wait_for(lambda: (watched.out / "release" / "release.json").exists(), 150, "release")
    wait_for(lambda: (watched.out / "report.html").exists(), 150, "report")
    keys = {f"{what}-out" for what in ("progress", "funnel", "yield", "report")}
    body = json.dumps({"artifacts": {"key": {"any_": sorted(keys)}}}).encode()
    order = urllib.request.Request(f"{str(client.api_url).rstrip('/')}/artifacts/filter", data=body)
    order.add_header("Content-Type", "application/json")

    def shown() -> bool:
        with urllib.request.urlopen(order, timeout=30) as answer:
            return {artifact["key"] for artifact in json.load(answer)} == keys

    wait_for(shown, 60, "artifacts")  # the report is linked after it is written
    states = [record.state for record in read_runs(watched.out)]
    assert states.count(RunState.FINISHED) == len(states) >= 2
    assert "Traceback" not in log.read_text()
    pages = urllib.request.urlopen(str(client.api_url).replace("/api/", "/"), timeout=10).read()
    assert b"<html" in pages.lower()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) is not None
    assert not answers(str(client.api_url).rstrip("/"))


def test_what_cannot_be_scheduled_is_refused(tmp_path: Path) -> None:
    plan = Plan(tmp_path, tmp_path / "out", None, "default", 1, 30.0)
    with pytest.raises(UserError, match="--watch 'often' is no cron expression"):
        serve(plan, Clock("often", None, None, None), 4200, print)
    assert parameters(plan, "publish") == {"out": str(tmp_path / "out")}
    assert parameters(plan._replace(source=place("s3://hops/in")), "watch")["source"] == "s3://hops/in"


def test_a_server_that_was_named_and_is_gone_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{_free_port()}/api")
    monkeypatch.setattr("pipelines.prefect_server.settings", lambda: Settings(server_patience=0.0))
    with pytest.raises(UserError, match=r"no Prefect server answers at .* \(PREFECT_API_URL\)"):
        with full_api(tmp_path / "home", _free_port(), print):
            pass
    assert not (tmp_path / "home").exists()


def test_a_tick_that_finds_another_run_is_skipped(watched: RunOptions) -> None:
    from pipelines.errors import BusyError
    from pipelines.options import check_options
    from pipelines.produce import open_run
    from pipelines.progress import Silent
    from pipelines.scheduled import _unless_busy

    def work() -> dict[str, object]:
        return {"new": produce_plain(watched).new}

    with open_run(watched, check_options(watched), Silent()):
        with pytest.raises(BusyError, match="another run is at work"):
            work()
        state = _unless_busy(str(watched.out), work)
        assert (state.name, state.type.value) == ("Skipped", "COMPLETED")
    assert _unless_busy(str(watched.out), work)["new"] > 0


def test_a_tick_that_has_nothing_to_publish_yet_is_no_failure(tmp_path: Path) -> None:
    from pipelines.scheduled import publish

    dataset = make_dataset(tmp_path, make_files(1), per_image=0)
    state = publish.fn(str(dataset.root))
    assert (state.name, state.type.value) == ("NothingToDo", "COMPLETED") and "nothing to publish" in state.message
