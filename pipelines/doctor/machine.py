"""What of this machine a run leans on: Python, installed versions, disk, memory, GPU, extras."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.bucket import BucketPath, place
from pipelines.doctor.check import Check, Patient, State
from pipelines.errors import UserError
from pipelines.observers import TRACE_VARIABLES
from pipelines.packages import ROOT, assert_own_packages

LEAST_FREE = 2 << 30
"""Bytes of disk and of memory below which a run is likely to end early."""


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
    traces = "opentelemetry.exporter.otlp.proto.http"
    extras = {"s3": "obstore", "ray": "ray", "traces": traces, "vlm": "openai", "annotate": "label_studio_sdk"}
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


LOOKS: tuple[Callable[[Patient], Iterator[Check]], ...] = (_python, _versions, _packages, _disk, _memory, _gpu, _extras)
