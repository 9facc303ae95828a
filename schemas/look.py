"""What a model says of one instance's looks, and whether it is believed."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class Check(StrEnum):
    """What became of a stated attribute."""

    AGREES = "agrees"
    """Code measured the same."""
    DISAGREES = "disagrees"
    """Code measured something else: neither is used."""
    UNCHECKED = "unchecked"
    """Code cannot measure it."""


class Look(Record):
    """One attribute of one instance, as a model states it."""

    instance_id: str
    image_id: str
    key: str
    value: str
    confidence: float = Field(ge=0, le=1)
    """The model's own."""
    check: Check
    measured: str = ""
    """What code measured; empty where it cannot."""


LOOK_SCHEMA = pa.schema(
    [
        ("instance_id", pa.string()),
        ("image_id", pa.string()),
        ("key", pa.string()),
        ("value", pa.string()),
        ("confidence", pa.float64()),
        ("check", pa.string()),
        ("measured", pa.string()),
    ]
)
