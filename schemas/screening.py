"""What the models said of a picture before anything was asked about it."""

import pyarrow as pa

from schemas.record import Record
from schemas.verdict import Outcome

SCHEMA_VERSION = 1


class Screening(Record):
    """One screened picture."""

    image_id: str
    coarse: Outcome | None
    """Of the cheap model; None where there is none."""
    fine: Outcome | None
    """Of the strong model; None where it did not look."""
    audited: bool
    """The strong model looked although the cheap one had refused."""
    traits: tuple[str, ...]
    """What makes it rich, as the last model to look says, sorted."""
    reason: str
    """In its words."""


SCREENING_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("coarse", pa.string()),
        ("fine", pa.string()),
        ("audited", pa.bool_()),
        ("traits", pa.list_(pa.string())),
        ("reason", pa.string()),
    ]
)
