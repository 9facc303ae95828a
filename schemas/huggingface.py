"""The feature description that Hugging Face `datasets` reads from a Parquet file: what makes viewers show pictures."""

import json
from typing import Any

import pyarrow as pa

PICTURE_COLUMNS = frozenset({"images"})
"""Columns that are lists of pictures."""


def huggingface_features(schema: pa.Schema, image_columns: frozenset[str] = PICTURE_COLUMNS) -> dict[str, Any]:
    """Returns the ``datasets`` feature description of an Arrow schema, as JSON data.

    A column named in ``image_columns`` is a list of encoded pictures, which is what makes viewers show them.
    """
    image_list = {"feature": {"_type": "Image"}, "_type": "List"}
    return {field.name: image_list if field.name in image_columns else _feature(field.type) for field in schema}


def with_features(schema: pa.Schema, version: int) -> pa.Schema:
    """Returns the schema with its feature description and our schema version as metadata."""
    return schema.with_metadata(
        {
            "huggingface": json.dumps({"info": {"features": huggingface_features(schema)}}),
            "hopyard": json.dumps({"schema_version": version}),
        }
    )


def _feature(arrow_type: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(arrow_type):
        return {field.name: _feature(field.type) for field in arrow_type}
    if pa.types.is_fixed_size_list(arrow_type):
        return {"feature": _feature(arrow_type.value_type), "length": arrow_type.list_size, "_type": "List"}
    if pa.types.is_list(arrow_type):
        return {"feature": _feature(arrow_type.value_type), "_type": "List"}
    names = {pa.float64(): "float64", pa.bool_(): "bool"}
    return {"dtype": names.get(arrow_type, str(arrow_type)), "_type": "Value"}
