"""DuckDB as the factory's own tool: joins and sorts over parts, out of core, with bounded memory."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.parts import TEMPORARY_MARK
from pipelines.settings import settings


@contextmanager
def open_engine(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Gives a connection that spills to a temporary folder of the dataset, which is gone afterwards."""
    spill = tempfile.mkdtemp(prefix=f"spill{TEMPORARY_MARK}", dir=root)
    connection = duckdb.connect()
    try:
        connection.execute(f"set temp_directory = '{_quoted(spill)}'")
        connection.execute(f"set memory_limit = '{settings().engine_memory}'")
        connection.execute("set threads = 2")
        connection.execute("set preserve_insertion_order = false")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def parquet_source(paths: Sequence[str], filename: bool = False) -> str:
    """Returns the SQL of a table function that reads the files; empty where there are none."""
    if not paths:
        return ""
    listed = ", ".join(f"'{_quoted(path)}'" for path in paths)
    return f"read_parquet([{listed}]{', filename = true' if filename else ''})"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
