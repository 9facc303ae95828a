"""Records to Arrow tables and back. One column is built at a time: `Table.from_pylist` is many times slower."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel

RecordType = TypeVar("RecordType", bound=BaseModel)


def records_to_table(records: Sequence[BaseModel], schema: pa.Schema) -> pa.Table:
    """Returns a table with one row per record, columns named and typed by ``schema``.

    Raises:
        AttributeError: a schema column is not a field of the record.
        pyarrow.ArrowInvalid: a value does not fit its column type.
    """
    columns = [
        pa.array([_plain(getattr(record, field.name)) for record in records], type=field.type) for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def table_to_records(table: pa.Table, record_type: type[RecordType]) -> Iterable[RecordType]:
    """Yields one validated record per row, in row order."""
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield record_type.model_validate(row)


def _plain(value: Any) -> Any:  # noqa: ANN401 - the JSON edge: any field value
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
