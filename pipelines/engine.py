"""DuckDB as the factory's own tool: joins and sorts over parts, out of core, with bounded memory."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.bucket import BucketPath
from pipelines.bucket_store import open_filesystem
from pipelines.parts import make_scratch
from pipelines.settings import settings


@contextmanager
def open_engine(root: Path, threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """Gives a connection that spills to a temporary folder of the dataset, which is gone afterwards.

    Each thread has buffers of its own for every join and sort.
    """
    spill = make_scratch(root, "spill")
    connection = duckdb.connect()
    try:
        if isinstance(root, BucketPath):
            connection.register_filesystem(open_filesystem())
        connection.execute(f"set temp_directory = '{_quoted(str(spill))}'")
        connection.execute(f"set memory_limit = '{settings().engine_memory}'")
        connection.execute(f"set threads = {threads}")
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set enable_progress_bar = false")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def parquet_source(paths: Sequence[str], filename: bool = False) -> str:
    """Returns the SQL of a table function that reads exactly these files; empty where there are none.

    Names of folders say nothing about rows: `answer=3` is no column, `photos [2024]` and `a*` are no patterns.
    """
    if not paths:
        return ""
    listed = ", ".join(f"'{_quoted(_no_pattern(path))}'" for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false{', filename = true' if filename else ''})"


def _no_pattern(path: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
