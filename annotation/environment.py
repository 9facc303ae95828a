"""The environment that the Label Studio server runs in: its own, since it cannot share ours.

It pins old versions of what we pin newer, and puts modules called `core`, `tasks` and `users` on the import path. So
it is installed once, from a lock of its own, into a folder that any number of servers share. Its database is migrated
once as well, into a template that new servers start from: that takes a minute the first time and nothing afterwards.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from annotation.errors import LabelStudioError

VERSION = "1.23.2"
VARIABLE = "HOPYARD_LABEL_STUDIO_ENV"
"""Environment variable that names a folder with the server's environment."""
EXTENSION = Path(__file__).parent / "label_studio"
"""On the server's import path: the gate and its settings."""
LOCK = EXTENSION / "requirements.txt"
TEMPLATE = f"template-{VERSION}"
DATABASE = "label_studio.sqlite3"

PRIVATE = {
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
}
"""Every command of the server gets these: without them it calls outside hosts."""


class Environment(NamedTuple):
    """An installed server."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def program(self) -> Path:
        return self.folder / "bin" / "label-studio"

    @property
    def template(self) -> Path:
        """A migrated database without users."""
        return self.folder / TEMPLATE / DATABASE


def default_folder() -> Path:
    """Returns where the environment is looked for: the variable's folder, or one below the user's caches."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "hopyard" / f"label-studio-{VERSION}"


def is_ready(folder: Path) -> bool:
    """Returns whether a server can be started from the folder as it is."""
    found = Environment(folder)
    return found.program.is_file() and found.template.is_file()


def ensure_environment(folder: Path, say: Callable[[str], None]) -> Environment:
    """Returns the server's environment, made on first use: a minute or more, and about a gigabyte.

    Raises:
        LabelStudioError: it cannot be made.
    """
    environment = Environment(folder)
    if is_ready(folder):
        return environment
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not environment.program.is_file():
                say(f"installing Label Studio {VERSION} into {folder} (some minutes, once)")
                _install(environment)
            if not environment.template.is_file():
                say("preparing its database (a minute, once)")
                _migrate(environment)
    except OSError as error:
        raise LabelStudioError(f"the environment {folder} of Label Studio cannot be made: {error}") from error
    return environment


def server_variables(data: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Returns the process environment of a command of the server that works on the data folder."""
    keep = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")}
    keep |= {name: value for name, value in os.environ.items() if name.startswith(("DJANGO_DB", "POSTGRE_"))}
    return {
        **keep,
        **PRIVATE,
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "PYTHONPATH": str(EXTENSION),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        **extra,
    }


def _install(environment: Environment) -> None:
    """Installs the locked versions; the program is there only once all of it is."""
    folder = environment.folder
    if not environment.python.exists():
        _run([sys.executable, "-m", "venv", str(folder)], "making a virtual environment")
    uv = shutil.which("uv")
    options = ["--quiet", "--require-hashes", "--no-deps", "-r", str(LOCK)]
    if uv:
        _run([uv, "pip", "install", "--python", str(environment.python), *options], "installing it")
    else:
        _run([str(environment.python), "-m", "pip", "install", *options], "installing it")


def _migrate(environment: Environment) -> None:
    """Makes the template under another name and renames it: a killed attempt leaves nothing that looks whole."""
    working = environment.template.parent.with_name(f"{TEMPLATE}.tmp-{os.getpid()}")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    manage = next((environment.folder / "lib").glob("python3*/site-packages/label_studio/manage.py"))
    command = [str(environment.python), str(manage), "migrate", "--no-color", "--verbosity", "0"]
    _run(command, "migrating its database", server_variables(working, {"DJANGO_DB": "sqlite"}))
    shutil.rmtree(environment.template.parent, ignore_errors=True)
    working.rename(environment.template.parent)


def _run(command: list[str], doing: str, variables: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise LabelStudioError(f"Label Studio: {doing} failed: {' | '.join(lines[-3:])[:500]}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with folder.with_name(f".{folder.name.lstrip('.')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
