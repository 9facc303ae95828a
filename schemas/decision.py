"""Where a question goes."""

from enum import StrEnum

import pyarrow as pa

from schemas.record import Record

SCHEMA_VERSION = 1


class Route(StrEnum):
    """Destination of a candidate."""

    ACCEPT = "accept"
    PEOPLE = "people"
    DROP = "drop"


class Decision(Record):
    """One routed question."""

    question_id: str
    image_id: str
    route: Route
    reason: str


DECISION_SCHEMA = pa.schema(
    [("question_id", pa.string()), ("image_id", pa.string()), ("route", pa.string()), ("reason", pa.string())]
)
