"""Which accepted questions a release takes: no picture in two splits, no question twice, no kind too often.

In: what is offered, and what is known of its pictures. Out: who is refused and why; everybody else is taken.

The split of an image is a function of its id alone and never changes. Of like images only those of one split are
taken, so no two splits share a picture and no row ever moves to another split. That split is the one of an image that
an earlier release had, where there is one, else of the image with the lowest id.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.drop import Drop, DropReason
from schemas.question import Variant
from stages.wordings import content_words

STAGE = "publish"
KINDS = ("shape", "category", "answer", "hops")
"""What shares may be set for."""
_ROUNDS = 100


class SelectConfig(BaseModel):
    """Which questions a release takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collapse: bool = True
    """Of questions that ask the same about the same picture, or about copies of it, one is taken."""
    shares: Mapping[str, float] = Field(default_factory=dict)
    """By kind (shape, category, answer, hops): the largest share of a split that one value may have."""


class Offer(NamedTuple):
    """What selecting needs to know of a question."""

    question_id: str
    image_id: str
    family_id: str
    variant: str
    question: str
    shape: str
    categories: tuple[str, ...]
    answer: int
    hop_count: int
    split: str


class Groups:
    """Images in groups of copies: alike to one another, if only by way of others."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._parent: dict[str, str] = {}
        for one, other in pairs:
            low, high = sorted((self.of(one), self.of(other)))
            self._parent[high] = low

    def of(self, image_id: str) -> str:
        """Returns the group of an image, by the lowest id in it; an image without copies is its own."""
        while (parent := self._parent.get(image_id, image_id)) != image_id:
            image_id = parent
        return image_id

    def members(self) -> Iterator[tuple[str, ...]]:
        """Yields the groups of two or more images, ids ascending."""
        found: dict[str, set[str]] = defaultdict(set)
        for image_id in self._parent:
            found[self.of(image_id)] |= {image_id, self.of(image_id)}
        for group in sorted(found):
            yield tuple(sorted(found[group]))


def images_out(splits: Mapping[str, str], groups: Groups, settled: Set[str] = frozenset()) -> dict[str, str]:
    """Returns the images that a release leaves out because their copies are in another split, and why.

    Args:
        splits: Split of each image that is offered; others do not count.
        groups: Which are copies of one another.
        settled: Images of an earlier release. They stay whatever comes.
    """
    out: dict[str, str] = {}
    for group in groups.members():
        offered = [image_id for image_id in group if image_id in splits]
        first = [image_id for image_id in offered if image_id in settled] or offered[:1]
        wanted = {splits[image_id] for image_id in first}
        for image_id in offered:
            if image_id not in first and wanted != {splits[image_id]}:
                where = " and ".join(sorted(wanted))
                out[image_id] = (
                    f"shows what image {first[0]} shows, which is in {where}; this one is {splits[image_id]}"
                )
    return out


def select(
    offers: Sequence[Offer], groups: Groups, config: SelectConfig, settled: Set[str] = frozenset()
) -> dict[str, Drop]:
    """Returns who is refused, by question id. Independent of the order of the offers."""
    ordered = sorted(offers, key=lambda offer: (offer.variant != Variant.FULL, offer.question_id))
    out = images_out({offer.image_id: offer.split for offer in ordered}, groups, settled)
    refused = {
        offer.question_id: _drop(offer, DropReason.NEAR_DUPLICATE_IMAGE, out[offer.image_id])
        for offer in ordered
        if offer.image_id in out
    }
    if config.collapse:
        refused |= _repeated(_left(ordered, refused), groups)
    for offer, detail in _too_many(_left(ordered, refused), config.shares):
        refused[offer.question_id] = _drop(offer, DropReason.OVER_QUOTA, detail)
    return refused | _orphaned(_left(ordered, refused), offers)


def _left(offers: Sequence[Offer], refused: Mapping[str, Drop]) -> list[Offer]:
    return [offer for offer in offers if offer.question_id not in refused]


def _repeated(offers: Sequence[Offer], groups: Groups) -> dict[str, Drop]:
    """Returns the questions that say, with other small words, what one before them asks about the same picture."""
    first: dict[tuple[object, ...], Offer] = {}
    refused: dict[str, Drop] = {}
    for offer in offers:
        key = (groups.of(offer.image_id), offer.answer, content_words(offer.question))
        known = first.setdefault(key, offer)
        if known is not offer:
            detail = f"asks what {known.question_id} asks"
            refused[offer.question_id] = _drop(offer, DropReason.NEAR_DUPLICATE_QUESTION, detail)
    return refused


def _too_many(offers: Sequence[Offer], shares: Mapping[str, float]) -> Iterator[tuple[Offer, str]]:
    """Yields the offers that exceed a share of their split; families are refused by their full question.

    Shares are of what is taken, so refusing some lowers the bound of the others: it is repeated until nothing changes.
    A share below what an even spread would give means an even spread.
    """
    by_split: dict[str, list[Offer]] = defaultdict(list)
    families = {offer.family_id for offer in offers if offer.variant == Variant.FULL}
    for offer in offers:
        if offer.variant == Variant.FULL or offer.family_id not in families:
            by_split[offer.split].append(offer)
    for split in sorted(by_split):
        kept = by_split[split]
        for _ in range(_ROUNDS):
            refused = dict(_over(kept, shares))
            yield from ((offer, refused[offer.question_id]) for offer in kept if offer.question_id in refused)
            kept = [offer for offer in kept if offer.question_id not in refused]
            if not refused:
                break


def _over(offers: Sequence[Offer], shares: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yields who is over a share in one round, with the reason."""
    seen: Counter[tuple[str, object]] = Counter()
    values = {kind: {value for offer in offers for value in _values(offer, kind)} for kind in shares}
    bounds = {
        kind: max(1, int(max(share, 1 / max(1, len(values[kind]))) * len(offers))) for kind, share in shares.items()
    }
    for offer in offers:
        own = [(kind, value) for kind in shares for value in _values(offer, kind)]
        full = next(((kind, value) for kind, value in own if seen[kind, value] >= bounds[kind]), None)
        if full is None:
            seen.update(own)
        else:
            yield offer.question_id, f"{full[0]} {full[1]} has {bounds[full[0]]} of {len(offers)} in {offer.split}"


def _values(offer: Offer, kind: str) -> tuple[object, ...]:
    match kind:
        case "shape":
            return (offer.shape,)
        case "category":
            return offer.categories
        case "answer":
            return (offer.answer,)
        case "hops":
            return (offer.hop_count,)
    raise ValueError(f"there is no kind {kind!r}; shares can be set for {', '.join(KINDS)}")


def _orphaned(left: Sequence[Offer], offers: Sequence[Offer]) -> dict[str, Drop]:
    """Returns the shorter variants whose full question was offered and refused."""
    offered = {offer.family_id for offer in offers if offer.variant == Variant.FULL}
    kept = {offer.family_id for offer in left if offer.variant == Variant.FULL}
    return {
        offer.question_id: _drop(offer, DropReason.OVER_QUOTA, "the full question of its family was not taken")
        for offer in left
        if offer.variant != Variant.FULL and offer.family_id in offered - kept
    }


def _drop(offer: Offer, reason: DropReason, detail: str) -> Drop:
    return Drop(stage=STAGE, id=offer.question_id, parent_id=offer.image_id, reason=reason, detail=detail)
