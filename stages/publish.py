"""An accepted question and its encoded picture to one published row.

In: the question, its image, the decision, the picture as it will ship. Out: a `ReleaseRow`. Dropped: a question whose
text holds a trainer's placeholder (it would be counted as a picture, or cut the chat in two) or whose boxes leave the
picture.
A question that belongs to another image, or was not accepted, is a bug and raises.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.question import Certificate, Question
from schemas.sample import EmbeddedImage, ExtraInfo, Message, ReleaseRow, RewardModel, SampleHop
from schemas.verdict import Outcome, Verdict

VERSION = 2

IMAGE_TAG = "<image>"
_PLACEHOLDER = re.compile(r"<\s*/?\s*(?:image|video|audio|img)[^<>]{0,40}>|<\|[^<>|]{0,60}\|>|<\s*/?\s*think\s*>", re.I)
"""What a chat template or a trainer takes for its own: media tags, control tokens, thought marks."""

Box = tuple[float, float, float, float]


class PublishConfig(BaseModel):
    """The words around a question, and how rows are cut into files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


class Accepted(NamedTuple):
    """A question, the image it is about, the decision that lets it out, and what its judges said."""

    question: Question
    image: Image
    decision: Decision
    verdicts: tuple[Verdict, ...]


def publish(accepted: Accepted, picture: EmbeddedImage, index: int, config: PublishConfig) -> ReleaseRow | Drop:
    """Returns the row at position ``index`` of its split, or why there is none.

    Raises:
        ValueError: question, image and decision do not belong together, or the decision is not to accept.
    """
    question, image, _, _ = accepted
    _check_kinship(accepted)
    found = _PLACEHOLDER.search(question.question)
    if found:
        return _drop(question, DropReason.BAD_TEXT, f"the question holds {found[0]!r}, which trainers read as a tag")
    stray = _stray_box(question, image)
    if stray:
        return _drop(question, DropReason.OUTSIDE_IMAGE, stray)
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
        extra_info=_extra_info(question, image, index),
        hops=tuple(_hop(question, position) for position in range(len(question.hops))),
        tier="program",
        certificates=(*question.certificates, *_later_certificates(accepted)),
        split=image.split,
        licence=image.licence,
        image_uri=image.uri,
        **{name: getattr(question, name) for name in _COPIED},
    )


_COPIED = (
    "question_id", "image_id", "family_id", "variant", "style", "hop_count", "shape", "trace", "margin",
    "weakest_fact", "luck", "strict", "program", "config_hash", "seed",
)  # fmt: skip
"""Fields that a row takes over from its question as they are."""


_JUDGED = {"second_executor": "answer", "text_rules": "no_give_away"}
"""The certificates that judges give, by judge."""


def _later_certificates(accepted: Accepted) -> Iterator[Certificate]:
    """Yields what was proved after the program's own certificates: by judges, and by the balance of the whole dataset.

    Raises:
        ValueError: a judge did not pass the question; silence is not a pass.
    """
    question, _, decision, verdicts = accepted
    outcomes = {verdict.judge: verdict for verdict in verdicts if verdict.question_id == question.question_id}
    for judge, name in _JUDGED.items():
        if judge not in outcomes or outcomes[judge].outcome is not Outcome.PASS:
            raise ValueError(f"question {question.question_id} was accepted without a pass of {judge}")
        yield Certificate(name=name, passed=True, detail=f"passed by {judge}")
    yield Certificate(name="prior", passed=True, detail=decision.reason)


def _check_kinship(accepted: Accepted) -> None:
    question, image, decision, _ = accepted
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
        text=hop.text, kind=hop.kind, value=hop.value, instance_ids=hop.instance_ids, boxes_xyxy=hop.boxes_xyxy
    )


def _extra_info(question: Question, image: Image, index: int) -> ExtraInfo:
    meta = {
        "categories": question.categories,
        "cell": question.cell,
        "height": image.height,
        "stage_version": question.stage_version,
        "width": image.width,
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
