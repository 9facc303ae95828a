"""Whole tables, an image range at a time: what lets a release be in image order with little memory.

Ids of images are hashes, so the first hexadecimal digits cut every table into even ranges. Small tables are one range
and are simply read. Large ones are first dealt out to one file per range; then one range after the other is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.parts import readable
from pipelines.store import Dataset
from pipelines.tables import TABLES

ROWS_PER_BUCKET = 4096
MOST_DIGITS = 2
"""256 ranges: as many files are open at a time while a table is dealt out."""
_BUFFER_ROWS = 2048

Bucket = Mapping[str, pa.Table]


def read_buckets(
    dataset: Dataset, tables: Sequence[str], folder: Path, rows_per_bucket: int = ROWS_PER_BUCKET
) -> Iterator[Bucket]:
    """Yields the rows of each image range, ranges ascending, by table; every table has a column image_id.

    Args:
        dataset: Whose committed parts are read.
        tables: Names of tables.
        folder: For the files in between; must not exist. Its files are gone when the last range was read.
        rows_per_bucket: Rows of the largest table that are about right to hold at once.
    """
    most = max(sum(part.rows for part in dataset.parts(table)) for table in tables)
    digits = next((n for n in range(MOST_DIGITS) if most <= rows_per_bucket * 16**n), MOST_DIGITS)
    if digits == 0:
        yield {table: dataset.read(table) for table in tables}
        return
    names = [f"{number:0{digits}x}" for number in range(16**digits)]
    for table in tables:
        _deal_out(dataset, table, folder, names)
    pa.default_memory_pool().release_unused()
    for name in names:
        yield {table: _take_up(folder / table / name) for table in tables}


def _deal_out(dataset: Dataset, table: str, folder: Path, names: Sequence[str]) -> None:
    """Writes each row of a table to the file of its image's range."""
    (folder / table).mkdir(parents=True)
    schema = TABLES[table].schema
    with ExitStack() as stack:
        writers = {name: stack.enter_context(pa.ipc.new_stream(str(folder / table / name), schema)) for name in names}
        for rows in _read_in_steps(dataset, table):
            prefixes = pc.utf8_slice_codeunits(rows["image_id"], 0, len(names[0]))
            order = pc.sort_indices(prefixes)
            ordered, keys = rows.take(order), prefixes.take(order)
            start = 0
            for run in pc.run_end_encode(keys.combine_chunks()).run_ends.to_pylist() if rows.num_rows else ():
                writers[keys[start].as_py()].write_table(ordered.slice(start, run - start))
                start = run


def _read_in_steps(dataset: Dataset, table: str) -> Iterator[pa.Table]:
    """Yields the table in pieces of some thousand rows, whatever the size of its parts."""
    schema = TABLES[table].schema
    waiting: list[pa.Table] = []
    for part in dataset.parts(table):
        with pq.ParquetFile(readable(dataset.root / part.path)) as file:
            for batch in file.iter_batches(_BUFFER_ROWS):
                waiting.append(pa.Table.from_batches([batch]).cast(schema))
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
