"""Automatic masks: ours against `SamAutomaticMaskGenerator` of `segment_anything`, same weights, same pictures.

Each variant runs in a process of its own, so that peak memory is its own. The generator is run with more and more
points until it finds as much as ours: that density is the one compared with. Needs the environment of the model tests.
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
SCENES = 12
OURS = ("embedded", "segment-anything")
SIDES = (8, 12, 16, 24, 32)
"""Points along each side of the generator's grid, tried in this order; 32 is its default."""
EQUAL = 0.01
"""Recalls this close are equal."""
TARGET = 3.0


def run(plan: Plan) -> Iterator[Table]:
    """Yields masks per second, recall and memory of each variant; one line where the environment is missing."""
    headings = ("variant", "masks/cpu s", "cpu s", "wall s", "points", "recall .5", "precision", "peak MB", "times", "")
    if not PYTHON.exists():
        note = f"left out: {PYTHON.parent.parent.name} is not there (make env-models)"
        yield Table("Automatic masks", headings, [], (note,))
        return
    count = 3 if plan.quick else (plan.scenes or SCENES)
    pictures = plan.scratch / "segmenters.npz"
    _write(pictures, count)
    ours = {name: _measure(name, pictures) for name in OURS}
    theirs = _generators(ours["embedded"], pictures, SIDES[:1] if plan.quick else SIDES)
    rows = [_row(name, one, list(theirs.values()), plan.quick) for name, one in (ours | theirs).items()]
    notes = (
        f"{count} rendered scenes of 512x384, weights of the package, one thread of the processor; seconds are per "
        "picture. The generator has our thresholds, and more points a side until it finds as much as embedded.",
        "Embedded: the graphs in onnxruntime. segment-anything: the same weights in torch through our back-end, which "
        "does not know where the ground is, and asks about all of it.",
        f"Times: masks per processor second against the generator with the fewest points that finds as much (recall "
        f"within {EQUAL:.0%}), or where none does the one that finds most; target {TARGET:.0f}.",
    )
    yield Table("Automatic masks", headings, rows, notes)


def _generators(ours: dict[str, Any], pictures: Path, sides: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Returns the generator's measures by density, up to the first that finds as much as ours."""
    found: dict[str, dict[str, Any]] = {}
    for side in sides:
        name = f"generator {side}"
        found[name] = _measure(name, pictures)
        if as_much(found[name], ours):
            break
    return found


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


def _row(name: str, one: dict[str, Any], generators: Sequence[dict[str, Any]], quick: bool) -> tuple[str, ...]:
    times, met = "", ""
    if name in OURS:
        factor = rate(one) / rate(rival_of(one, generators))
        times, met = f"{factor:.1f}", verdict_text(None if quick else factor >= TARGET)
    return (
        name,
        f"{rate(one):.1f}",
        f"{one['cpu_seconds'] / one['pictures']:.3f}",
        f"{one['seconds'] / one['pictures']:.3f}",
        f"{one['points'] / one['pictures']:.0f}",
        f"{one['hits'] / one['things']:.3f}",
        f"{one['hits'] / max(one['masks'], 1):.3f}",
        f"{one['peak_mb']:.0f}",
        times,
        met,
    )


def rate(one: dict[str, Any]) -> float:
    """Returns masks per processor second that belong to a thing: found twice, or nothing, counts for nobody."""
    return float(one["hits"] / one["cpu_seconds"])


def as_much(one: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Returns whether it finds as much as ours, within `EQUAL`."""
    return bool(one["hits"] / one["things"] >= ours["hits"] / ours["things"] - EQUAL)


def rival_of(ours: dict[str, Any], generators: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the first generator that finds as much as ours; else the one that finds most."""
    enough = [one for one in generators if as_much(one, ours)]
    return enough[0] if enough else max(generators, key=lambda one: one["hits"])
