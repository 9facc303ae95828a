"""Starts a Label Studio server on a workplace, waits until it answers as the one that was started, and stops it."""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from annotation.client import Client, check_identity
from annotation.environment import DATABASE, EXTENSION, Environment, server_variables
from annotation.errors import LabelStudioError, ServerUnreachable
from annotation.workplace import Credentials, Workplace

ADMIN = "admin@hopyard.local"
HOST = "127.0.0.1"
DEFAULT_PORT = 8089
START_SECONDS = 300.0
"""A loaded machine takes this long to start it."""
STOP_SECONDS = 10.0

STORAGE_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN": "AWS_SESSION_TOKEN",
    "AWS_REGION": "S3_region",
    "AWS_ENDPOINT_URL": "S3_ENDPOINT",
}
"""What the server signs addresses of pictures with, and how it calls that; it is in its process and stored nowhere."""


class Running(NamedTuple):
    """A server that answers."""

    credentials: Credentials
    process: "subprocess.Popen[bytes]"


class Serving(NamedTuple):
    """What a server is started with."""

    environment: Environment
    port: int | None = None
    """None takes the port of the last time, or a usual one, or any that is free."""
    gate: bool = True
    private_webhooks: bool = False
    """Let webhooks reach this machine and private networks; Label Studio refuses that by itself."""


@contextmanager
def serve(workplace: Workplace, serving: Serving, say: Callable[[str], None]) -> Iterator[Running]:
    """Gives a running server; ends it, and all its processes, on leaving.

    Raises:
        LabelStudioError: another server works in the folder, the port is taken, or it does not start.
    """
    workplace.folder.mkdir(parents=True, exist_ok=True)
    with _hold(workplace):
        _prepare(workplace, serving.environment)
        credentials = _credentials(workplace, serving.port)
        say(f"starting Label Studio at {credentials.url} (some seconds)")
        with workplace.log.open("ab") as log:
            process = subprocess.Popen(
                _command(serving.environment, credentials),
                env=_variables(workplace, serving, credentials),
                stdin=subprocess.PIPE,  # it ends when this does
                stdout=log,
                stderr=log,
                cwd=workplace.folder,
                start_new_session=True,
            )
        try:
            _await(process, credentials, workplace)
            workplace.write_credentials(credentials)
            yield Running(credentials, process)
        finally:
            _stop(process)


def _prepare(workplace: Workplace, environment: Environment) -> None:
    """Gives a new server the migrated template, under another name first: a killed copy is not taken for a database."""
    workplace.media.mkdir(exist_ok=True)
    workplace.data.mkdir(mode=0o700, exist_ok=True)
    database = workplace.data / DATABASE
    if not database.exists() and "DJANGO_DB" not in os.environ:
        temporary = database.with_suffix(".tmp")
        shutil.copyfile(environment.template, temporary)
        os.replace(temporary, database)


def _credentials(workplace: Workplace, port: int | None) -> Credentials:
    """Returns the stored login with the address of this start; a new login where there is none."""
    known = workplace.read_credentials()
    if known is not None and not known.password:
        raise LabelStudioError(f"{workplace.folder} belongs to the server at {known.url}; use another --data-dir")
    last = None if known is None else int(known.url.rpartition(":")[2])
    url = f"http://{HOST}:{_choose_port(port, last)}"
    if known is not None:
        return known.model_copy(update={"url": url})
    fresh = Credentials(url=url, token=secrets.token_hex(20), email=ADMIN, password=secrets.token_urlsafe(18))
    workplace.write_credentials(fresh)  # before the server learns it: a killed start must not lose it
    return fresh


def _choose_port(asked: int | None, last: int | None) -> int:
    """Returns a free port. Asked for a taken one, Label Studio would silently take the next."""
    if asked:
        if not _is_free(asked):
            raise LabelStudioError(f"port {asked} is taken; give another --port")
        return asked
    for port in (last, DEFAULT_PORT):
        if port is not None and asked is None and _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _command(environment: Environment, credentials: Credentials) -> list[str]:
    port = credentials.url.rpartition(":")[2]
    launch = [str(environment.python), str(EXTENSION / "hopyard_launch.py")]
    return [*launch, "start", "--no-browser", "--internal-host", HOST, "--port", port]


def _variables(workplace: Workplace, serving: Serving, credentials: Credentials) -> dict[str, str]:
    extra = {
        "LABEL_STUDIO_USERNAME": credentials.email,
        "LABEL_STUDIO_PASSWORD": credentials.password,
        "LABEL_STUDIO_USER_TOKEN": credentials.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(workplace.media.resolve()),
        "LABEL_STUDIO_HOST": credentials.url,
    }
    extra |= {theirs: os.environ[ours] for ours, theirs in STORAGE_VARIABLES.items() if os.environ.get(ours)}
    if serving.gate:
        extra["DJANGO_SETTINGS_MODULE"] = "hopyard_gate_settings"
    if serving.private_webhooks:
        extra["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] = "false"
    return server_variables(workplace.data.resolve(), extra)


def _await(process: "subprocess.Popen[bytes]", credentials: Credentials, workplace: Workplace) -> None:
    """Waits until the server answers to its own token: another program on the port would not."""
    deadline = time.monotonic() + START_SECONDS
    with Client(credentials, timeout=10.0) as client:
        while True:
            if process.poll() is not None:
                raise LabelStudioError(f"Label Studio ended with code {process.returncode} (see {workplace.log})")
            try:
                check_identity(client)
                return
            except ServerUnreachable:
                if time.monotonic() > deadline:
                    raise LabelStudioError(f"Label Studio did not start in time (see {workplace.log})") from None
                time.sleep(0.2)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends the server and whatever it started."""
    if process.stdin is not None:
        process.stdin.close()
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, kind)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def _hold(workplace: Workplace) -> Iterator[None]:
    """Holds the folder for this process; the kernel lets go of it when the process ends, however that happens."""
    descriptor = os.open(workplace.folder / ".serving", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LabelStudioError(f"a server works on {workplace.folder} already") from None
    try:
        yield
    finally:
        os.close(descriptor)
