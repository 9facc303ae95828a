"""Look: a model describes single instances from their crops, and code checks what it can measure too.

In: the instances of an image and the model's reply. Out: `Look`s, and the instances with the attributes that are
believed. An attribute is believed where the source or a measurement states the same, or where nobody can measure it and
the model is sure enough; where the two disagree neither is used, so that no question rests on it. Dropped: attributes
that are not on offer, contradicted ones, unsure ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from schemas.drop import Drop, DropReason
from schemas.instance import Attribute, Instance
from schemas.look import Check, Look
from schemas.model_request import ModelRequest, ModelRole, Sampling
from schemas.record import Record
from stages.asking import Wanted, crop, make_request
from stages.domains import Domain
from stages.parsing.reply import Fault, Reply, Unreadable, clean_line, read_reply

VERSION = 1
TEXT = "text"
"""Key of what is written on a thing. It is kept in the table and describes nothing: it is a stranger's words."""
MAX_TEXT = 40


class LookConfig(Record):
    """How instances are described by a model."""

    enabled: bool = False
    per_request: int = Field(default=8, ge=1, le=32)
    """Crops shown at once."""
    min_confidence: float = Field(default=0.8, ge=0, le=1)
    """Least confidence of an attribute that code cannot check."""
    min_side_px: int = Field(default=16, ge=1)
    """Smaller things are not described."""


class SaidAttribute(Reply):
    """One attribute."""

    key: str = Field(min_length=1, max_length=30)
    value: str = Field(min_length=1, max_length=40)
    confidence: float = Field(ge=0, le=1)


class SaidInstance(Reply):
    """One crop."""

    number: int = Field(ge=1, le=64)
    attributes: tuple[SaidAttribute, ...] = Field(max_length=20)


class LookReply(Reply):
    """The model's answer."""

    instances: tuple[SaidInstance, ...] = Field(max_length=64)


class Looked(NamedTuple):
    """What one reply says of its instances, and what of it cannot be used."""

    looks: tuple[Look, ...]
    drops: tuple[Drop, ...]


def groups_of(instances: Iterable[Instance], domain: Domain, config: LookConfig) -> list[list[Instance]]:
    """Returns the instances that may be shown to a model, cut into requests."""
    shown = [
        instance
        for instance in sorted(instances, key=lambda instance: instance.instance_id)
        if min(_sides(instance)) >= config.min_side_px
        and (domain.privacy.describe_people or instance.category != "person")
    ]
    return [shown[start : start + config.per_request] for start in range(0, len(shown), config.per_request)]


def ask_look(members: Sequence[Instance], size: tuple[int, int], domain: Domain) -> ModelRequest:
    """Returns the request that shows the crops of some instances of one picture of ``(width, height)`` pixels."""
    wanted = Wanted("look", "look", ModelRole.GENERATOR, members[0].image_id, LookReply)
    offers = [f"{key}: {', '.join(values)}" for key, values in sorted(domain.attributes.items())]
    if domain.privacy.read_text:
        offers.append(f"{TEXT}: what is written on it, letter by letter, at most {MAX_TEXT} characters")
    vocabulary = "\n".join(offers)
    slots = {
        "things": "\n".join(f"{number}. a {member.category}" for number, member in enumerate(members, 1)),
        "vocabulary": vocabulary,
    }
    pictures = [crop(member, *size) for member in members]
    return make_request(wanted, slots, pictures, Sampling(max_tokens=150 * len(members) + 200), domain)


def read_look(text: str, members: Sequence[Instance], domain: Domain, config: LookConfig) -> Looked | Unreadable:
    """Returns what a reply says of the instances that were shown, or why it says nothing."""
    said = read_reply(text, LookReply)
    if isinstance(said, Unreadable):
        return said
    numbers = [one.number for one in said.instances]
    if len(set(numbers)) < len(numbers) or max(numbers, default=0) > len(members):
        return Unreadable(Fault.WRONG_CONTENT, f"it describes {numbers[:20]}, shown were 1 to {len(members)}")
    looks, drops = [], []
    for one in said.instances:
        instance = members[one.number - 1]
        seen: set[str] = set()
        for position, attribute in enumerate(one.attributes):
            look = _checked(instance, attribute)
            fault = _fault(look, seen, domain, config)
            seen.add(attribute.key)
            if fault is None:
                looks.append(look)
            else:
                drops.append(_drop(instance, f"{attribute.key[:30]}:{position}", *fault))
    return Looked(tuple(looks), tuple(drops))


def with_looks(instances: Sequence[Instance], looks: Iterable[Look]) -> tuple[Instance, ...]:
    """Returns the instances with the believed attributes; a contradicted one is taken away from both sides."""
    of_instance: dict[str, list[Look]] = {}
    for look in looks:
        of_instance.setdefault(look.instance_id, []).append(look)
    return tuple(
        _merged(instance, of_instance[instance.instance_id]) if instance.instance_id in of_instance else instance
        for instance in instances
    )


def believed_keys(looks: Iterable[Look]) -> frozenset[str]:
    """Returns the attributes that a model adds to what the source can state of a picture."""
    return frozenset(look.key for look in looks if look.check is Check.UNCHECKED and look.key != TEXT)


def _merged(instance: Instance, looks: Sequence[Look]) -> Instance:
    known = {attribute.key: attribute for attribute in instance.attributes}
    for look in looks:
        if look.check is Check.DISAGREES:
            known.pop(look.key, None)
        elif look.check is Check.UNCHECKED and look.key != TEXT:
            known[look.key] = Attribute(key=look.key, value=look.value, confidence=look.confidence)
    return instance.model_copy(update={"attributes": tuple(known[key] for key in sorted(known))})


def _checked(instance: Instance, attribute: SaidAttribute) -> Look:
    measured = next((one.value for one in instance.attributes if one.key == attribute.key), "")
    check = Check.UNCHECKED if not measured else (Check.AGREES if measured == attribute.value else Check.DISAGREES)
    return Look(
        instance_id=instance.instance_id,
        image_id=instance.image_id,
        key=attribute.key,
        value=attribute.value,
        confidence=attribute.confidence,
        check=check,
        measured=measured,
    )


def _fault(look: Look, seen: set[str], domain: Domain, config: LookConfig) -> tuple[DropReason, str] | None:
    offered: Mapping[str, tuple[str, ...]] = domain.attributes
    if look.key == TEXT and domain.privacy.read_text:
        if clean_line(look.value, MAX_TEXT) != look.value:
            return DropReason.UNKNOWN_ATTRIBUTE, "the text that was read cannot be printed as it is"
    elif look.value not in offered.get(look.key, ()):
        return DropReason.UNKNOWN_ATTRIBUTE, f"{look.key[:30]} {look.value[:40]!r} is not on offer"
    if look.key in seen:
        return DropReason.UNKNOWN_ATTRIBUTE, f"{look.key} is stated twice"
    if look.check is Check.UNCHECKED and look.confidence < config.min_confidence:
        return DropReason.UNSURE_ATTRIBUTE, f"{look.confidence:.2f} is below {config.min_confidence:.2f}"
    return None


def _drop(instance: Instance, name: str, reason: DropReason, detail: str) -> Drop:
    thing = f"{instance.instance_id}:{name}"
    return Drop(stage="look", id=thing, parent_id=instance.image_id, reason=reason, detail=detail)


def _sides(instance: Instance) -> tuple[float, float]:
    x0, y0, x1, y1 = instance.box_xyxy
    return x1 - x0, y1 - y0
