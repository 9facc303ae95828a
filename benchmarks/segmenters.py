"""Automatic masks: ours against `SamAutomaticMaskGenerator` of `segment_anything`, same weights, same pictures.

Each variant runs in a process of its own, so that peak memory is its own. The generator is run at several densities of
its grid; the one that counts is the fastest that finds as much as ours. Needs the environment of the model tests.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from stages.rendering.config import RenderConfig
from stages.rendering.scene import render_scene

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-models" / "bin" / "python"
SCENES = 24
OURS = ("embedded", "segment-anything")
GENERATOR = ("generator 12", "generator 16", "generator 24", "generator 32")
"""Points along each side of the generator's grid; 32 is its default."""
EQUAL = 0.01
"""Recalls this close are equal."""
TARGET = 3.0


def run(plan: Plan) -> Iterator[Table]:
    """Yields masks per second, recall and memory of each variant; one line where the environment is missing."""
    headings = ("variant", "masks/s", "s/picture", "points", "recall .5", "precision", "peak MB", "times", "")
    if not PYTHON.exists():
        note = f"left out: {PYTHON.parent.parent.name} is not there (make env-models)"
        yield Table("Automatic masks", headings, [], (note,))
        return
    pictures = plan.scratch / "segmenters.npz"
    _write(pictures, 3 if plan.quick else SCENES)
    found = {name: _measure(name, pictures) for name in (*OURS, *(GENERATOR[:1] if plan.quick else GENERATOR))}
    rows = [_row(name, one, found, plan.quick) for name, one in found.items()]
    count = 3 if plan.quick else SCENES
    notes = (
        f"{count} rendered scenes of 512x384, weights of the package, one thread of the processor; the generator with "
        "the same thresholds, best of two passes.",
        "Embedded: the graphs in onnxruntime. segment-anything: the same weights in torch through our back-end, which "
        "does not know where the ground is, and asks about all of it.",
        f"Times: against the fastest generator that finds as much (recall within {EQUAL:.0%}), or else the one that "
        f"finds most; target {TARGET:.0f}.",
    )
    yield Table("Automatic masks", headings, rows, notes)


def _write(path: Path, count: int) -> None:
    scenes = [render_scene(f"segmenters:{number}", RenderConfig()) for number in range(count)]
    ids = np.zeros((count, *scenes[0].image.shape[:2]), dtype=np.uint8)
    for number, scene in enumerate(scenes):
        for index, thing in enumerate(scene.things, start=1):
            ids[number][thing.mask] = index
    np.savez(path, images=np.stack([scene.image for scene in scenes]), ids=ids)


def _measure(name: str, pictures: Path) -> dict[str, Any]:
    command = [str(PYTHON), "-m", "benchmarks.segmenters_child", name, str(pictures)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _row(name: str, one: dict[str, Any], found: dict[str, dict[str, Any]], quick: bool) -> tuple[str, ...]:
    times, met = "", ""
    if name in OURS:
        rival = rival_of(one, [other for key, other in found.items() if key not in OURS])
        factor = rate(one) / rate(rival)
        times, met = f"{factor:.1f}", verdict_text(None if quick else factor >= TARGET)
    return (
        name,
        f"{rate(one):.1f}",
        f"{one['seconds'] / one['pictures']:.3f}",
        f"{one['points'] / one['pictures']:.0f}",
        f"{one['hits'] / one['things']:.3f}",
        f"{one['hits'] / max(one['masks'], 1):.3f}",
        f"{one['peak_mb']:.0f}",
        times,
        met,
    )


def rate(one: dict[str, Any]) -> float:
    """Returns masks per second that belong to a thing: what is found twice, or is nothing, counts for nobody."""
    return float(one["hits"] / one["seconds"])


def rival_of(ours: dict[str, Any], generators: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the fastest generator with at least our recall, within `EQUAL`; else the one that finds most."""
    enough = [one for one in generators if one["hits"] / one["things"] >= ours["hits"] / ours["things"] - EQUAL]
    return max(enough, key=rate) if enough else max(generators, key=lambda one: one["hits"])
