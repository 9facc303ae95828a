"""An accepted question and its encoded picture to one published row.

In: the question, its image, the decision, the picture as it will ship. Out: a `ReleaseRow`. Dropped: a question whose
text holds a trainer's placeholder (it would be counted as a picture, or cut the chat in two) or whose boxes leave the
picture.
A question that belongs to another image, or was not accepted, is a bug and raises.
"""

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.question import Certificate, Question
from schemas.release_row import (
    EmbeddedImage,
    ExtraInfo,
    Message,
    ReleaseRow,
    RewardModel,
    SampleHop,
    SolveRate,
    Vote,
)
from schemas.trace import Trace
from schemas.verdict import Outcome, Verdict
from stages.difficulty import band_of
from stages.release_views.config import ViewConfig

VERSION = 5

IMAGE_TAG = "<image>"
_PLACEHOLDER = re.compile(r"<\s*/?\s*(?:image|video|audio|img)[^<>]{0,40}>|<\|[^<>|]{0,60}\|>|<\s*/?\s*think\s*>", re.I)
"""What a chat template or a trainer takes for its own: media tags, control tokens, thought marks."""

Box = tuple[float, float, float, float]


class View(StrEnum):
    """What kind of rows a release holds."""

    RL = "rl"
    SFT_REASONING = "sft-reasoning"
    SFT_SUMMARY = "sft-summary"
    DPO = "dpo"
    PROCESS = "process"
    MCQ = "mcq"
    BOX = "box"
    ERASURE = "erasure"


class Layout(StrEnum):
    """Where the pictures are."""

    EMBEDDED = "embedded"
    """In the rows."""
    PATHS = "paths"
    """In the folder images of the release, each once; rows name them."""


class Format(StrEnum):
    """Whose column names the rows have."""

    HOPYARD = "hopyard"
    """All columns: TRL and `datasets` as they are, verl by its key options."""
    VERL = "verl"
    TRL = "trl"
    EASYR1 = "easyr1"
    OPENRLHF = "openrlhf"
    LLAMAFACTORY = "llamafactory"
    SWIFT = "swift"


class PublishConfig(BaseModel):
    """The words around a question, and how rows are cut into files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: View = View.RL
    layout: Layout = Layout.EMBEDDED
    path_prefix: str = ""
    """Put in front of the paths of the layout with paths; empty: relative to the release folder."""
    format: Format = Format.HOPYARD
    views: ViewConfig = ViewConfig()
    data_source: str = "hopyard"
    """First part of the rows' data_source; the style follows after a slash."""
    ability: str = "multi_hop_vision"
    instruction: str = "Look closely at the picture and reason step by step. Put the final number in \\boxed{}."
    rows_per_group: int = Field(default=100, gt=0)
    """Rows of a Parquet row group: what a viewer reads at once, and within which a repeated picture is stored once."""
    group_bytes: int = Field(default=64 << 20, gt=0)
    """Picture bytes, counted once per row, at which a row group is closed early: bounds the memory of big pictures."""
    rows_per_file: int = Field(default=20_000, gt=0)
    file_bytes: int = Field(default=512 << 20, gt=0)
    """Distinct picture bytes at which a file is closed at the next image."""


REWARD_MODEL = "reward model: "
"""How the reason of a decision begins that the reward model made."""


class Tried(NamedTuple):
    """What models, people and views made of a question; None where none was asked."""

    solve_rates: tuple[SolveRate, ...] | None = None
    votes: tuple[Vote, ...] | None = None
    paths: tuple[Trace, ...] = ()
    """Traces that models wrote."""
    stability: float | None = None
    """Share of the picture's harmless views that agree; None where no view was looked at."""


class Accepted(NamedTuple):
    """A question, the image it is about, the decision that lets it out, and what was said of it."""

    question: Question
    image: Image
    decision: Decision
    verdicts: tuple[Verdict, ...]
    tried: Tried = Tried()


class Place(NamedTuple):
    """Where a row stands, and what its dataset was made from."""

    row: int
    """Position in its split."""
    image_source: str = "unknown"
    domain: str | None = None
    level: int = 1
    """Of the curriculum, see `stages.difficulty`."""


def publish(accepted: Accepted, picture: EmbeddedImage, place: Place, config: PublishConfig) -> ReleaseRow | Drop:
    """Returns the row at its place, or why there is none.

    Raises:
        ValueError: question, image and decision do not belong together, or the decision is not to accept.
    """
    question, image = accepted.question, accepted.image
    unfit = unfit_of(accepted)
    if unfit is not None:
        return unfit
    answer = str(question.answer)
    text = f"{question.question}\n\n{config.instruction}"
    return ReleaseRow(
        id=question.question_id,
        data_source=f"{config.data_source}/{question.style}",
        prompt=(Message(role="user", content=text),),
        prompt_tagged=(Message(role="user", content=IMAGE_TAG + text),),
        problem=IMAGE_TAG + question.question,
        images=(picture,),
        solution=answer,
        answer=answer,
        ability=config.ability,
        reward_model=RewardModel(style="rule", ground_truth=answer),
        extra_info=extra_info_of(question, image, place.row),
        domain=place.domain,
        hops=tuple(_hop(question, position) for position in range(len(question.hops))),
        tier=tier_of(accepted),
        votes=accepted.tried.votes,
        solve_rates=accepted.tried.solve_rates,
        difficulty=difficulty_of(accepted.tried),
        curriculum=place.level,
        stability=accepted.tried.stability,
        certificates=(*question.certificates, *_later_certificates(accepted)),
        split=image.split,
        licence=image.licence,
        image_uri=image.uri,
        image_source=place.image_source,
        width=image.width,
        height=image.height,
        **{name: getattr(question, name) for name in COPIED},
    )


