"""Identify: which kinds of things a model sees in a picture, as canonical singular nouns, checked against segmentation.

In: the model's reply; then what segmenting found. Out: one `NamedCategory` per kind, synonyms merged. Dropped: a name
that is no plain noun; a kind of which segmenting found no instance (a hallucination, or one too small to outline).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.instance import Instance
from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.named_category import NamedCategory
from schemas.record import Record
from stages.asking import Wanted, make_request, whole
from stages.domains import Domain
from stages.english import ENGLISH
from stages.parsing.reply import Reply, Unreadable, read_reply

VERSION = 1

_NOUN = re.compile(r"[a-z][a-z-]*(?: [a-z][a-z-]*){0,3}")


class IdentifyConfig(Record):
    """How kinds of things are named."""

    enabled: bool = False
    max_categories: int = Field(default=60, ge=1)
    """Of a longer answer nothing is believed."""
    min_sure: float = Field(default=0.3, ge=0, le=1)
    """A kind that the model is less sure of is not looked for."""


class NamedThing(Reply):
    """One kind, as the model names it."""

    name: str = Field(min_length=1, max_length=60)
    at_least: int = Field(ge=0, le=1_000)
    sure: float = Field(ge=0, le=1)


class IdentifyReply(Reply):
    """The model's answer."""

    categories: tuple[NamedThing, ...] = Field(max_length=200)


class Identified(NamedTuple):
    """What a model sees in one picture, and what of it could not be used."""

    categories: tuple[NamedCategory, ...]
    drops: tuple[Drop, ...]


def ask_identify(image: Image, domain: Domain) -> ModelRequest:
    """Returns the request for one picture."""
    wanted = Wanted("identify", "identify", ModelRole.GENERATOR, image.image_id, IdentifyReply)
    preferred = ", ".join(domain.categories) or "none: name what you see"
    return make_request(wanted, {"preferred": preferred}, [whole(image.image_id)], Sampling(max_tokens=1_200), domain)


def read_identify(image_id: str, text: str, domain: Domain, config: IdentifyConfig) -> Identified | Unreadable:
    """Returns the kinds that a reply names, merged and sorted, or why it says nothing."""
    said = read_reply(text, IdentifyReply)
    if isinstance(said, Unreadable):
        return said
    kept: dict[str, NamedCategory] = {}
    drops: list[Drop] = []
    for number, thing in enumerate(said.categories):
        name = canonical_noun(thing.name, domain)
        fault = _fault(name, thing, number, config)
        if name is None or fault:
            reason = DropReason.UNSURE_CATEGORY if name and number < config.max_categories else DropReason.BAD_CATEGORY
            drops.append(_drop(image_id, f"{number}:{name or ''}", reason, fault))
        elif name in kept:
            detail = f"{thing.name[:60]!r} is {name}, which was named before"
            drops.append(_drop(image_id, f"{number}:{name}", DropReason.MERGED_CATEGORY, detail))
            kept[name] = _merged(kept[name], thing)
        else:
            kept[name] = NamedCategory(
                image_id=image_id, category=name, at_least=thing.at_least, sure=thing.sure, said=(thing.name,)
            )
    return Identified(tuple(kept[name] for name in sorted(kept)), tuple(drops))


def canonical_noun(name: str, domain: Domain) -> str | None:
    """Returns the category that a name means, singular and with synonyms replaced; None where it is no plain noun."""
    plain = " ".join(name.lower().split())
    plain = re.sub(r"^(?:a|an|the|some) ", "", plain)
    if not _NOUN.fullmatch(plain) or len(plain) > 40:
        return None
    for form in (plain, _singular(plain)):
        if form in domain.synonyms:
            return domain.synonyms[form]
        if form in domain.categories:
            return form
    return _singular(plain)


def check_named(
    named: Sequence[NamedCategory], instances: Sequence[Instance]
) -> tuple[tuple[NamedCategory, ...], tuple[Drop, ...]]:
    """Returns the kinds that segmenting found, with their numbers, and a drop for each that it did not find."""
    kept, drops = [], []
    for one in named:
        found = sum(instance.category == one.category for instance in instances)
        if found:
            kept.append(one.model_copy(update={"instance_count": found}))
        else:
            detail = f"named with {one.sure:.2f}, and segmenting found none"
            drops.append(_drop(one.image_id, one.category, DropReason.HALLUCINATED_CATEGORY, detail))
    return tuple(kept), tuple(drops)


def _fault(name: str | None, thing: NamedThing, number: int, config: IdentifyConfig) -> str:
    if name is None:
        return f"{thing.name[:60]!r} is no plain noun"
    if number >= config.max_categories:
        return f"the answer names more than {config.max_categories}"
    return f"{name}: sure {thing.sure:.2f}, below {config.min_sure:.2f}" if thing.sure < config.min_sure else ""


def _merged(one: NamedCategory, thing: NamedThing) -> NamedCategory:
    update = {
        "at_least": max(one.at_least, thing.at_least),
        "sure": max(one.sure, thing.sure),
        "said": tuple(sorted({*one.said, thing.name})),
    }
    return one.model_copy(update=update)


def _drop(image_id: str, name: str, reason: DropReason, detail: str) -> Drop:
    return Drop(stage="identify", id=f"{image_id}:named:{name}", parent_id=image_id, reason=reason, detail=detail)


_PLURAL_ONLY = frozenset({"skis", "scissors", "glasses", "trousers", "jeans", "shorts", "pants", "pliers", "tweezers"})
_NO_PLURAL = re.compile(r"(?:ss|us|is|bus|gas|glass|tennis|lens|canvas)$")


def _singular(noun: str) -> str:
    head, _, last = noun.rpartition(" ")
    if noun in _PLURAL_ONLY or _NO_PLURAL.search(last):
        return noun
    found = ENGLISH.singular_noun(last)
    return f"{head} {found}".strip() if found else noun
