"""Rows of the views beside the RL rows: supervised traces, preferences, step rewards, boxes, options, contrasts."""

import pyarrow as pa
from pydantic import Field

from schemas.record import Record
from schemas.release_row import (
    BOXES_TYPE,
    EXTRA_INFO_TYPE,
    IMAGES_TYPE,
    MESSAGES_TYPE,
    RELEASE_COLUMNS,
    REWARD_MODEL_TYPE,
    EmbeddedImage,
    ExtraInfo,
    Message,
    ReleaseRow,
    RewardModel,
)

SCHEMA_VERSION = 1


class ViewRow(Record):
    """What the row of every view says about where it comes from."""

    id: str
    """Stable and unique within its view."""
    images: tuple[EmbeddedImage, ...]
    answer: str
    question_id: str
    image_id: str
    family_id: str
    variant: str
    style: str
    hop_count: int
    tier: str
    split: str
    licence: str
    image_uri: str
    config_hash: str
    seed: int


class SftRow(ViewRow):
    """One supervised conversation."""

    messages: tuple[Message, ...]
    """Without image placeholders."""
    messages_tagged: tuple[Message, ...]
    """With one ``<image>`` per picture in the first message."""
    kind: str
    """best, flawed or plain."""
    trace_source: str
    """Where the trace comes from: program, corruption, the name of a model, or nothing for a plain row."""
    flaw: str | None
    """What is wrong with a flawed trace."""
    wrong_step: int | None
    """Number of its first wrong step, from 1."""


class DpoRow(ViewRow):
    """One preference pair: the gold trace against the same trace gone wrong at a known step."""

    prompt: tuple[Message, ...]
    prompt_tagged: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    flaw: str
    wrong_step: int = Field(ge=1)
    """Number of the first wrong step, from 1; all before it are right, word for word the chosen ones."""
    why: str
    """What is wrong there, with the right and the wrong value."""
    rejected_answer: str
    """Equal to `answer` where a wrong path ends in the right number."""
    rejected_program: str
    """The program that the rejected trace follows; empty where no program does (a miscount, a shifted box)."""
    length_ratio: float
    """Characters of rejected / chosen."""


class ProcessStep(Record):
    """One step of a response, with what it should find."""

    start: int = Field(ge=0)
    """First character of the step in `response`, in Unicode code points."""
    end: int
    """One past its last character."""
    label: bool
    """Whether the step is right."""
    operator: str
    """What the step does; empty for the answer."""
    gold_value: str
    """What the gold program yields here; empty for a step beyond the gold ones."""
    gold_boxes_xyxy: tuple[tuple[float, float, float, float], ...]


class ProcessRow(ViewRow):
    """One response with a label per step: gold, or gone wrong at a known step."""

    data_source: str
    prompt: tuple[Message, ...]
    prompt_tagged: tuple[Message, ...]
    response: str
    completions: tuple[str, ...]
    """The steps as texts, as TRL's stepwise supervision wants them."""
    labels: tuple[bool, ...]
    steps: tuple[ProcessStep, ...]
    flaw: str | None
    """None for a gold response."""
    wrong_step: int | None
    response_answer: str
    solution: str
    reward_model: RewardModel
    extra_info: ExtraInfo


class McqRow(ReleaseRow):
    """An RL row whose answer is the letter of an option."""

    options: tuple[str, ...]
    """Numbers in the order of their letters."""
    integer_answer: str


class BoxRow(ReleaseRow):
    """An RL row whose answer is the box of the instance that the chain ends at."""

    target_id: str
    target_category: str
    gold_box_xyxy: tuple[float, float, float, float]


class ErasureRow(ReleaseRow):
    """One half of a contrast pair: the question on the original or on the edited picture."""

    pair_id: str
    pair_role: str
    """original or edited; the two stand next to each other."""
    edit: str
    """erased or recoloured."""
    edited_instance_id: str
    edited_hop: int
    """Position in `hops` of the hop whose referent was edited."""
    edit_detail: str
    original_answer: str
    edited_answer: str


_LINEAGE = [
    ("id", pa.string()),
    ("images", IMAGES_TYPE),
    ("answer", pa.string()),
    ("question_id", pa.string()),
    ("image_id", pa.string()),
    ("family_id", pa.string()),
    ("variant", pa.string()),
    ("style", pa.string()),
    ("hop_count", pa.int32()),
    ("tier", pa.string()),
    ("split", pa.string()),
    ("licence", pa.string()),
    ("image_uri", pa.string()),
    ("config_hash", pa.string()),
    ("seed", pa.int64()),
]
SFT_COLUMNS = pa.schema(
    [
        ("messages", MESSAGES_TYPE),
        ("messages_tagged", MESSAGES_TYPE),
        ("kind", pa.string()),
        ("trace_source", pa.string()),
        ("flaw", pa.string()),
        ("wrong_step", pa.int32()),
        *_LINEAGE,
    ]
)
DPO_COLUMNS = pa.schema(
    [
        ("prompt", MESSAGES_TYPE),
        ("prompt_tagged", MESSAGES_TYPE),
        ("chosen", MESSAGES_TYPE),
        ("rejected", MESSAGES_TYPE),
        ("flaw", pa.string()),
        ("wrong_step", pa.int32()),
        ("why", pa.string()),
        ("rejected_answer", pa.string()),
        ("rejected_program", pa.string()),
        ("length_ratio", pa.float64()),
        *_LINEAGE,
    ]
)
_STEP_TYPE = pa.struct(
    [
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("label", pa.bool_()),
        ("operator", pa.string()),
        ("gold_value", pa.string()),
        ("gold_boxes_xyxy", BOXES_TYPE),
    ]
)
PROCESS_COLUMNS = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", MESSAGES_TYPE),
        ("prompt_tagged", MESSAGES_TYPE),
        ("response", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("labels", pa.list_(pa.bool_())),
        ("steps", pa.list_(_STEP_TYPE)),
        ("flaw", pa.string()),
        ("wrong_step", pa.int32()),
        ("response_answer", pa.string()),
        ("solution", pa.string()),
        ("reward_model", REWARD_MODEL_TYPE),
        ("extra_info", EXTRA_INFO_TYPE),
        *_LINEAGE,
    ]
)
MCQ_COLUMNS = pa.schema([*RELEASE_COLUMNS, ("options", pa.list_(pa.string())), ("integer_answer", pa.string())])
BOX_COLUMNS = pa.schema(
    [
        *RELEASE_COLUMNS,
        ("target_id", pa.string()),
        ("target_category", pa.string()),
        ("gold_box_xyxy", pa.list_(pa.float64(), 4)),
    ]
)
ERASURE_COLUMNS = pa.schema(
    [
        *RELEASE_COLUMNS,
        ("pair_id", pa.string()),
        ("pair_role", pa.string()),
        ("edit", pa.string()),
        ("edited_instance_id", pa.string()),
        ("edited_hop", pa.int32()),
        ("edit_detail", pa.string()),
        ("original_answer", pa.string()),
        ("edited_answer", pa.string()),
    ]
)
