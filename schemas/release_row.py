"""The row of a release, which verl, TRL and `datasets` load unchanged, picture included (`docs/dataset.md`)."""

import builtins

import pyarrow as pa
from pydantic import Field

from schemas.huggingface import with_features
from schemas.question import CERTIFICATE_TYPE, TRACE_STEP_TYPE, Certificate, TraceStep
from schemas.record import Record

SCHEMA_VERSION = 4

RESERVED_COLUMNS = frozenset(
    # TRL hands these to reward functions itself.
    {"prompts", "completions", "completion", "completion_ids", "trainer_state", "log_extra", "log_metric"}
    | {"environment", "environments"}
    # verl hands every column to its rollout loop by keyword; these are its own.
    | {"priority", "sampling_params", "agent_name", "raw_prompt", "index", "uid", "tools_kwargs", "dummy_tensor"}
    | {"interaction_kwargs", "videos", "audios"}
)
"""Column names that a trainer uses for itself; a table to be trained on by rewards may have none of them."""


class Message(Record):
    """One chat message."""

    role: str
    content: str


class EmbeddedImage(Record):
    """An encoded picture without any metadata, and a file name for it."""

    bytes: builtins.bytes | None
    """None in a file of the layout with paths."""
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
    operator: str
    value: str
    luck: float = Field(ge=0, le=1)
    instance_ids: tuple[str, ...]
    boxes_xyxy: tuple[tuple[float, float, float, float], ...]
    """Pixels of the published picture, half-open."""


class SolveRate(Record):
    """How often one model gave the gold answer."""

    model: str
    n: int = Field(gt=0)
    """Attempts that stated an answer; one that stated none counts for nothing."""
    correct: int = Field(ge=0)
    rate: float = Field(ge=0, le=1)


class Vote(Record):
    """How many people gave one answer."""

    answer: str
    n: int = Field(gt=0)


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
    """The gold answer: an integer in decimal digits, no leading zeros, "-" only in front of a negative one; a letter in
    the view mcq, "[x0, y0, x1, y1]" in the view box."""
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
    domain: str | None
    """Domain pack the questions were made with; None where none was named."""
    categories: tuple[str, ...]
    """Categories the question names, sorted."""
    hop_count: int = Field(ge=1)
    shape: str
    hops: tuple[SampleHop, ...]
    trace: tuple[TraceStep, ...]
    """The gold reasoning, step by step."""
    margin: float
    weakest_fact: str
    luck: float = Field(ge=0, le=1)
    strict: bool
    stability: float | None = Field(ge=0, le=1)
    """Share of the harmless views of the picture that give this answer; None where nothing looked at the picture."""
    certificates: tuple[Certificate, ...]
    tier: str
    """Who vouches for the answer: program, people or both."""
    votes: tuple[Vote, ...] | None
    """What people answered, most frequent first; None where nobody was asked."""
    solve_rates: tuple[SolveRate, ...] | None
    """By model name; None where no model was asked."""
    difficulty: str
    """Band of the solve rate over all models (`stages.difficulty`); "unknown" where nobody tried."""
    curriculum: int = Field(ge=1)
    """Level among the rows of its split, 1 first: an order to train in, not a measurement."""
    split: str
    licence: str
    """Of the picture, as its source states it."""
    image_uri: str
    """Where the picture came from: its path below the source folder."""
    image_source: str
    """What the source folder is: "rendered" or the folder's name."""
    width: int
    """Pixels of the published picture."""
    height: int
    program: str
    stage_version: int
    """Version of the stage that wrote the question."""
    config_hash: str
    seed: int


MESSAGES_TYPE = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
IMAGES_TYPE = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
BOXES_TYPE = pa.list_(pa.list_(pa.float64(), 4))
REWARD_MODEL_TYPE = pa.struct([("style", pa.string()), ("ground_truth", pa.string())])
EXTRA_INFO_TYPE = pa.struct(
    [
        ("split", pa.string()),
        ("index", pa.int64()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("n_hops", pa.int32()),
        ("meta", pa.string()),
    ]
)
_HOP_TYPE = pa.struct(
    [
        ("text", pa.string()),
        ("kind", pa.string()),
        ("operator", pa.string()),
        ("value", pa.string()),
        ("luck", pa.float64()),
        ("instance_ids", pa.list_(pa.string())),
        ("boxes_xyxy", BOXES_TYPE),
    ]
)
_RATE_TYPE = pa.struct([("model", pa.string()), ("n", pa.int32()), ("correct", pa.int32()), ("rate", pa.float64())])
RELEASE_COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("data_source", pa.string()),
        ("prompt", MESSAGES_TYPE),
        ("prompt_tagged", MESSAGES_TYPE),
        ("problem", pa.string()),
        ("images", IMAGES_TYPE),
        ("solution", pa.string()),
        ("answer", pa.string()),
        ("ability", pa.string()),
        ("reward_model", REWARD_MODEL_TYPE),
        ("extra_info", EXTRA_INFO_TYPE),
        ("question_id", pa.string()),
        ("image_id", pa.string()),
        ("family_id", pa.string()),
        ("variant", pa.string()),
        ("style", pa.string()),
        ("domain", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("hop_count", pa.int32()),
        ("shape", pa.string()),
        ("hops", pa.list_(_HOP_TYPE)),
        ("trace", pa.list_(TRACE_STEP_TYPE)),
        ("margin", pa.float64()),
        ("weakest_fact", pa.string()),
        ("luck", pa.float64()),
        ("strict", pa.bool_()),
        ("stability", pa.float64()),
        ("certificates", pa.list_(CERTIFICATE_TYPE)),
        ("tier", pa.string()),
        ("votes", pa.list_(pa.struct([("answer", pa.string()), ("n", pa.int32())]))),
        ("solve_rates", pa.list_(_RATE_TYPE)),
        ("difficulty", pa.string()),
        ("curriculum", pa.int32()),
        ("split", pa.string()),
        ("licence", pa.string()),
        ("image_uri", pa.string()),
        ("image_source", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("program", pa.string()),
        ("stage_version", pa.int32()),
        ("config_hash", pa.string()),
        ("seed", pa.int64()),
    ]
)
RELEASE_SCHEMA = with_features(RELEASE_COLUMNS, SCHEMA_VERSION)
