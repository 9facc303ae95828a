"""SQL over a dataset for users: one view per table, and nothing else within reach.

DuckDB reads the committed parts through a file system that knows them and cannot write (`pipelines.part_files`); of
any other file, and of the network, it sees nothing. Parts in a bucket are Arrow datasets instead. A connection sees
what was committed when it was opened, also while a run goes on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow.dataset

from pipelines.bucket import BucketPath
from pipelines.bucket_store import arrow_filesystem
from pipelines.engine import parquet_source
from pipelines.errors import UserError
from pipelines.manifest_tables import manifest_tables
from pipelines.part_files import SCHEME, PartFiles
from pipelines.settings import settings
from pipelines.store import Dataset
from pipelines.tables import TABLES, VIEWS

READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
"""DESCRIBE, SHOW and SUMMARIZE are selects to DuckDB."""

_LOCKED = {
    "temp_directory": "''",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allowed_directories": f"['{SCHEME}']",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""In this order: the last makes the others final. Without external access there is no file, network or extension."""


class Answer(NamedTuple):
    """The rows of a query."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[object, ...]]


def connect(dataset: Dataset, internal: bool = False) -> duckdb.DuckDBPyConnection:
    """Returns a connection with a view per table, typed and empty where nothing was committed yet.

    With ``internal`` the tables between stages are there too.
    """
    connection = duckdb.connect()
    connection.execute(f"set memory_limit = '{settings().query_memory}'")
    connection.execute("set preserve_insertion_order = false")
    manifests = dataset.manifests()
    names = TABLES if internal else VIEWS
    parts = {name: sorted(part.path for m in manifests for part in m.parts if part.table == name) for name in names}
    if not isinstance(dataset.root, BucketPath):
        connection.register_filesystem(PartFiles(dataset.root, chain.from_iterable(parts.values())))
    for name, paths in parts.items():
        if paths and not isinstance(dataset.root, BucketPath):
            connection.execute(f"CREATE VIEW {name} AS FROM {parquet_source([SCHEME + path for path in paths])}")
        else:
            connection.register(name, _rows_of(dataset.root, name, paths))
    for name, rows in manifest_tables(manifests).items():
        connection.register(name, rows)
    for statement in combined_views():
        connection.execute(statement)
    for option, value in _LOCKED.items():
        connection.execute(f"set {option} = {value}")
    return connection


def combined_views() -> list[str]:
    """Returns the statements that make the views and macros over the tables."""
    texts = [(files("pipelines.sql") / name).read_text(encoding="utf-8") for name in ("views.sql", "macros.sql")]
    return [statement.query for text in texts for statement in duckdb.extract_statements(text)]


def _rows_of(root: Path, table: str, paths: Sequence[str]) -> Any:  # noqa: ANN401 - Arrow has no types
    """Returns the rows of parts in a bucket as something that DuckDB scans, or an empty table."""
    schema = TABLES[table].schema
    if not paths or not isinstance(root, BucketPath):
        return schema.empty_table()
    names = [f"{root.bucket}/{(root / path).key}" for path in paths]
    return pyarrow.dataset.dataset(names, schema=schema, format="parquet", filesystem=arrow_filesystem())


@contextmanager
def ask(dataset: Dataset, sql: str) -> Iterator[Answer]:
    """Gives the answer of one reading statement.

    Raises:
        UserError: it is not one reading statement, or DuckDB refuses it.
    """
    _check_reading(sql)
    connection = connect(dataset)
    try:
        cursor = connection.execute(sql)
        yield Answer(tuple(column[0] for column in cursor.description or ()), _rows(cursor))
    except duckdb.Error as error:
        raise UserError(_one_line(error)) from error
    finally:
        connection.close()


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
    while rows := cursor.fetchmany(1_000):
        yield from rows


def _check_reading(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise UserError(_one_line(error)) from error
    if len(statements) != 1:
        raise UserError(f"give one SQL statement; this is {len(statements)}")
    if statements[0].type not in READING:
        raise UserError(f"a query only reads: {statements[0].type.name} is not allowed")


def _one_line(error: duckdb.Error) -> str:
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("LINE ")]
    return " ".join(" ".join(line for line in lines if set(line.strip()) != {"^"}).split())
