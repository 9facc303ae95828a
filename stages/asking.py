"""How stages speak of models: a request, the text that came back, and what could not be read.

A stage builds `ModelRequest`s and reads texts. Who answers, where, how often it is tried and what it costs is the
pipeline's (`pipelines.asking`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.instance import Instance
from schemas.model_reply import ModelReply
from schemas.model_request import Message, ModelRequest, ModelRole, Part, Sampling
from stages.domains import Domain
from stages.parsing.reply import Fault, Reply, Unreadable, schema_text
from stages.prompts import load_prompt, to_messages

AGAIN = "Your answer could not be used ({fault}). Answer once more, with the bare JSON object and nothing around it."


class Wanted(NamedTuple):
    """What a request is for."""

    job: str
    prompt: str
    """Name of the prompt file."""
    role: ModelRole
    subject_id: str
    form: type[Reply] | None
    """The form of the answer; None for free text."""


def make_request(
    wanted: Wanted,
    slots: Mapping[str, str],
    pictures: Sequence[Part],
    sampling: Sampling,
    domain: Domain,
) -> ModelRequest:
    """Returns the request of a filled prompt; the slot ``notes`` is the domain's where the prompt has one."""
    prompt = load_prompt(wanted.prompt)
    filled = dict(slots)
    if "notes" in prompt.slots:
        filled["notes"] = domain.notes
    return ModelRequest(
        job=wanted.job,
        role=wanted.role,
        messages=to_messages(prompt, filled, pictures),
        sampling=sampling,
        json_schema=None if wanted.form is None else schema_text(wanted.form),
        prompt_hash=prompt.sha256,
        subject_id=wanted.subject_id,
        allow_remote_images=domain.privacy.remote_images,
    )


def once_more(request: ModelRequest, said: str, fault: str) -> ModelRequest:
    """Returns the request that asks again after an answer that could not be read; asked once at most."""
    answered = Message(role="assistant", parts=(Part(text=said[:4_000] or "(nothing)"),))
    again = Message(role="user", parts=(Part(text=AGAIN.format(fault=fault)),))
    return request.model_copy(update={"messages": (*request.messages, answered, again)})


def text_of(reply: ModelReply) -> str | Unreadable:
    """Returns the answer of a reply; an error and an answer that was cut off are none."""
    if reply.error is not None:
        return Unreadable(Fault.ERROR, f"{reply.error.value}: {reply.error_detail[:120]}")
    if reply.is_cut_off:
        return Unreadable(Fault.CUT_OFF, "the answer ran into the limit of tokens")
    return reply.text


def whole(image_id: str) -> Part:
    """Returns the part that shows a whole picture."""
    return Part(image_id=image_id)


def crop(instance: Instance, width: int, height: int, margin: float = 0.08) -> Part:
    """Returns the part that shows one instance with a little of what surrounds it."""
    x0, y0, x1, y1 = instance.box_xyxy
    dx, dy = margin * (x1 - x0) + 2, margin * (y1 - y0) + 2
    box = (max(0.0, x0 - dx), max(0.0, y0 - dy), min(float(width), x1 + dx), min(float(height), y1 + dy))
    return Part(image_id=instance.image_id, box_xyxy=box)


def numbered(instances: Sequence[Instance]) -> str:
    """Returns the lines that list instances by number, counting from 1, with kind and box."""
    return "\n".join(
        f"{number}. {instance.category}, box {', '.join(f'{value:.0f}' for value in instance.box_xyxy)}"
        for number, instance in enumerate(instances, 1)
    )
