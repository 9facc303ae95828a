"""Screen: which pictures are worth hard questions, in two passes, a cheap model first.

In: an image; then the answers of the coarse and, for some, of the fine model. Out: a `Screening`. Dropped: a picture
that the coarse model calls poor, unless it is drawn for the audit; one that the fine model calls poor; one of which
nothing readable was said (no verdict is no pass). The audit sends a random share of what the coarse model refuses to
the fine one as well, so that its recall is measured on every run.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.record import Record
from schemas.screening import Screening
from schemas.verdict import Outcome
from stages.asking import Wanted, make_request, whole
from stages.domains import Domain
from stages.intervals import Interval, wilson
from stages.parsing.reply import Reply, Unreadable, read_reply
from stages.seeds import is_chosen

VERSION = 1


class ScreenConfig(Record):
    """How pictures are screened."""

    enabled: bool = False
    coarse: bool = True
    """Whether a cheap model (the solver) looks first."""
    audit_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the coarse model's refusals that the fine model sees all the same."""
    keep_audited: bool = True
    """Whether a picture that only the audit saved goes on."""


class Trait(StrEnum):
    """What makes a picture rich."""

    DENSE = "dense"
    OCCLUDED = "occluded"
    UNUSUAL_POSE = "unusual_pose"
    INTERACTION = "interaction"
    VARIED = "varied"


class ScreenReply(Reply):
    """The model's answer."""

    reason: str = Field(max_length=600)
    traits: tuple[Trait, ...] = Field(max_length=5)
    rich: bool


def ask_screen(image: Image, role: ModelRole, domain: Domain) -> ModelRequest:
    """Returns the request for one pass; the solver is the coarse model, the generator the fine one."""
    wanted = Wanted("screen", "screen", role, image.image_id, ScreenReply)
    return make_request(wanted, {}, [whole(image.image_id)], Sampling(max_tokens=300), domain)


def read_screen(text: str) -> ScreenReply | Unreadable:
    """Returns what a model said of a picture."""
    return read_reply(text, ScreenReply)


def is_audited(image_id: str, config: ScreenConfig, seed: int) -> bool:
    """Returns whether a picture that the coarse model refused is shown to the fine one all the same."""
    return is_chosen(seed, "screen", image_id, config.audit_share)


def needs_fine(coarse: ScreenReply | Unreadable | None, image_id: str, config: ScreenConfig, seed: int) -> bool:
    """Returns whether the fine model looks: where there is no coarse one, it passed, was silent, or is audited."""
    if coarse is None or isinstance(coarse, Unreadable) or coarse.rich:
        return True
    return is_audited(image_id, config, seed)


def outcome_of(said: ScreenReply | Unreadable | None) -> Outcome:
    """Returns a model's answer as an outcome; silence and what cannot be read are no verdict."""
    if said is None or isinstance(said, Unreadable):
        return Outcome.NO_VERDICT
    return Outcome.PASS if said.rich else Outcome.FAIL


def screen(
    image: Image,
    coarse: ScreenReply | Unreadable | None,
    fine: ScreenReply | Unreadable | None,
    config: ScreenConfig,
) -> tuple[Screening, Drop | None]:
    """Returns what was said of a picture, and why it goes no further where it does not."""
    audited = config.coarse and outcome_of(coarse) is Outcome.FAIL and fine is not None
    last = fine if fine is not None else coarse
    screening = Screening(
        image_id=image.image_id,
        coarse=outcome_of(coarse) if config.coarse else None,
        fine=None if fine is None else outcome_of(fine),
        audited=audited,
        traits=tuple(sorted(trait.value for trait in last.traits)) if isinstance(last, ScreenReply) else (),
        reason=" ".join(last.reason.split())[:300] if isinstance(last, ScreenReply) else "",
    )
    return screening, _drop(image, coarse, fine, config)


def _drop(
    image: Image, coarse: ScreenReply | Unreadable | None, fine: ScreenReply | Unreadable | None, config: ScreenConfig
) -> Drop | None:
    deciding = fine if fine is not None else coarse
    if isinstance(deciding, Unreadable):
        return _made(image, deciding.reason, deciding.text)
    if deciding is None:
        return _made(image, DropReason.NO_REPLY, "no model looked at it")
    refused_first = isinstance(coarse, ScreenReply) and not coarse.rich
    if not deciding.rich or (refused_first and not config.keep_audited):
        return _made(image, DropReason.NOT_RICH, " ".join(deciding.reason.split())[:200])
    return None


def _made(image: Image, reason: DropReason, detail: str) -> Drop:
    return Drop(stage="screen", id=image.image_id, parent_id=image.uri, reason=reason, detail=detail)


class ScreenRecall(NamedTuple):
    """How much of what the fine model wants the coarse one lets through."""

    recall: float
    """Estimated over all pictures: audited refusals stand for the refusals that nobody audited."""
    passed: Interval
    """Share of pictures that pass the coarse model."""
    missed: Interval
    """Share of audited refusals that the fine model calls rich."""
    audited: int


def screen_recall(rows: Iterable[Screening]) -> ScreenRecall:
    """Returns the coarse model's recall against the fine one; 1 where nothing was refused."""
    looked = [row for row in rows if row.coarse in (Outcome.PASS, Outcome.FAIL)]
    both = [row for row in looked if row.coarse is Outcome.PASS and row.fine in (Outcome.PASS, Outcome.FAIL)]
    found = sum(row.fine is Outcome.PASS for row in both)
    refused = [row for row in looked if row.coarse is Outcome.FAIL]
    audited = [row for row in refused if row.fine in (Outcome.PASS, Outcome.FAIL)]
    missed = wilson(sum(row.fine is Outcome.PASS for row in audited), len(audited))
    lost = missed.share * len(refused)
    recall = found / (found + lost) if found + lost else 1.0
    return ScreenRecall(recall, wilson(len(looked) - len(refused), len(looked)), missed, len(audited))
