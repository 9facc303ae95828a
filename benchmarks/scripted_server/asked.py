"""What a request to the stand-in asks, and how jobs plug in their answers."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from benchmarks.scripted_server.scenes import SceneBook, Seen
from schemas.scene import Scene


class Asked(NamedTuple):
    """One request as the server sees it."""

    job: str
    """From the header that the client sends with every request; "" where there is none."""
    key: str
    """The client's request key; "" where there is none."""
    texts: tuple[tuple[str, str], ...]
    """Role and text of every text part, in order."""
    pictures: tuple[Seen | None, ...]
    """What each picture shows; None where it is not recognised."""
    json_schema: dict[str, Any] | None
    n: int
    temperature: float
    draw: int
    """Which of the n answers is wanted."""
    body: Mapping[str, Any]
    """The request's JSON."""

    @property
    def prompt(self) -> str:
        """All texts of the user, in order."""
        return "\n".join(text for role, text in self.texts if role == "user")


Answer = Callable[[Scene | None, Asked, random.Random], str]
"""Writes the answer to one request about a scene (None where no picture was recognised). Randomness is passed in."""


def echo(scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Answers any job with one word about the scene: the behaviour of jobs that have none."""
    return f"{len(scene.instances) if scene else 0}"


def read_request(body: Mapping[str, Any], headers: Mapping[str, str], book: SceneBook) -> Asked:
    """Returns what a chat completion request asks.

    Args:
        body: the request's JSON.
        headers: of the request.
        book: the scenes that its pictures may show.

    Raises:
        KeyError, TypeError, ValueError: it is no chat completion request.
    """
    texts: list[tuple[str, str]] = []
    pictures: list[Seen | None] = []
    for message in body["messages"]:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                texts.append((message["role"], part["text"]))
            else:
                pictures.append(book.find(part["image_url"]["url"]))
    form = body.get("response_format") or {}
    return Asked(
        job=headers.get("X-Hopyard-Job", ""),
        key=headers.get("Idempotency-Key", ""),
        texts=tuple(texts),
        pictures=tuple(pictures),
        json_schema=form.get("json_schema", {}).get("schema"),
        n=int(body.get("n") or 1),
        temperature=float(body.get("temperature") or 0.0),
        draw=0,
        body=body,
    )


def answer_probe(scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Answers the client's probes as a model would that follows schemas and seeds where the server honours them."""
    if asked.json_schema is not None:
        return json.dumps({name: form["enum"][0] for name, form in asked.json_schema["properties"].items()})
    if asked.body.get("seed") is not None:
        rng = random.Random(f"{asked.body['seed']}:{asked.draw}")
    return f"one two three {rng.randrange(10**9)}"


def count_tokens(asked: Asked) -> int:
    """Returns the input tokens the stand-in bills: a quarter of the characters, and 256 for a picture."""
    return sum(len(text) for _, text in asked.texts) // 4 + 256 * len(asked.pictures)
