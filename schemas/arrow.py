"""Records to Arrow tables and back. One column is built at a time: `Table.from_pylist` is many times slower."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import pyarrow as pa
from pydantic import BaseModel

RecordType = TypeVar("RecordType", bound=BaseModel)


def records_to_table(records: Sequence[BaseModel], schema: pa.Schema) -> pa.Table:
    """Returns a table with one row per record, columns named and typed by ``schema``.

    Raises:
        AttributeError: a schema column is not a field of the record.
        pyarrow.ArrowInvalid: a value does not fit its column type.
    """
    for name in schema.names:
        if records and name not in type(records[0]).model_fields:
            raise AttributeError(f"{type(records[0]).__name__} has no field {name}")
    rows = [record.model_dump() for record in records]
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def table_to_records(table: pa.Table, record_type: type[RecordType]) -> Iterable[RecordType]:
    """Yields one validated record per row, in row order."""
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield record_type.model_validate(row)