COPIED = (
    "question_id", "image_id", "family_id", "variant", "style", "hop_count", "shape", "trace", "margin",
    "weakest_fact", "luck", "strict", "program", "config_hash", "seed", "categories", "stage_version",
)  # fmt: skip
"""Fields that a row takes over from its question as they are."""


def difficulty_of(tried: Tried) -> str:
    """Returns the band of the solve rate over all models."""
    attempts = sum(rate.n for rate in tried.solve_rates or ())
    overall = sum(rate.correct for rate in tried.solve_rates or ()) / attempts if attempts else None
    return band_of(overall).value


def holds_tag(text: str) -> bool:
    """Whether a text holds what a trainer takes for its own."""
    return _PLACEHOLDER.search(text) is not None


def unfit_of(accepted: Accepted) -> Drop | None:
    """Returns why an accepted question cannot be published in any view; None where it can.

    Raises:
        ValueError: question, image and decision do not belong together, or the decision is not to accept.
    """
    _check_kinship(accepted)
    question = accepted.question
    found = _PLACEHOLDER.search(question.question)
    if found:
        return _drop(question, DropReason.BAD_TEXT, f"the question holds {found[0]!r}, which trainers read as a tag")
    stray = _stray_box(question, accepted.image)
    return _drop(question, DropReason.OUTSIDE_IMAGE, stray) if stray else None


def tier_of(accepted: Accepted) -> str:
    """Returns who vouches for the answer: "program", "people", or "both" where most people gave the program's answer.

    "model" is a question without a program that the reward model let out unseen.

    Raises:
        ValueError: nobody does.
    """
    question = accepted.question
    return tier_named(
        question.question_id, question.program, str(question.answer), accepted.decision.reason, accepted.tried
    )


def tier_named(question_id: str, program: str, answer: str, reason: str, tried: Tried) -> str:
    """Returns `tier_of` a question by what it depends on; ``reason`` is that of the decision.

    Raises:
        ValueError: nobody vouches for the answer.
    """
    agreed = bool(tried.votes) and tried.votes is not None and tried.votes[0].answer == answer
    if agreed:
        return "both" if program else "people"
    if program:
        return "program"
    if reason.startswith(REWARD_MODEL):
        return "model"
    raise ValueError(f"question {question_id} was accepted, but neither a program nor people vouch for it")


JUDGED = {"second_executor": "answer", "text_rules": "no_give_away"}
"""The certificates that judges give, by judge."""


def _later_certificates(accepted: Accepted) -> Iterator[Certificate]:
    """Yields what was proved after the program's own certificates: by judges, and by the balance of the whole dataset.

    Raises:
        ValueError: a judge did not pass the question; silence is not a pass.
    """
    question, decision = accepted.question, accepted.decision
    outcomes = {verdict.judge: verdict for verdict in accepted.verdicts if verdict.question_id == question.question_id}
    for judge, name in JUDGED.items() if question.program else ():
        if judge not in outcomes or outcomes[judge].outcome is not Outcome.PASS:
            raise ValueError(f"question {question.question_id} was accepted without a pass of {judge}")
        yield Certificate(name=name, passed=True, detail=f"passed by {judge}")
    yield Certificate(name="prior", passed=True, detail=decision.reason)


def _check_kinship(accepted: Accepted) -> None:
    question, image, decision = accepted.question, accepted.image, accepted.decision
    if question.image_id != image.image_id or decision.image_id != image.image_id:
        raise ValueError(f"question {question.question_id} is about image {question.image_id}, not {image.image_id}")
    if decision.question_id != question.question_id or decision.route is not Route.ACCEPT:
        raise ValueError(f"question {question.question_id} was not accepted: {decision.question_id} {decision.route}")


def _stray_box(question: Question, image: Image) -> str:
    """Says which box leaves the picture, or nothing."""
    boxes = [box for hop in question.hops for box in hop.boxes_xyxy]
    boxes += [box for step in question.trace for box in step.boxes_xyxy]
    for box in boxes:
        if not _is_inside(box, image):
            return f"box {box} is not inside the {image.width}x{image.height} picture"
    return ""


def _is_inside(box: Box, image: Image) -> bool:
    x0, y0, x1, y1 = box
    return 0 <= x0 < x1 <= image.width and 0 <= y0 < y1 <= image.height


def _hop(question: Question, position: int) -> SampleHop:
    hop = question.hops[position]
    return SampleHop(
        text=hop.text,
        kind=hop.kind,
        operator=hop.operator,
        value=hop.value,
        luck=hop.luck,
        instance_ids=hop.instance_ids,
        boxes_xyxy=hop.boxes_xyxy,
    )


def extra_info_of(question: Question, image: Image, index: int) -> ExtraInfo:
    """Returns the struct that verl carries along, for the row at a position of its split."""
    meta = {
        "cell": question.cell,
        "instances": len({name for hop in question.hops for name in hop.instance_ids}),
    }
    return ExtraInfo(
        split=image.split,
        index=index,
        question=question.question,
        answer=str(question.answer),
        n_hops=question.hop_count,
        meta=json.dumps(meta, sort_keys=True),
    )


def _drop(question: Question, reason: DropReason, detail: str) -> Drop:
    return Drop(stage="publish", id=question.question_id, parent_id=question.image_id, reason=reason, detail=detail)
