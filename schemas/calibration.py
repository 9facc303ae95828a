"""What a judge said of a case whose right verdict is known: planted defects, and questions that code has proved."""

import pyarrow as pa

from schemas.record import Record
from schemas.verdict import Outcome

SCHEMA_VERSION = 1


class Calibration(Record):
    """One known case before one judge."""

    case_id: str
    image_id: str
    question_id: str
    """The question it was made of."""
    model: str
    """The judge."""
    batch: str
    """The cases that were judged with it."""
    kind: str
    """The planted defect, or "clean" for a proved question without one."""
    outcome: Outcome
    """Fail where the judge failed any axis, pass where it passed all, else no verdict."""
    caught: bool
    """A planted defect was failed, or a clean case was not."""
    named: str
    """The fault that the judge named first."""
    detail: str


CALIBRATION_SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("image_id", pa.string()),
        ("question_id", pa.string()),
        ("model", pa.string()),
        ("batch", pa.string()),
        ("kind", pa.string()),
        ("outcome", pa.string()),
        ("caught", pa.bool_()),
        ("named", pa.string()),
        ("detail", pa.string()),
    ]
)
