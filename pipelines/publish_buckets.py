"""Whole tables, an image range at a time: what lets a release be in image order with little memory.

Ids of images are hashes, so the first hexadecimal digits cut every table into even ranges. Small tables are one range
and are simply read. Large ones are first dealt out to one file per range; then one range after the other is read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.parts import readable
from pipelines.store import Dataset, check_columns
from pipelines.tables import TABLES
from schemas.manifest import Part

ROWS_PER_BUCKET = 4096
MOST_DIGITS = 2
"""256 ranges: as many files are open at a time while a table is dealt out."""
_BUFFER_ROWS = 2048

Bucket = Mapping[str, pa.Table]


class Wanted(NamedTuple):
    """Which rows are wanted: those about these questions; of tables that name no question, those about these images."""

    questions: pa.Array
    images: pa.Array

    def rows_of(self, rows: pa.Table) -> pa.Table:
        """Returns the wanted rows of a table."""
        if "question_id" in rows.column_names:
            return rows.filter(pc.is_in(rows["question_id"], value_set=self.questions))
        return rows.filter(pc.is_in(rows["image_id"], value_set=self.images))

    def share_of(self, table: str, rows: Mapping[str, int]) -> float:
        """Returns about which share of a table is wanted; ``rows`` is how many there are, by table."""
        if "question_id" in TABLES[table].schema.names:
            return min(1.0, len(self.questions) / max(1, rows["questions"]))
        return min(1.0, len(self.images) / max(1, rows["images"]))


def read_buckets(
    dataset: Dataset,
    tables: Sequence[str],
    folder: Path,
    rows_per_bucket: int = ROWS_PER_BUCKET,
    wanted: Wanted | None = None,
) -> Iterator[Bucket]:
    """Yields the rows of each image range, ranges ascending, by table; every table has a column image_id.

    Args:
        dataset: Whose committed parts are read.
        tables: Names of tables.
        folder: For the files in between; must not exist. Its files are gone when the last range was read.
        rows_per_bucket: Rows of the largest table that are about right to hold at once.
        wanted: Which rows; all, where it is not given.
    """
    parts = _parts_of(dataset)
    rows = {table: sum(part.rows for part in parts[table]) for table in {*tables, "questions", "images"}}
    most = max(rows[table] * (wanted.share_of(table, rows) if wanted else 1.0) for table in tables)
    digits = next((n for n in range(MOST_DIGITS) if most <= rows_per_bucket * 16**n), MOST_DIGITS)
    if digits == 0:
        found = {table: _read_in_steps(dataset, table, parts[table], wanted) for table in tables}
        yield {table: pa.concat_tables([TABLES[table].schema.empty_table(), *each]) for table, each in found.items()}
        return
    names = [f"{number:0{digits}x}" for number in range(16**digits)]
    for table in tables:
        steps = _read_in_steps(dataset, table, parts[table], wanted)
        _deal_out(folder / table, TABLES[table].schema, steps, names)
    pa.default_memory_pool().release_unused()
    for name in names:
        yield {table: _take_up(folder / table / name) for table in tables}


def _parts_of(dataset: Dataset) -> dict[str, list[Part]]:
    """Returns the committed parts by table, in their order; all manifests are read once."""
    found: dict[str, list[Part]] = defaultdict(list)
    for manifest in dataset.manifests():
        for part in manifest.parts:
            found[part.table].append(part)
    for parts in found.values():
        parts.sort(key=lambda part: (part.shard, part.path))
    return found


def _deal_out(folder: Path, schema: pa.Schema, steps: Iterable[pa.Table], names: Sequence[str]) -> None:
    """Writes each row to the file of its image's range."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        writers = {name: stack.enter_context(pa.ipc.new_stream(str(folder / name), schema)) for name in names}
        for rows in steps:
            prefixes = pc.utf8_slice_codeunits(rows["image_id"], 0, len(names[0]))
            order = pc.sort_indices(prefixes)
            ordered, keys = rows.take(order), prefixes.take(order)
            start = 0
            for run in pc.run_end_encode(keys.combine_chunks()).run_ends.to_pylist() if rows.num_rows else ():
                writers[keys[start].as_py()].write_table(ordered.slice(start, run - start))
                start = run


def _read_in_steps(dataset: Dataset, table: str, parts: Sequence[Part], wanted: Wanted | None) -> Iterator[pa.Table]:
    """Yields the wanted rows in pieces of some thousand, whatever the size of the table's parts."""
    schema = TABLES[table].schema
    waiting: list[pa.Table] = []
    for part in parts:
        with pq.ParquetFile(readable(dataset.root / part.path)) as file:
            check_columns(dataset.root, table, file.schema_arrow.names, schema.names)
            for batch in file.iter_batches(_BUFFER_ROWS):
                rows = pa.Table.from_batches([batch]).cast(schema)
                waiting.append(wanted.rows_of(rows) if wanted else rows)
                if sum(rows.num_rows for rows in waiting) >= _BUFFER_ROWS:
                    yield pa.concat_tables(waiting)
                    waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _take_up(path: Path) -> pa.Table:
    """Returns a range's rows and removes its file."""
    with pa.ipc.open_stream(str(path)) as reader:
        rows = reader.read_all()
    path.unlink()
    return rows
