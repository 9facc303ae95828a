"""Reading: what every section does with its connection."""

from typing import Any

import duckdb

Row = tuple[Any, ...]


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Returns all rows of a reading statement."""
    return connection.execute(sql).fetchall()


def count_of(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    """Returns how many rows a table, view or filtered one has: ``decisions WHERE route = 'accept'``."""
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])


def percent(part: float, whole: float) -> str:
    """Returns a share in words; nothing where there is no whole."""
    if not whole:
        return ""
    share = 100 * part / whole
    return f"{share:.0f}%" if share >= 10 or share == 0 else f"{share:.1f}%"


def duration(seconds: float) -> str:
    """Returns a time in the unit a person would use."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
