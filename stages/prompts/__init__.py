"""Prompts: one Markdown file per job, read as prose, versioned by the hash of its text.

A file has two parts: what the model is told once (system), and under the line ``## Request`` what it is asked, with
slots in double braces. Pictures go before the text, so that requests about one picture share their beginning.
"""

import hashlib
import importlib.resources
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from schemas.model_request import Message, Part

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_REQUEST = "\n## Request\n"


class Prompt(NamedTuple):
    """One prompt file."""

    name: str
    system: str
    request: str
    sha256: str
    """Of the file's text."""

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots of both parts."""
        return frozenset(_SLOT.findall(self.system + self.request))


def prompt_names() -> tuple[str, ...]:
    """Returns the names of all prompts, sorted."""
    files = importlib.resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".md") for file in files if file.name.endswith(".md")))


@cache
def load_prompt(name: str) -> Prompt:
    """Returns the prompt of that name.

    Raises:
        ValueError: there is none, or it has no request.
    """
    if name not in prompt_names():
        raise ValueError(f"there is no prompt {name!r}; there are {', '.join(prompt_names())}")
    text = importlib.resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    system, mark, request = text.partition(_REQUEST)
    if not mark or not request.strip():
        raise ValueError(f"prompt {name} has no part under '## Request'")
    return Prompt(name, system.strip(), request.strip(), hashlib.sha256(text.encode()).hexdigest())


def prompts_digest() -> str:
    """Returns one hash over all prompts: part of the key of whatever asks a model."""
    digests = "".join(f"{name}:{load_prompt(name).sha256}\n" for name in prompt_names())
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def to_messages(prompt: Prompt, slots: dict[str, str], pictures: Sequence[Part] = ()) -> tuple[Message, ...]:
    """Returns the system and the user message of a filled prompt, pictures first.

    Raises:
        ValueError: a slot is missing, or there is none of that name. A bug of the caller.
    """
    if slots.keys() != prompt.slots:
        odd = ", ".join(sorted(slots.keys() ^ prompt.slots))
        raise ValueError(f"prompt {prompt.name} and its caller do not agree on the slots {odd}")

    def fill(text: str) -> str:
        return _SLOT.sub(lambda found: slots[found[1]], text)

    return (
        Message(role="system", parts=(Part(text=fill(prompt.system)),)),
        Message(role="user", parts=(*pictures, Part(text=fill(prompt.request)))),
    )
