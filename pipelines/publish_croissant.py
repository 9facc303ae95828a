"""Croissant metadata of a release (MLCommons, version 1.0): files with their digests, and what each column holds.

Fields are the columns of plain values and of lists of them; Croissant readers cannot take nested ones from Parquet.
Those are named in the description of their records.
"""

import json
from typing import Any

import pyarrow as pa

from pipelines.publish_card import Card
from pipelines.publish_forms import form_of

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = ((pa.types.is_integer, "sc:Integer"), (pa.types.is_floating, "sc:Float"), (pa.types.is_boolean, "sc:Boolean"))


def croissant_of(card: Card) -> str:
    """Returns the JSON-LD text."""
    name = f"hopyard-{card.config.view.value}"
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": "Multi-hop visual questions whose integer answers are executed over segmented instances.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": sorted(card.tally.licences),
        "version": "1.0.0",
        "distribution": [_file(file.path, file.sha256, file.file_bytes) for file in card.files],
        "recordSet": [_records(card, split) for split in sorted({file.split for file in card.files})],
    }
    return json.dumps(document, indent=1) + "\n"


def _file(path: str, sha256: str, size: int) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": sha256,
    }


def _records(card: Card, split: str) -> dict[str, Any]:
    """The rows of one split, told by its first file; the others have the same columns."""
    first = next(file.path for file in card.files if file.split == split)
    schema = form_of(card.config.view, card.config.format).schema
    fields = [_field(split, first, field) for field in schema if not pa.types.is_nested(_inner(field.type))]
    nested = ", ".join(field.name for field in schema if pa.types.is_nested(_inner(field.type)))
    told = f"Rows of the split {split}. Nested columns, not described as fields: {nested}."
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "description": told, "field": fields}


def _field(split: str, file: str, field: pa.Field) -> dict[str, Any]:
    kind = next((name for is_kind, name in _TYPES if is_kind(_inner(field.type))), "sc:Text")
    described = {
        "@type": "cr:Field",
        "@id": f"{split}/{field.name}",
        "name": field.name,
        "dataType": kind,
        "source": {"fileObject": {"@id": file}, "extract": {"column": field.name}},
    }
    return described | ({"repeated": True} if pa.types.is_nested(field.type) else {})


def _inner(kind: pa.DataType) -> pa.DataType:
    """What a list holds; anything else itself."""
    return kind.value_type if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) else kind
