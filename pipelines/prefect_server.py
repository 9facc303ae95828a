"""Which Prefect server a run talks to: the one that `PREFECT_API_URL` names, or a quiet one of its own.

The own server keeps its database in a hidden folder of the dataset, writes to a log file there instead of on the user's
screen, and ends with the process that started it, also when that is killed: it reads a pipe that only that one holds.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipelines.bucket import BucketPath
from pipelines.errors import UserError
from pipelines.progress import Watcher
from pipelines.server_watch import answers, comes_back
from pipelines.settings import settings

STARTUP_SECONDS = 180.0
"""A loaded machine needs this long to create the database."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(int(STARTUP_SECONDS)),
    "PREFECT_CLI_PROMPT": "false",
}
"""Settings of the flow; the user's own win."""

LEAN = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "true",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}
"""Settings of the own server: one run, no schedules, no pages."""


def home_for(root: Path) -> Path:
    """Returns where a run of that dataset keeps its own server's database: in its folder, which a bucket cannot be."""
    return settings().output / ".prefect" if isinstance(root, BucketPath) else root / ".prefect"


FULL = {
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
"""Settings of a server that stays: pages, schedules, events."""


@contextmanager
def prefect_api(home: Path, watcher: Watcher) -> Iterator[str]:
    """Gives the URL of an API that answers, with the settings of this process pointing to it.

    Raises:
        UserError: the own server does not start.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    url = os.environ.get("PREFECT_API_URL", "")
    if url and answers(url):
        with _settings(url):
            yield url
        return
    if url:
        watcher.say(f"no Prefect server answers at {url}; starting a temporary one")
    os.environ.setdefault("PREFECT_HOME", str(home))
    watcher.say("starting a temporary Prefect server (some seconds; set PREFECT_API_URL to use a running one)")
    with _own_server(Path(os.environ["PREFECT_HOME"]), _free_port(), LEAN) as own, _settings(own):
        yield own


@contextmanager
def full_api(home: Path, port: int, say: Callable[[str], object]) -> Iterator[str]:
    """Gives the URL of an API with pages and schedules: the one that `PREFECT_API_URL` names, or one on that port.

    One of its own is started where none answers on the port. Its database stays in ``home``, so schedules and past runs
    are there again the next time.

    Raises:
        UserError: the server does not start, or the named one does not answer: what runs there is not to run elsewhere.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    named, own = os.environ.get("PREFECT_API_URL", ""), f"http://127.0.0.1:{port}/api"
    if named and not comes_back(named, settings().server_patience):
        raise UserError(
            f"no Prefect server answers at {named} (PREFECT_API_URL); start it, or unset the variable and one is "
            "started here"
        )
    if named or answers(own):
        with _settings(named or own):
            yield named or own
        return
    os.environ.setdefault("PREFECT_HOME", str(home.resolve()))
    say(f"starting a Prefect server at http://127.0.0.1:{port} (its database is in {home})")
    with _own_server(Path(os.environ["PREFECT_HOME"]), port, FULL) as url, _settings(url):
        yield url


@contextmanager
def _settings(url: str) -> Iterator[None]:
    """Points Prefect to the API, whether or not it was imported before."""
    before = os.environ.get("PREFECT_API_URL")
    os.environ["PREFECT_API_URL"] = url
    from prefect.settings import PREFECT_API_URL, temporary_settings

    try:
        with temporary_settings({PREFECT_API_URL: url}):
            yield
    finally:
        if before is None:
            del os.environ["PREFECT_API_URL"]
        else:
            os.environ["PREFECT_API_URL"] = before


@contextmanager
def _own_server(home: Path, port: int, kind: Mapping[str, str]) -> Iterator[str]:
    home.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}/api"
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(port)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                **kind,
                "PREFECT_API_URL": "",
                "PREFECT_SERVER_UI_API_URL": url,
                "PREFECT_HOME": str(home),
            },  # fmt: skip
            start_new_session=True,  # Ctrl-C is for the run, which still has things to tell the server
        )
    try:
        _await(process, url, home / "server.log")
        yield url
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def _await(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise UserError(f"the temporary Prefect server did not start (see {log}); --no-server runs without one")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(port: int) -> None:
    """Serves until standard input ends."""
    import uvicorn

    threading.Thread(target=_end_with_input, daemon=True).start()
    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error")


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
