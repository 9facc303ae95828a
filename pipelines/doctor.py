"""`hopyard doctor`: looks at everything a run leans on; each broken thing has a name and the command that mends it."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.bucket import BucketPath, place
from pipelines.config import DEFAULT_PROFILE, load_profile
from pipelines.dataset_info import FILE_NAME
from pipelines.errors import UserError
from pipelines.observers import TRACE_VARIABLES, redact
from pipelines.packages import ROOT, assert_own_packages
from pipelines.settings import settings
from pipelines.store import Dataset

LEAST_FREE = 2 << 30
"""Bytes of disk and of memory below which a run is likely to end early."""
_PATIENCE = 5.0
_MEBI = 1 << 20


class State(StrEnum):
    """How a checked thing stands."""

    OK = "ok"
    NOTE = "note"
    """Not there, and not needed for what was asked."""
    BROKEN = "broken"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    mend: str = ""
    """A command, or what to do; of everything broken."""


class Patient(NamedTuple):
    """What is looked at."""

    out: Path
    """Dataset, or the folder where datasets land."""
    profile: str = DEFAULT_PROFILE
    label_studio: str | None = None
    """Address; also from `HOPYARD_LABEL_STUDIO_URL`."""


def examine(patient: Patient) -> Iterator[Check]:
    """Yields every check. A check that itself fails is a broken thing, never a traceback."""
    for look in CHECKS:
        try:
            yield from look(patient)
        except Exception as error:  # noqa: BLE001 - a doctor that dies of the disease helps nobody
            name = look.__name__.strip("_").replace("_", " ")
            text = redact(" ".join(f"{type(error).__name__}: {error}".split())[:200])
            yield Check(name, State.BROKEN, text, "HOPYARD_DEBUG=1 hopyard doctor, and report what it says")


def _python(_: Patient) -> Iterator[Check]:
    version = platform.python_version()
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    mend = "rm -rf .venv && make env PYTHON=python3.12"
    yield Check("python", State.OK if fits else State.BROKEN, f"{version} at {sys.executable}", "" if fits else mend)


def _versions(_: Patient) -> Iterator[Check]:
    """Compares what is installed with the lock."""
    lock = ROOT / "requirements" / "base.txt"
    if not lock.is_file():
        yield Check("versions", State.NOTE, f"no lock to compare with ({lock})")
        return
    wrong, count = [], 0
    for line in lock.read_text(encoding="utf-8").splitlines():
        if "==" not in line or line.startswith((" ", "#")) or _is_for_others(line):
            continue
        name, version = line.split(";")[0].strip(" \\").split("==")
        count += 1
        try:
            installed = importlib.metadata.version(name.partition("[")[0])
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version.strip():
            wrong.append(f"{name} {installed}, locked {version.strip()}")
    if wrong:
        text = f"{len(wrong)} of {count} differ: {'; '.join(wrong[:5])}"
        yield Check("versions", State.BROKEN, text, "rm -f .venv/.installed && make env")
    else:
        yield Check("versions", State.OK, f"{count} distributions as locked")


def _is_for_others(line: str) -> bool:
    from packaging.markers import Marker

    marker = line.partition(";")[2].strip(" \\")
    return bool(marker) and not Marker(marker).evaluate()


def _packages(_: Patient) -> Iterator[Check]:
    try:
        assert_own_packages()
    except UserError as error:
        yield Check("packages", State.BROKEN, str(error), "cd to the repository, then: make env")
    except RuntimeError as error:
        yield Check("packages", State.BROKEN, str(error), "cd to the repository, then: make env")
    else:
        yield Check("packages", State.OK, f"pipelines, stages, annotation, schemas come from {ROOT}")


def _profile(patient: Patient) -> Iterator[Check]:
    try:
        load_profile(patient.profile)
    except UserError as error:
        yield Check("profile", State.BROKEN, str(error), "hopyard run --profile default, or mend the named option")
    else:
        yield Check("profile", State.OK, patient.profile)


def _disk(patient: Patient) -> Iterator[Check]:
    if isinstance(place(patient.out), BucketPath):
        return
    folder = next(path for path in (patient.out.absolute(), *patient.out.absolute().parents) if path.exists())
    if not folder.is_dir():
        yield Check("output", State.BROKEN, f"{folder} is a file", "give another --out, or move the file away")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"hopyard")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror or error}"
        yield Check("output", State.BROKEN, text, f"chown $(id -un) {folder}, or HOPYARD_OUTPUT=another-folder")
    else:
        yield Check("output", State.OK, f"{folder} can be written")
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE
    text = f"{free / (1 << 30):.1f} GiB free in {folder}"
    mend = "free some space, or HOPYARD_OUTPUT=folder-on-another-disk"
    yield Check("disk", State.OK if enough else State.BROKEN, text, "" if enough else mend)


def _memory(_: Patient) -> Iterator[Check]:
    path = Path("/proc/meminfo")
    if not path.exists():
        return
    line = next(line for line in path.read_text().splitlines() if line.startswith("MemAvailable"))
    free = int(line.split()[1]) << 10
    enough = free >= LEAST_FREE
    text = f"{free / (1 << 30):.1f} GiB available, {os.cpu_count()} cores"
    yield Check(
        "memory", State.OK if enough else State.BROKEN, text, "" if enough else "end other programs; --workers 1"
    )


def _dataset(patient: Patient) -> Iterator[Check]:
    root = place(patient.out)
    if not (root / FILE_NAME).is_file():
        return
    from pipelines.run_log import crash_text, read_runs, work_in_progress
    from schemas.run import RunState

    manifests = Dataset.open(root).manifests()
    failed = sum(manifest.failed for manifest in manifests)
    text = f"{len(manifests)} shards of work committed{work_in_progress(root)}"
    if failed:
        mend = "the `hopyard run` that made it, again: it tries them once more"
        yield Check("dataset", State.BROKEN, f"{text}, {failed} records failed", mend)
    else:
        yield Check("dataset", State.OK, text)
    last = next(iter(read_runs(root)[-1:]), None)
    if last is not None and last.state in (RunState.CRASHED, RunState.FAILED):
        told = crash_text(last) if last.state is RunState.CRASHED else f"it failed: {last.error}"
        yield Check("last run", State.BROKEN, told, f"hopyard {last.command}")


def _bucket(patient: Patient) -> Iterator[Check]:
    root = place(patient.out)
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not isinstance(root, BucketPath):
        yield Check("bucket", State.NOTE, "not asked for (--out s3://BUCKET/FOLDER)")
        return
    probe = root / "_doctor.probe"
    try:
        probe.write_bytes(b"hopyard")
        exclusive = not probe.create(b"other")
        probe.unlink()
    except (UserError, OSError) as error:
        mend = "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_REGION=... [AWS_ENDPOINT_URL=...]"
        yield Check("bucket", State.BROKEN, redact(" ".join(str(error).split())[:200]), mend)
        return
    where = f"{root}{f' at {endpoint}' if endpoint else ''}"
    if exclusive:
        yield Check("bucket", State.OK, f"{where} can be written, exclusively too")
    else:
        mend = "use storage that honours If-None-Match on PUT; without it two runs could overwrite each other"
        yield Check("bucket", State.BROKEN, f"{where} overwrote an object that was to be created", mend)


def _prefect(_: Patient) -> Iterator[Check]:
    version = importlib.metadata.version("prefect")
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        yield Check(
            "prefect", State.OK, f"{version}; PREFECT_API_URL is not set, so each run starts a server of its own"
        )
        return
    problem = _ask(f"{url.rstrip('/')}/health")
    if problem:
        mend = "hopyard schedule (or: prefect server start), or unset PREFECT_API_URL"
        yield Check("prefect", State.BROKEN, f"no server answers at {url}: {problem}", mend)
        return
    yield Check("prefect", State.OK, f"{version}, server at {url}")


def _models(patient: Patient) -> Iterator[Check]:
    """Asks every model server that the profile names for its list of models."""
    try:
        data = load_profile(patient.profile).model_dump(mode="json")
    except UserError:
        return  # told already
    servers = dict.fromkeys(_servers(data))
    if not servers:
        yield Check("models", State.NOTE, f"profile {patient.profile} asks no model server")
    for url, key_name in servers:
        key = os.environ.get(key_name, "")
        problem = _ask(f"{url.rstrip('/')}/models", {"Authorization": f"Bearer {key}"} if key else {})
        if not problem:
            yield Check(f"model server {url}", State.OK, "answers")
        elif "401" in problem or "403" in problem:
            yield Check(f"model server {url}", State.BROKEN, f"refuses the key: {problem}", f"export {key_name}=...")
        else:
            mend = f"start the server, or correct `urls` in the profile; then: curl {url.rstrip('/')}/models"
            yield Check(f"model server {url}", State.BROKEN, problem, mend)


def _servers(data: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yields the addresses below any ``urls`` of a configuration, each with the name of its key's variable."""
    if isinstance(data, Mapping):
        for url in data.get("urls") or ():
            yield str(url), str(data.get("api_key_env") or "HOPYARD_API_KEY")
        for value in data.values():
            yield from _servers(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _servers(value)


def _label_studio(patient: Patient) -> Iterator[Check]:
    url = patient.label_studio or os.environ.get("HOPYARD_LABEL_STUDIO_URL", "")
    if not url:
        yield Check("label studio", State.NOTE, "not asked for (--label-studio URL)")
        return
    problem = _ask(f"{url.rstrip('/')}/health")
    if problem:
        yield Check("label studio", State.BROKEN, f"{url}: {problem}", "hopyard annotate serve")
        return
    if not os.environ.get("HOPYARD_LABEL_STUDIO_TOKEN"):
        found = f"{url} answers; HOPYARD_LABEL_STUDIO_TOKEN is not set (not needed for a server that hopyard started)"
        yield Check("label studio", State.NOTE, found)
        return
    yield Check("label studio", State.OK, f"{url} answers")


def _gpu(_: Patient) -> Iterator[Check]:
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Check("gpu", State.NOTE, "none (nvidia-smi is not there); the embedded stages need none")
        return
    query = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if answer.returncode:
        text = " ".join((answer.stderr or answer.stdout).split())[:200]
        yield Check(
            "gpu", State.BROKEN, f"the driver does not answer: {text}", "nvidia-smi; then reload the driver or reboot"
        )
        return
    yield Check("gpu", State.OK, "; ".join(answer.stdout.strip().splitlines()))


def _extras(_: Patient) -> Iterator[Check]:
    """What optional parts are installed; wanted ones that are missing are broken."""
    wanted = {"opentelemetry": any(os.environ.get(name) for name in TRACE_VARIABLES)}
    extras = {"s3": "obstore", "ray": "ray", "traces": "opentelemetry.exporter.otlp.proto.http", "vlm": "openai"}
    there = {extra: _can_import(module) for extra, module in extras.items()}
    missing = [extra for extra in there if not there[extra]]
    if wanted["opentelemetry"] and not there["traces"]:
        text = f"{TRACE_VARIABLES[0]} is set, but the library is not installed"
        yield Check("traces", State.BROKEN, text, "pip install 'hopyard[traces]'")
    text = f"installed: {', '.join(extra for extra in there if there[extra]) or 'none'}"
    yield Check("extras", State.NOTE if missing else State.OK, f"{text}; not: {', '.join(missing) or 'none'}")


def _can_import(module: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _ask(url: str, headers: Mapping[str, str] | None = None) -> str:
    """Returns what is wrong with the answer of an address; empty where nothing is."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=_PATIENCE):
            return ""
    except urllib.error.HTTPError as error:
        return f"it answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return redact(" ".join(str(getattr(error, "reason", error)).split())[:150])


CHECKS: tuple[Callable[[Patient], Iterator[Check]], ...] = (
    _python, _versions, _packages, _profile, _disk, _memory, _dataset, _bucket, _prefect, _models, _label_studio,
    _gpu, _extras,
)  # fmt: skip


def default_patient(out: Path | None, profile: str, label_studio: str | None) -> Patient:
    """Returns what to look at where little was said."""
    return Patient(out or settings().output, profile, label_studio)
