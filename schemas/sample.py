"""What is published: the release's row, which verl, TRL and `datasets` load unchanged, and the table that remembers it.

`ReleaseRow` is what a file of the release holds, picture included (`docs/dataset.md`). `Sample` is the row of the
dataset's own table `samples`: which published row came from which question, and where it stands.
"""

import builtins
import json
from typing import Any

import pyarrow as pa
from pydantic import Field

from schemas.question import CERTIFICATE_TYPE, TRACE_STEP_TYPE, Certificate, TraceStep
from schemas.record import Record

SCHEMA_VERSION = 1

RESERVED_COLUMNS = frozenset(
    # TRL hands these to reward functions itself.
    {"prompts", "completions", "completion", "completion_ids", "trainer_state", "log_extra", "log_metric"}
    | {"environment", "environments"}
    # verl hands every column to its rollout loop by keyword; these are its own.
    | {"priority", "sampling_params", "agent_name", "raw_prompt", "index", "uid", "tools_kwargs", "dummy_tensor"}
    | {"interaction_kwargs", "videos", "audios"}
)
"""Column names that a trainer uses for itself; a published table may have none of them."""


class Message(Record):
    """One chat message."""

    role: str
    content: str


class EmbeddedImage(Record):
    """An encoded picture without any metadata, and a file name for it."""

    bytes: builtins.bytes
    path: str


class RewardModel(Record):
    """What verl's reward manager reads."""

    style: str
    """Always "rule"."""
    ground_truth: str


class ExtraInfo(Record):
    """The fixed struct that verl carries along."""

    split: str
    index: int = Field(ge=0)
    """Position of the row in its split."""
    question: str
    answer: str
    n_hops: int
    meta: str
    """JSON object of whatever has no column of its own type."""


class SampleHop(Record):
    """One hop of the chain, grounded."""

    text: str
    kind: str
    value: str
    instance_ids: tuple[str, ...]
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]
    """Pixels of the published picture, half-open."""


class ReleaseRow(Record):
    """One finished row."""

    id: str
    """Stable: the question's id."""
    data_source: str
    prompt: tuple[Message, ...]
    """Without image placeholders: TRL puts the picture in front itself."""
    prompt_tagged: tuple[Message, ...]
    """With one ``<image>`` per picture: verl (``data.prompt_key``) and OpenRLHF."""
    problem: str
    """``<image>`` and the bare question: EasyR1, LLaMA-Factory."""
    images: tuple[EmbeddedImage, ...]
    solution: str
    """The gold integer in decimal digits, no leading zeros, "-" only in front of a negative one."""
    answer: str
    """Equal to `solution`."""
    ability: str
    reward_model: RewardModel
    extra_info: ExtraInfo
    question_id: str
    image_id: str
    family_id: str
    variant: str
    style: str
    hop_count: int = Field(ge=1)
    shape: str
    hops: tuple[SampleHop, ...]
    trace: tuple[TraceStep, ...]
    """The gold reasoning, step by step."""
    margin: float
    weakest_fact: str
    luck: float = Field(ge=0, le=1)
    strict: bool
    certificates: tuple[Certificate, ...]
    tier: str
    """Who vouches for the answer: program; later people, or both."""
    split: str
    licence: str
    """Of the picture, as its source states it."""
    image_uri: str
    """Where the picture came from: its path below the source folder."""
    program: str
    config_hash: str
    seed: int


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

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_HOP_TYPE = pa.struct(
    [
        ("text", pa.string()),
        ("kind", pa.string()),
        ("value", pa.string()),
        ("instance_ids", pa.list_(pa.string())),
        ("boxes_xyxy", pa.list_(pa.list_(pa.float64(), 4))),
    ]
)
_COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("data_source", pa.string()),
        ("prompt", _MESSAGES),
        ("prompt_tagged", _MESSAGES),
        ("problem", pa.string()),
        ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ("solution", pa.string()),
        ("answer", pa.string()),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        (
            "extra_info",
            pa.struct(
                [
                    ("split", pa.string()),
                    ("index", pa.int64()),
                    ("question", pa.string()),
                    ("answer", pa.string()),
                    ("n_hops", pa.int32()),
                    ("meta", pa.string()),
                ]
            ),
        ),
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("family_id", pa.string()),
        ("variant", pa.string()),
        ("style", pa.string()),
        ("hop_count", pa.int32()),
        ("shape", pa.string()),
        ("hops", pa.list_(_HOP_TYPE)),
        ("trace", pa.list_(TRACE_STEP_TYPE)),
        ("margin", pa.float64()),
        ("weakest_fact", pa.string()),
        ("luck", pa.float64()),
        ("strict", pa.bool_()),
        ("certificates", pa.list_(CERTIFICATE_TYPE)),
        ("tier", pa.string()),
        ("split", pa.string()),
        ("licence", pa.string()),
        ("image_uri", pa.string()),
        ("program", pa.string()),
        ("config_hash", pa.string()),
        ("seed", pa.int64()),
    ]
)


def huggingface_features(schema: pa.Schema, image_columns: frozenset[str] = frozenset({"images"})) -> dict[str, Any]:
    """Returns the ``datasets`` feature description of an Arrow schema, as JSON data.

    A column named in ``image_columns`` is a list of encoded pictures, which is what makes viewers show them.
    """
    image_list = {"feature": {"_type": "Image"}, "_type": "List"}
    return {field.name: image_list if field.name in image_columns else _feature(field.type) for field in schema}


def _feature(arrow_type: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(arrow_type):
        return {field.name: _feature(field.type) for field in arrow_type}
    if pa.types.is_fixed_size_list(arrow_type):
        return {"feature": _feature(arrow_type.value_type), "length": arrow_type.list_size, "_type": "List"}
    if pa.types.is_list(arrow_type):
        return {"feature": _feature(arrow_type.value_type), "_type": "List"}
    names = {pa.float64(): "float64", pa.bool_(): "bool"}
    return {"dtype": names.get(arrow_type, str(arrow_type)), "_type": "Value"}


RELEASE_SCHEMA = _COLUMNS.with_metadata(
    {
        "huggingface": json.dumps({"info": {"features": huggingface_features(_COLUMNS)}}),
        "hopyard": json.dumps({"schema_version": SCHEMA_VERSION}),
    }
)
