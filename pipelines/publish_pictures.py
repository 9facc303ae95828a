"""The column of pictures of a release: rows about one picture share its bytes, in memory as in the file."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from schemas.release_row import EmbeddedImage

PICTURES = "images"
"""The column of pictures, and their folder in the layout with paths."""


def with_shared(schema: pa.Schema) -> pa.Schema:
    """Returns the schema with pictures as a dictionary, as Parquet stores them: none is repeated in memory."""
    path = schema.field(PICTURES).type.value_type.field("path")
    shared = pa.list_(pa.struct([("bytes", pa.dictionary(pa.int32(), pa.binary())), path]))
    return schema.set(schema.get_field_index(PICTURES), pa.field(PICTURES, shared))


def picture_lists(rows: Sequence[Sequence[EmbeddedImage]], kind: pa.DataType) -> pa.Array:
    """Returns the column of pictures; where its type says so, each is in it once, and the rows share it."""
    images = [image for row in rows for image in row]
    fields = list(kind.value_type)
    if pa.types.is_dictionary(fields[0].type):
        data = _shared(images)
    else:
        data = pa.array([image.bytes for image in images], fields[0].type)
    paths = pa.array([image.path for image in images], fields[1].type)
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays([data, paths], fields=fields), type=kind)


def _shared(images: Sequence[EmbeddedImage]) -> pa.DictionaryArray:
    """Returns the pictures' bytes, those of each once. Names tell pictures apart; bytes are compared, never hashed."""
    places: dict[str, int] = {}
    kept: list[bytes] = []
    indices = []
    for image in images:
        data = image.bytes or b""
        place = places.setdefault(image.path, len(kept))
        if place == len(kept) or kept[place] is not data and kept[place] != data:
            place = places[image.path] = len(kept)
            kept.append(data)
        indices.append(place)
    ends = np.cumsum([0, *map(len, kept)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(kept))]  # copied once, not as an array grows
    pictures = pa.BinaryArray.from_buffers(pa.binary(), len(kept), buffers)
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pictures)
