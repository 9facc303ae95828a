"""The table `samples`: which published row came from which question, and where it stands."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class Sample(Record):
    """Where one published row stands and what it came from."""

    id: str
    question_id: str
    image_id: str
    family_id: str
    split: str
    answer: str
    tier: str
    file: str
    """File of the release."""
    row: int = Field(ge=0)
    """Position in that file."""
    config_hash: str
    release: str
    """Key of the release: what its content is a function of."""


SAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("family_id", pa.string()),
        ("split", pa.string()),
        ("answer", pa.string()),
        ("tier", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("config_hash", pa.string()),
        ("release", pa.string()),
    ]
)
