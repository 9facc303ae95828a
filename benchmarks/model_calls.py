"""Model calls: how near the client comes to what an endpoint gives, beside the bare SDK, a first draft and a peer.

Server and client are processes of their own. On a machine with two cores they, and whatever else runs, share them: the
rows of one table were measured one after the other and are for comparing with one another.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.model_calls_child import IN_FLIGHT, make_pictures
from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text

PEER_VARIABLE = "HOPYARD_PEER_PYTHON"
SLOW, FAST = 2.0, 0.2
"""Latencies, seconds."""
SLOW_TARGET = 0.95
"""Of the ideal: requests under way divided by latency."""
FAST_TARGET = 0.90
"""Of the bare SDK's own speed."""


class _Result(NamedTuple):
    wall: float
    cpu: float
    calls: int

    @property
    def speed(self) -> float:
        return self.calls / self.wall


def run(plan: Plan) -> Iterator[Table]:
    """Yields a table for a slow and one for a fast endpoint."""
    pictures = plan.scratch / "peer_pictures"
    pictures.mkdir(exist_ok=True)
    for number, data in enumerate(make_pictures()):
        (pictures / f"{number:03d}.jpg").write_bytes(data)
    yield _table(plan, SLOW, IN_FLIGHT * (2 if plan.quick else 15), pictures)
    yield _table(plan, FAST, IN_FLIGHT * (2 if plan.quick else 10), pictures)


def _table(plan: Plan, latency: float, calls: int, pictures: Path) -> Table:
    ideal = IN_FLIGHT / latency
    ways = {
        "hopyard, replies on disk": ("hopyard",),
        "bare SDK, aiohttp": ("sdk_aiohttp",),
        "SDK as it comes, semaphore": ("sdk_plain",),
    }
    repeats = 1 if plan.quick or latency == SLOW else 3
    results: dict[str, list[_Result]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (way,) in ways.items():
            results[name].append(_child(latency, way, calls))
    peer = os.environ.get(PEER_VARIABLE)
    if peer:
        results["distilabel, batches of 256"] = [_peer(peer, latency, calls, pictures)]
    best = {name: max(found, key=lambda result: result.speed) for name, found in results.items()}
    ceiling = best["bare SDK, aiohttp"].speed
    rows = [
        (
            name,
            f"{result.speed:.0f}",
            f"{result.speed / ideal:.0%}",
            f"{result.speed / ceiling:.0%}",
            f"{1000 * result.cpu / result.calls:.2f}",
        )
        for name, result in best.items()
    ]
    ours = best["hopyard, replies on disk"].speed
    share, target = (ours / ideal, SLOW_TARGET) if latency == SLOW else (ours / ceiling, FAST_TARGET)
    of = "the ideal" if latency == SLOW else "the bare SDK"
    met = None if plan.quick else share >= target
    notes = [
        f"{calls:,} calls with 100 kB pictures, {IN_FLIGHT} at once; best of {repeats}. Ideal {ideal:.0f} calls/s.",
        f"target: hopyard at least {target:.0%} of {of}: {share:.1%}, {verdict_text(met)}",
    ]
    if not peer:
        notes.append(f"no peer library: {PEER_VARIABLE} names no Python with distilabel")
    headings = ("client", "calls/s", "of ideal", "of SDK", "CPU ms/call")
    return Table(f"model calls, {latency:g} s latency", headings, rows, tuple(notes))


def _child(latency: float, way: str, calls: int) -> _Result:
    with scripted_server(latency) as url:
        command = [sys.executable, "-m", "benchmarks.model_calls_child", way, url, str(calls)]
        return _read(subprocess.run(command, capture_output=True, text=True, timeout=600, check=False))


def _peer(python: str, latency: float, calls: int, pictures: Path) -> _Result:
    script = str(Path(__file__).with_name("model_calls_peer.py"))
    with scripted_server(latency) as url:
        command = [python, script, url, str(calls), str(pictures)]
        return _read(subprocess.run(command, capture_output=True, text=True, timeout=600, check=False))


def _read(done: "subprocess.CompletedProcess[str]") -> _Result:
    if done.returncode:
        raise RuntimeError(f"{done.args} failed: {done.stderr[-2000:]}")
    return _Result(**json.loads(done.stdout.strip().splitlines()[-1]))


@contextmanager
def scripted_server(latency: float, *options: str) -> Iterator[str]:
    """Gives the URL of a stand-in server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scripted_server", "--latency", str(latency), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(30)
