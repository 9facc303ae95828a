"""Publishing: against bare pyarrow writing the same rows, and the memory of both layouts per 1,000 rows.

The dataset is produced, as a user's is: rendered scenes through the whole factory, thumbnails and comparison included.
*Writing* starts from rows in memory and ends in the same bytes on the disk, synced, in the same files and row groups.
*The whole command* also reads the tables and the pictures, selects, checks, makes the rows and writes the card; beside
it stands bare pyarrow that only reads the same tables and picture files before it writes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from benchmarks.timing import cpu_seconds, settled_collector, wall_seconds
from pipelines.config import load_profile
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from pipelines.publish_pictures import PICTURES
from pipelines.publish_rows import SOURCES
from pipelines.publish_shards import SplitWriter, write_options
from pipelines.scenes import RenderConfig, write_scenes
from pipelines.segmenter_option import with_segmenter
from pipelines.steps import source_folder
from pipelines.store import Dataset
from schemas.arrow import table_to_records
from schemas.release_row import RELEASE_COLUMNS, RELEASE_SCHEMA, EmbeddedImage, ReleaseRow
from stages.publish import Layout, PublishConfig

LEAST = 0.8
SCENES = 400
_MEGA = 1e6
_MEBI = 1 << 20
Way = Callable[[Path], object]
Rows = Mapping[str, pa.Table]
"""By split."""


def run(plan: Plan) -> Iterator[Table]:
    """Yields the tables of speed and of memory."""
    scenes = 12 if plan.quick else SCENES
    dataset = Dataset(plan.dataset) if plan.dataset else produced(plan, scenes)
    release = publish_dataset(dataset.root, plan.scratch / "published" / "release")
    rows = {
        split: pa.concat_tables([pq.read_table(release.folder / f.path) for f in release.files if f.split == split])
        for split in release.rows
    }
    with settled_collector():
        yield _speed(plan, dataset, rows)
    yield _memory(plan, (produced(plan, scenes // 4), dataset))


@cache
def produced(plan: Plan, scenes: int) -> Dataset:
    """Returns a dataset of the default profile over so many rendered scenes."""
    annotations = write_scenes(plan.scratch / f"scenes-{scenes}", scenes, 0, RenderConfig())
    config = with_segmenter(load_profile("default"), None, None, annotated=True)
    options = RunOptions(
        out=plan.scratch / f"produced-{scenes}",
        config=config,
        source=annotations.parent / "images",
        annotations=annotations,
    )
    return Dataset(produce_plain(options).root)


def _speed(plan: Plan, dataset: Dataset, rows: Rows) -> Table:
    records = {split: list(table_to_records(table, ReleaseRow)) for split, table in rows.items()}
    ours = {split: _as_columns(table) for split, table in rows.items()}
    ways: dict[str, Way] = {
        "bare pyarrow, from Arrow tables": lambda out: _bare(out, rows),
        "SplitWriter, from columns": lambda out: _from_columns(out, ours),
        "SplitWriter, from row records": lambda out: _from_records(out, records),
        "bare pyarrow, reading what is published": lambda out: _bare(out, _read(dataset, rows)),
        "publish_dataset, the whole command": lambda out: publish_dataset(dataset.root, out / "release"),
    }
    repeats = 1 if plan.quick else 5
    times = _times(plan, ways, repeats)
    total = sum(table.num_rows for table in rows.values())
    size = sum(path.stat().st_size for path in (plan.scratch / "publishing-0-0").glob("*.parquet")) / _MEGA
    names = list(ways)
    memory, disk = times[names[0]], times[names[3]]
    lines = []
    for name, (wall, cpu) in times.items():
        pairs = ((memory[0], wall), (memory[1], cpu), (disk[0], wall), (disk[1], cpu))
        lines.append((name, f"{total / wall:,.0f}", f"{size / wall:.0f}", *(f"{one / own:.2f}" for one, own in pairs)))
    written = memory[0] / times[names[1]][0]
    met = verdict_text(None if plan.quick else written >= LEAST)
    pictures = sum(len(pc.unique(table["image_id"])) for table in rows.values())
    notes = (
        f"{total:,} rows, {pictures} pictures, {size:.0f} MB; median of {repeats}, ways taking turns.",
        f"Target: {LEAST:.0%} of bare pyarrow's speed or more, both from Arrow tables: {written:.2f}, {met}.",
    )
    headings = ("way", "rows/s", "MB/s", "to memory, wall", "CPU", "to reading, wall", "CPU")
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


def _as_columns(rows: pa.Table) -> tuple[pa.Table, list[EmbeddedImage]]:
    """Returns rows as our columns come to the writer: without pictures, and the pictures, one object per picture."""
    known: dict[str, EmbeddedImage] = {}
    pictures = []
    for (image,) in rows[PICTURES].to_pylist():
        pictures.append(known.setdefault(image["path"], EmbeddedImage(**image)))
    columns = pa.schema([field for field in RELEASE_COLUMNS if field.name != PICTURES])
    return rows.select(columns.names).cast(columns), pictures


def _read(dataset: Dataset, rows: Rows) -> Rows:
    """Reads every table that a release is made from and every picture that it holds; returns the rows with these."""
    for name in SOURCES:
        dataset.read(name)
    source = source_folder(dataset.root, dataset.info)
    found = {}
    for split, table in rows.items():
        uris = table["image_uri"].combine_chunks().dictionary_encode()
        data = pa.array([(source / uri).read_bytes() for uri in uris.dictionary.to_pylist()], pa.binary())
        lists = table[PICTURES].combine_chunks()
        pictures = pa.StructArray.from_arrays(
            [data.take(uris.indices), lists.flatten().field("path")], fields=list(lists.type.value_type)
        )
        place = table.column_names.index(PICTURES)
        column = pa.ListArray.from_arrays(lists.offsets, pictures, type=lists.type)
        found[split] = table.set_column(place, RELEASE_SCHEMA.field(PICTURES), column)
    return found


def _bare(out: Path, rows: Rows) -> None:
    """Writes files as a release has them: the same row groups, compression and dictionaries."""
    for split, table in rows.items():
        path = out / f"{split}.parquet"
        with pq.ParquetWriter(path, RELEASE_SCHEMA, **write_options(RELEASE_SCHEMA)) as writer:
            for start in range(0, table.num_rows, PublishConfig().rows_per_group):
                writer.write_table(table.slice(start, PublishConfig().rows_per_group))
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _from_columns(out: Path, rows: Mapping[str, tuple[pa.Table, list[EmbeddedImage]]]) -> None:
    writers = {split: SplitWriter(out, split, PublishConfig()) for split in rows}
    for split, (columns, pictures) in rows.items():
        writers[split].add_columns(columns, pictures)
        writers[split].seal()
    for writer in writers.values():
        writer.finish()


def _from_records(out: Path, rows: Mapping[str, Sequence[ReleaseRow]]) -> None:
    for split, records in rows.items():
        writer = SplitWriter(out, split, PublishConfig())
        for record in records:
            writer.add(record)
        writer.finish()


def _memory(plan: Plan, datasets: Sequence[Dataset]) -> Table:
    """Peaks of a process that publishes few and many rows: what 1,000 rows more cost."""
    lines, counts = [], [0, 0]
    for layout in Layout:
        peaks = []
        for number, dataset in enumerate(datasets):
            peak, counts[number] = _peak(dataset, plan.scratch / f"publishing-memory-{number}-{layout}", layout)
            peaks.append(peak / _MEBI)
        more = (peaks[1] - peaks[0]) / ((counts[1] - counts[0]) / 1000)
        lines.append((layout.value, *(f"{peak:.0f}" for peak in peaks), f"{more:.1f}"))
    notes = ("Peak resident memory in MiB of one process that publishes, imports included.",)
    headings = ("layout", *(f"{count:,} rows" for count in counts), "more per 1,000 rows")
    return Table("Publish: memory", headings, lines, notes)


def _peak(dataset: Dataset, out: Path, layout: Layout) -> tuple[float, int]:
    """Returns the peak in bytes, and how many rows were published."""
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.publishing_child", str(dataset.root), str(out / "release"), layout.value],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    peak, rows = json.loads(child.stdout.splitlines()[-1])
    return float(peak), int(rows)
