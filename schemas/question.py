"""A question: rendered text, the program behind it, the executed answer and the certificates."""

from enum import StrEnum

import pyarrow as pa
from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 2


class Variant(StrEnum):
    """How much of the family's chain the question keeps."""

    FULL = "full"
    HALF = "half"
    SINGLE = "single"


class Wording(StrEnum):
    """Where the words come from."""

    TEMPLATE = "template"
    """Told of the program."""
    PARAPHRASE = "paraphrase"
    """Said again by a model, and read back to the same program."""
    WRITTEN = "written"
    """Written by a model; the program, where there is one, was recovered from the words."""


class HopKind(StrEnum):
    """What a hop does to attention."""

    INSTANCE_CHAIN = "instance_chain"
    """From one instance to the next, which only the previous hop determines."""
    PERCEPTION = "perception"
    """Between one object and many, or a number read off what is in view."""


class Hop(Record):
    """One hop as executed."""

    step: int
    """Index of the program step."""
    operator: str
    kind: HopKind
    text: str
    """The hop in words, with its value."""
    value: str
    """The instance id it lands on, or the number it yields."""
    instance_ids: tuple[str, ...]
    """The instances it lands on: one referent, or the counted set."""
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]
    """Their boxes, pixels, half-open, same order."""
    candidates: int
    """Size of the described set the hop chooses from; 0 where it does not choose a member."""
    luck: float = Field(ge=0, le=1)
    """Chance of the gold answer when the hop goes to a random wrong member of its set."""


class Certificate(Record):
    """One proof about the question."""

    name: str
    """answer, necessity, luck, unique, margin, no_give_away or prior."""
    passed: bool
    detail: str
    """The numbers behind it."""


class TraceStep(Record):
    """One step of the gold reasoning trace, grounded."""

    title: str
    content: str
    next_action: str
    """continue or summary."""
    value: str
    instance_ids: tuple[str, ...]
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]


class Question(Record):
    """One certified candidate."""

    question_id: str
    image_id: str
    family_id: str
    """Shared by the full, half and single-hop variants of one program."""
    variant: Variant
    style: str
    """hopchain, insight, medgr2 or spatial."""
    question: str
    answer: int
    program: str
    """Canonical program JSON; empty where none was recovered from a written text: then only people can vouch for it."""
    shape: str
    """The program's skeleton without its nouns: the unit of quotas."""
    cell: str
    """``variant|finish|form|reuse|words|direction`` of the last description: what answers are balanced within."""
    hops: tuple[Hop, ...]
    hop_count: int = Field(ge=1)
    margin: float
    """The weakest fact's distance from its decision line in units of the cut-off; at least 1 in every kept row."""
    weakest_fact: str
    luck: float = Field(ge=0, le=1)
    """The largest luck of any hop."""
    strict: bool
    """No hop can be lucky at all."""
    certificates: tuple[Certificate, ...]
    trace: tuple[TraceStep, ...]
    categories: tuple[str, ...]
    """Categories the question names, sorted."""
    stage_version: int
    config_hash: str
    seed: int
    wording: Wording = Wording.TEMPLATE
    mode: str = ""
    """How a model was made to write it: free_form, prompt_driven, step_by_step or meta_cognitive; else empty."""
    model: str = ""
    """The model that wrote the words; empty for templates."""
    prompt_hash: str = ""
    """Of the prompt behind the words; empty for templates."""


_BOXES = pa.list_(pa.list_(pa.float64(), 4))
_IDS = pa.list_(pa.string())
HOP_TYPE = pa.struct(
    [
        ("step", pa.int32()),
        ("operator", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("value", pa.string()),
        ("instance_ids", _IDS),
        ("boxes_xyxy", _BOXES),
        ("candidates", pa.int32()),
        ("luck", pa.float64()),
    ]
)
CERTIFICATE_TYPE = pa.struct([("name", pa.string()), ("passed", pa.bool_()), ("detail", pa.string())])
TRACE_STEP_TYPE = pa.struct(
    [
        ("title", pa.string()),
        ("content", pa.string()),
        ("next_action", pa.string()),
        ("value", pa.string()),
        ("instance_ids", _IDS),
        ("boxes_xyxy", _BOXES),
    ]
)
QUESTION_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("family_id", pa.string()),
        ("variant", pa.string()),
        ("style", pa.string()),
        ("question", pa.string()),
        ("answer", pa.int64()),
        ("program", pa.string()),
        ("shape", pa.string()),
        ("cell", pa.string()),
        ("hops", pa.list_(HOP_TYPE)),
        ("hop_count", pa.int32()),
        ("margin", pa.float64()),
        ("weakest_fact", pa.string()),
        ("luck", pa.float64()),
        ("strict", pa.bool_()),
        ("certificates", pa.list_(CERTIFICATE_TYPE)),
        ("trace", pa.list_(TRACE_STEP_TYPE)),
        ("categories", pa.list_(pa.string())),
        ("stage_version", pa.int32()),
        ("config_hash", pa.string()),
        ("seed", pa.int64()),
        ("wording", pa.string()),
        ("mode", pa.string()),
        ("model", pa.string()),
        ("prompt_hash", pa.string()),
    ]
)
