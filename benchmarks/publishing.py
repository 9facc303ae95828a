"""Publishing: against bare pyarrow writing the same rows, and the memory of both layouts per 1,000 rows.

The rows are those of a release with pictures of 512x384. *Writing* starts from rows in memory: ours are records, bare
pyarrow's the same values as Python objects; both end in the same bytes on the disk, synced. *The whole command* also
reads the tables and the pictures, checks and builds the rows, digests the files and writes the card.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from benchmarks.timing import cpu_seconds, settled_collector, wall_seconds
from pipelines.publish import publish_dataset
from pipelines.publish_shards import SplitWriter, write_options
from schemas.arrow import table_to_records
from schemas.release_row import RELEASE_SCHEMA, ReleaseRow
from stages.publish import Layout, PublishConfig
from tests.release_makers import encode, make_dataset, make_pixels

LEAST = 0.8
PER_IMAGE = 5
_MEGA = 1e6
_MEBI = 1 << 20
Way = Callable[[Path], object]


def run(plan: Plan) -> Iterator[Table]:
    """Yields the tables of speed and of memory."""
    pictures = 40 if plan.quick else 400
    dataset = make_dataset(plan.scratch / "publishing", dict(_pictures(pictures)), PER_IMAGE)
    release = publish_dataset(dataset.root)
    rows = pa.concat_tables([pq.read_table(release.folder / file.path) for file in release.files])
    with settled_collector():
        yield _speed(plan, dataset.root, rows)
    yield _memory(plan, (pictures // 4, pictures))


def _pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Yields photo-like JPEG files of about 60 kB: shapes under noise."""
    for number in range(count):
        noise = np.random.default_rng(number).integers(-12, 13, (384, 512, 1))
        pixels = np.clip(make_pixels(number, 512, 384).astype(np.int16) + noise, 0, 255).astype(np.uint8)
        yield f"{number:05d}.jpg", encode(pixels, "JPEG", quality=85)


def _speed(plan: Plan, root: Path, rows: pa.Table) -> Table:
    plain = rows.to_pylist()
    records = list(table_to_records(rows, ReleaseRow))
    ways: dict[str, Way] = {
        "bare pyarrow, from an Arrow table": lambda out: _bare(out, rows),
        "bare pyarrow, from Python rows": lambda out: _bare_rows(out, plain),
        "ours, from rows (SplitWriter)": lambda out: _ours(out, records),
        "ours, the whole command": lambda out: publish_dataset(root, out / "release"),
    }
    times = _times(plan, ways, 1 if plan.quick else 5)
    size = sum(path.stat().st_size for path in (plan.scratch / "publishing-0-0").glob("*.parquet")) / _MEGA
    table, python = (times[name] for name in list(ways)[:2])
    lines = []
    for name, (wall, cpu) in times.items():
        ratios = [
            f"{one / other:.2f}"
            for one, other in ((table[0], wall), (table[1], cpu), (python[0], wall), (python[1], cpu))
        ]
        lines.append((name, f"{rows.num_rows / wall:,.0f}", f"{size / wall:.0f}", *ratios))
    written = python[0] / times["ours, from rows (SplitWriter)"][0]
    met = verdict_text(None if plan.quick else written >= LEAST)
    notes = (
        f"{rows.num_rows:,} rows, {rows.num_rows // PER_IMAGE} pictures, {size:.0f} MB; median of "
        f"{1 if plan.quick else 5}, ways taking turns.",
        f"Target: writing the same rows at {LEAST:.0%} of bare pyarrow's speed or more: {written:.2f}, {met}.",
    )
    headings = ("way", "rows/s", "MB/s", "to Arrow, wall", "CPU", "to rows, wall", "CPU")
    return Table("Publish: the same bytes by bare pyarrow", headings, lines, notes)


def _times(plan: Plan, ways: dict[str, Way], repeats: int) -> dict[str, tuple[float, float]]:
    """Returns median wall and processor seconds; the ways take turns, so that a busy moment hits all of them."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(repeats):
        for number, (name, way) in enumerate(ways.items()):
            out = plan.scratch / f"publishing-{turn}-{number}"
            out.mkdir()
            wall, (cpu, _) = wall_seconds(lambda way=way, out=out: cpu_seconds(lambda: way(out)))
            found[name].append((wall, cpu))
    return {name: (median(w for w, _ in times), median(c for _, c in times)) for name, times in found.items()}


def _bare_rows(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    _bare(out, pa.Table.from_pylist(rows, schema=RELEASE_SCHEMA))


def _bare(out: Path, rows: pa.Table) -> None:
    """Writes one file as a release has it: the same row groups, compression and dictionaries."""
    path = out / "rows.parquet"
    with pq.ParquetWriter(path, RELEASE_SCHEMA, **write_options(RELEASE_SCHEMA)) as writer:
        for start in range(0, rows.num_rows, PublishConfig().rows_per_group):
            writer.write_table(rows.slice(start, PublishConfig().rows_per_group))
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _ours(out: Path, records: Sequence[ReleaseRow]) -> None:
    writer = SplitWriter(out, "train", PublishConfig())
    for record in records:
        writer.add(record)
    writer.finish()


def _memory(plan: Plan, pictures: tuple[int, int]) -> Table:
    """Peaks of a process that publishes few and many rows: what 1,000 rows more cost."""
    lines = []
    for layout in Layout:
        peaks = [_peak(plan, count, layout) for count in pictures]
        thousands = (pictures[1] - pictures[0]) * PER_IMAGE / 1000
        more = (peaks[1] - peaks[0]) / thousands / _MEBI
        lines.append((layout.value, *(f"{peak / _MEBI:.0f}" for peak in peaks), f"{more:.1f}"))
    few, many = (f"{count * PER_IMAGE:,} rows" for count in pictures)
    notes = ("Peak resident memory in MiB of one process that publishes, imports included.",)
    return Table("Publish: memory", ("layout", few, many, "more per 1,000 rows"), lines, notes)


def _peak(plan: Plan, count: int, layout: Layout) -> float:
    root = plan.scratch / f"publishing-memory-{count}"
    if not root.exists():
        make_dataset(root, dict(_pictures(count)), PER_IMAGE)
    out = plan.scratch / f"publishing-memory-{count}-{layout}"
    arguments = [str(root / "dataset"), str(out), layout.value]
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.publishing_child", *arguments],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(child.stdout.splitlines()[-1]))
