"""Store: committing parts against bare pyarrow writing the same tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.plan import Plan
from benchmarks.rendered import painted_options
from benchmarks.table import Table
from benchmarks.timing import cpu_seconds, settled_collector, wall_seconds
from pipelines.produce import produce_plain
from pipelines.store import Dataset, ShardWriter
from pipelines.tables import TABLES
from schemas.manifest import ShardManifest
from schemas.question import Question

WRITTEN = ("images", "instances", "categories", "questions", "verdicts", "drops")
SHARDS = 40
_MEGA = 1e6


class _Speed(NamedTuple):
    wall: float
    cpu: float


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of writing."""
    dataset = Dataset(produce_plain(painted_options(plan, plan.scratch / "stored")).root)
    tables = {name: dataset.read(name) for name in WRITTEN}
    with settled_collector():
        yield _writing(plan, tables)


def _writing(plan: Plan, tables: Mapping[str, pa.Table]) -> Table:
    shards, repeats = (4, 1) if plan.quick else (SHARDS, 5)
    rows = shards * sum(table.num_rows for table in tables.values())
    size = shards * sum(table.nbytes for table in tables.values()) / _MEGA
    questions = list(Dataset(plan.scratch / "stored").records("questions", Question))
    ways: dict[str, Callable[[Path], None]] = {
        "bare pyarrow, zstd": lambda out: _bare(out, tables, shards),
        "the same, sorted": lambda out: _bare(out, tables, shards, in_order=True),
        "ShardWriter + commit": lambda out: _committed(out, tables, shards),
    }
    speeds = _speeds(plan.scratch, ways, repeats)
    bare = speeds["bare pyarrow, zstd"]
    lines = [
        (name, f"{rows / s.wall:,.0f}", f"{size / s.wall:.0f}", f"{bare.wall / s.wall:.2f}", f"{bare.cpu / s.cpu:.2f}")
        for name, s in speeds.items()
    ]
    lines.append(("questions from records", f"{_from_records(plan, questions, repeats):,.0f}", "", "", ""))
    notes = (
        f"{shards} shards of {len(WRITTEN)} tables, {rows:,} rows, {size:.0f} MB in Arrow; median of {repeats}.",
        "A part is sorted, checksummed, synced to disk, renamed; a manifest is synced and linked: the price of being "
        "whole or not there. Wall time is mostly the disk's.",
        "The last line turns question records with hops, trace and certificates into a part.",
    )
    headings = ("way", "rows/s", "MB/s", "speed to bare, wall", "speed to bare, CPU")
    return Table("Store: writing and committing tables", headings, lines, notes)


def _speeds(scratch: Path, ways: Mapping[str, Callable[[Path], None]], repeats: int) -> dict[str, _Speed]:
    """Returns the median speeds; the ways take turns, so that a busy moment hits all of them."""
    found: dict[str, list[_Speed]] = {name: [] for name in ways}
    for turn in range(repeats):
        for number, (name, way) in enumerate(ways.items()):
            out = scratch / f"store-{turn}-{number}"
            out.mkdir()
            wall, (cpu, _) = wall_seconds(lambda way=way, out=out: cpu_seconds(lambda: way(out)))
            found[name].append(_Speed(wall, cpu))
    return {name: _Speed(*(median(values) for values in zip(*times, strict=True))) for name, times in found.items()}


def _bare(out: Path, tables: Mapping[str, pa.Table], shards: int, in_order: bool = False) -> None:
    for name, table in tables.items():
        (out / name).mkdir()
        for shard in range(shards):
            rows = table.sort_by([(column, "ascending") for column in TABLES[name].order]) if in_order else table
            pq.write_table(rows, out / name / f"{shard:06d}.parquet", compression="zstd")


def _committed(out: Path, tables: Mapping[str, pa.Table], shards: int) -> None:
    dataset = Dataset(out)
    for shard in range(shards):
        writer = ShardWriter(dataset, f"{shard:064d}")
        for name, table in tables.items():
            writer.add_rows(name, table, shard)
        _commit(dataset, writer, shard)


def _commit(dataset: Dataset, writer: ShardWriter, shard: int) -> None:
    dataset.commit(
        ShardManifest(
            stage="bench",
            shard=shard,
            key=f"{shard:064d}",
            version=1,
            config_hash="0" * 16,
            input_digest="0" * 64,
            counts=(),
            parts=writer.parts,
            seconds=0.0,
        )
    )


def _from_records(plan: Plan, questions: Sequence[Question], repeats: int) -> float:
    """Returns the rows per second of turning records into a part."""
    seconds = []
    for turn in range(repeats):
        writer = ShardWriter(Dataset(plan.scratch / f"records-{turn}"), "0" * 64)
        seconds.append(wall_seconds(lambda writer=writer: writer.add_records("questions", questions, 0))[0])
    return len(questions) / median(seconds)
