"""Column rewrites: the same rows under the names that each trainer reads by default. No picture is touched.

A rewrite is an ordered list of columns: the new name, and the column it is or a function of the row that makes it.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa

from pipelines.errors import UserError
from schemas import release_row, view_rows
from schemas.huggingface import with_features
from schemas.release_row import MESSAGES_TYPE
from stages.publish import Format, View

Row = Mapping[str, Any]
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])


class Made(NamedTuple):
    """A column that is made from others."""

    type: pa.DataType
    of: tuple[str, ...]
    make: Callable[[Row], Any]


Column = str | Made


class Form(NamedTuple):
    """How rows become a table of a file."""

    columns: pa.Schema
    """Of the records."""
    rewrite: Mapping[str, Column] | None
    """None: all columns as they are."""
    schema: pa.Schema
    """Of the file, with metadata."""

    def shape(self, table: pa.Table, schema: pa.Schema) -> pa.Table:
        """Returns the table of a file, with the types of ``schema``, which stores the columns of `schema`."""
        if self.rewrite is None:
            return table.replace_schema_metadata(schema.metadata)
        columns = [_column(table, column) for column in self.rewrite.values()]
        return pa.Table.from_arrays(columns, schema=schema)


@cache
def form_of(view: View, format: Format) -> Form:  # noqa: A002 - the option's own name
    """Returns the form of a view in a format.

    Raises:
        UserError: the format has no such rows.
    """
    columns, version = COLUMNS[view]
    if format is Format.HOPYARD:
        return Form(columns, None, with_features(columns, version))
    rewrites = _REWRITES[_FAMILY[view]]
    if format not in rewrites:
        fitting = ", ".join(sorted([Format.HOPYARD, *rewrites]))
        raise UserError(f"--format {format} has no rows for --view {view}; it can be {fitting}")
    rewrite = rewrites[format]
    types = {
        name: columns.field(column).type if isinstance(column, str) else column.type for name, column in rewrite.items()
    }
    return Form(columns, rewrite, with_features(pa.schema(list(types.items())), version))


def _column(table: pa.Table, column: Column) -> pa.ChunkedArray | pa.Array:
    if isinstance(column, str):
        return table.column(column)
    rows = table.select(list(column.of)).to_pylist()
    return pa.array([column.make(row) for row in rows], type=column.type)


COLUMNS: dict[View, tuple[pa.Schema, int]] = {
    View.RL: (release_row.RELEASE_COLUMNS, release_row.SCHEMA_VERSION),
    View.SFT_REASONING: (view_rows.SFT_COLUMNS, view_rows.SCHEMA_VERSION),
    View.SFT_SUMMARY: (view_rows.SFT_COLUMNS, view_rows.SCHEMA_VERSION),
    View.DPO: (view_rows.DPO_COLUMNS, view_rows.SCHEMA_VERSION),
    View.PROCESS: (view_rows.PROCESS_COLUMNS, view_rows.SCHEMA_VERSION),
    View.MCQ: (view_rows.MCQ_COLUMNS, view_rows.SCHEMA_VERSION),
    View.BOX: (view_rows.BOX_COLUMNS, view_rows.SCHEMA_VERSION),
    View.ERASURE: (view_rows.ERASURE_COLUMNS, view_rows.SCHEMA_VERSION),
}
"""Columns of every view's records, and the version of their schema."""

_FAMILY = {
    View.RL: "rl",
    View.MCQ: "rl",
    View.BOX: "rl",
    View.ERASURE: "rl",
    View.SFT_REASONING: "sft",
    View.SFT_SUMMARY: "sft",
    View.DPO: "dpo",
    View.PROCESS: "process",
}


def _boxed(row: Row) -> list[dict[str, str]]:
    return [*row["prompt_tagged"], {"role": "assistant", "content": f"\\boxed{{{row['solution']}}}"}]


def _dialogue(row: Row) -> list[dict[str, str]]:
    return [*row["prompt_tagged"], *row["chosen"]]


_ANSWERED = Made(MESSAGES_TYPE, ("prompt_tagged", "solution"), _boxed)
_REWRITES: dict[str, dict[Format, dict[str, Column]]] = {
    "rl": {
        Format.TRL: {
            name: name for name in ("id", "prompt", "images", "solution", "data_source", "reward_model", "extra_info")
        },
        Format.VERL: {
            "id": "id",
            "data_source": "data_source",
            "prompt": "prompt_tagged",
            "images": "images",
            "ability": "ability",
            "reward_model": "reward_model",
            "extra_info": "extra_info",
        },
        Format.EASYR1: {"id": "id", "problem": "problem", "answer": "answer", "images": "images"},
        Format.OPENRLHF: {
            "id": "id",
            "datasource": "data_source",
            "prompt": "prompt_tagged",
            "label": "solution",
            "images": "images",
        },
        Format.LLAMAFACTORY: {"id": "id", "messages": _ANSWERED, "images": "images"},
        Format.SWIFT: {"id": "id", "messages": "prompt_tagged", "images": "images", "solution": "solution"},
    },
    "sft": {
        Format.TRL: {"id": "id", "messages": "messages", "images": "images"},
        Format.VERL: {"id": "id", "messages": "messages_tagged", "images": "images"},
        Format.LLAMAFACTORY: {"id": "id", "messages": "messages_tagged", "images": "images"},
        Format.SWIFT: {"id": "id", "messages": "messages_tagged", "images": "images"},
    },
    "dpo": {
        Format.TRL: {name: name for name in ("id", "prompt", "chosen", "rejected", "images")},
        Format.OPENRLHF: {
            "id": "id",
            "prompt": "prompt_tagged",
            "chosen": "chosen",
            "rejected": "rejected",
            "images": "images",
        },
        Format.LLAMAFACTORY: {
            "id": "id",
            "messages": "prompt_tagged",
            "chosen": Made(_MESSAGE, ("chosen",), lambda row: row["chosen"][0]),
            "rejected": Made(_MESSAGE, ("rejected",), lambda row: row["rejected"][0]),
            "images": "images",
        },
        Format.SWIFT: {
            "id": "id",
            "messages": Made(MESSAGES_TYPE, ("prompt_tagged", "chosen"), _dialogue),
            "rejected_response": Made(pa.string(), ("rejected",), lambda row: row["rejected"][0]["content"]),
            "images": "images",
        },
    },
    "process": {
        Format.TRL: {
            "id": "id",
            "prompt": Made(pa.string(), ("prompt",), lambda row: row["prompt"][0]["content"]),
            "completions": "completions",
            "labels": "labels",
            "images": "images",
        }
    },
}
"""By family and format: the new columns."""
