"""Scale: speed with one and two workers, what orchestration costs per image, and memory at 100,000 images.

Images of 64x64 with one annotation that states everything give no question, so the stages do little and what is left
is what the factory itself costs: listing, planning, jobs, parts, manifests, Prefect. Every run is a process of its own.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.child import figures_of
from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from pipelines.comparing import COMPARE
from tests.pipelines.tiny_source import write_source

MOST_OVERHEAD_MS = 2.0
MOST_GROWTH = 1.2
_MEBI = 1 << 20


def run(plan: Plan) -> Iterator[Table]:
    """Yields the tables of workers, of overhead and of memory."""
    yield _workers(plan)
    yield _overhead(plan)
    yield _memory(plan)


def _workers(plan: Plan) -> Table:
    count = 24 if plan.quick else 400
    source = write_source(plan.scratch / f"workers-{count}", count)
    rows, alone = [], 0.0
    for workers in (1, 2):
        found = _child(plan, source, f"workers-out-{workers}", ("--workers", str(workers), "--questions"))
        alone = alone or found["seconds"]
        speedup = alone / found["seconds"]
        rows.append((f"{workers}", f"{found['seconds']:.1f}", f"{count / found['seconds']:.1f}", f"{speedup:.2f}x"))
    notes = (
        f"{count:,} pictures of 192x192 with 6-9 things, one family of questions each; wall time of producing, with "
        f"starting the workers; load of this machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        "Steps over the whole dataset (annotate-import, admit, route) run on one worker.",
    )
    return Table("Scale: workers of one machine", ("workers", "seconds", "images/s", "speed"), rows, notes)


def _overhead(plan: Plan) -> Table:
    count = 200 if plan.quick else 10_000
    source = write_bare_source(plan.scratch / f"bare-{count}", count)
    rows = []
    for name, arguments in (("plain", ()), ("as a Prefect flow", ("--flow",))):
        found = _child(plan, source, f"overhead-{len(rows)}", arguments)
        outside = found["cpu"] - found["stage_cpu"]
        each = 1000 * outside / count
        within = None if plan.quick else each <= MOST_OVERHEAD_MS
        rows.append(
            (name, f"{found['cpu']:.1f}", f"{found['stage_cpu']:.1f}", f"{each:.2f}", f"{MOST_OVERHEAD_MS} ms",
             verdict_text(within))
        )  # fmt: skip
    notes = (
        f"{count:,} images of 64x64 with one annotation, 1 worker; processor seconds of the run's process after its "
        "imports, those inside `process_shard` apart; the Prefect server is another process.",
    )
    headings = ("way", "CPU s", "of it in stages", "ms per image around them", "target", "")
    return Table(f"Scale: what orchestration costs at {count:,} images", headings, rows, notes)


def _memory(plan: Plan) -> Table:
    few, many = (200, 400) if plan.quick else (10_000, 100_000)
    peaks = []
    for count in (few, many):
        source = write_bare_source(plan.scratch / f"bare-{count}", count)
        peaks.append(_child(plan, source, f"memory-{count}", ()))
    rows = []
    for step in peaks[0]["peaks"]:
        rows.append(_growth_row(step, *(found["peaks"][step] for found in peaks)))
    most = [max(peak for step, peak in found["peaks"].items() if step != COMPARE) for found in peaks]
    growth = most[1] / most[0]
    within = None if plan.quick else growth <= MOST_GROWTH
    rows.append((*_growth_row(f"all but {COMPARE}", *most)[:4], f"{MOST_GROWTH}x", verdict_text(within)))
    notes = (
        "Peak resident MiB of one process with 1 worker, everything in it, step by step, on flat images of 64x64 with "
        f"one annotation. {COMPARE} holds a thumbnail of 4 KiB of every picture and is judged by itself.",
        f"Seconds: {peaks[0]['seconds']:.0f} and {peaks[1]['seconds']:.0f}.",
    )
    headings = ("peak", f"{few:,} images", f"{many:,} images", "growth", "target", "")
    return Table("Scale: memory, metadata only", headings, rows, notes)


def _growth_row(name: str, few: float, many: float) -> tuple[str, ...]:
    return (name, f"{few / _MEBI:.0f}", f"{many / _MEBI:.0f}", f"{many / few:.2f}x", "", "")


def write_bare_source(folder: Path, count: int) -> tuple[Path, Path]:
    """Writes ``count`` different 64x64 pictures, 1,000 to a folder, and a COCO file; returns both. Once per folder.

    They differ by single grey values, so they are too flat to be anybody's copy and nothing is compared.
    """
    import struct
    import zlib

    images, annotations = folder / "images", folder / "instances.json"
    if annotations.exists():
        return images, annotations

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    coco: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}
    for number in range(count):
        uri = f"{number // 1000:04d}/{number:07d}.png"
        path = images / uri
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        first = bytes(128 + (number >> bit & 1) for bit in range(64))
        lines = b"\0" + first + 63 * (b"\0" + 64 * b"\x80")
        path.write_bytes(header + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b""))
        coco["images"].append({"id": number, "file_name": uri, "width": 64, "height": 64})
        box = [8, 8, 40, 40]
        corners = [8, 8, 48, 8, 48, 48, 8, 48]
        coco["annotations"].append(
            {"id": number, "image_id": number, "category_id": 1, "segmentation": [corners], "bbox": box, "area": 1600,
             "iscrowd": 0, "attributes": {"colour": "red"}, "visible_fraction": 1.0}
        )  # fmt: skip
    annotations.write_text(json.dumps(coco))
    return images, annotations


def _child(plan: Plan, source: tuple[Path, Path], out: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    return figures_of("benchmarks.scale_child", *source, plan.scratch / out, *arguments)
