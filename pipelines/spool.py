"""Rows on their way through DuckDB: temporary Parquet files of the dataset, gone when the step ends."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.parts import make_scratch

ROWS_PER_GROUP = 5_000

AddRow = Callable[[tuple[Any, ...]], None]


class Spool:
    """Named streams of rows in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = Path()

    def __enter__(self) -> "Spool":
        self._folder = make_scratch(self._root, "spool")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def writer(self, name: str, schema: pa.Schema) -> Iterator[AddRow]:
        """Gives a function that adds one row, its values in the order of the schema."""
        pending: list[tuple[Any, ...]] = []
        with pq.ParquetWriter(self._folder / f"{name}.parquet", schema, compression="zstd") as file:

            def flush() -> None:
                columns = zip(*pending, strict=True) if pending else [()] * len(schema)
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                file.write_table(pa.Table.from_arrays(arrays, schema=schema))
                pending.clear()

            def add(row: tuple[Any, ...]) -> None:
                pending.append(row)
                if len(pending) >= ROWS_PER_GROUP:
                    flush()

            yield add
            flush()

    def paths(self, name: str) -> list[str]:
        """Returns the files of a finished stream."""
        return [str(self._folder / f"{name}.parquet")]
