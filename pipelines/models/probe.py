"""What a server really does with the options of a request, found out by asking: a 200 proves nothing.

Servers silently ignore what they lack (docs/models.md), so each option is tried once with a request whose answer
shows whether it was honoured. The replies are kept like all others, under a key with what the server says of itself, so
a rerun does not ask again until another version or model answers there.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from pipelines.models.wire import OPTIONS, BadBodyError, read_completion

Post = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Sends the options of a probe, given its name, and returns the body. Raises `ProbeRefusedError` on 4xx and 5xx."""

COLOURS = ("red", "green", "blue")
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": list(COLOURS)}},
    "required": ["colour"],
    "additionalProperties": False,
}
STOP_AT = "three"


class ProbeRefusedError(Exception):
    """A server did not accept a probe. The message says what it answered."""


class Finding(NamedTuple):
    """What a server does with one option."""

    option: str
    honoured: bool
    shown_by: str
    """What the server answered, in words."""


async def probe(model: str, post: Post) -> tuple[Finding, ...]:
    """Returns a finding for each of `OPTIONS`, in that order.

    Args:
        model: the name to ask for.
        post: how to ask.

    Raises:
        ProbeRefusedError: the server does not even answer a plain request.
    """
    plain = _say("Say hello.", model)
    temperature = await _try(post, "temperature", plain | {"temperature": 0.0}, lambda body: "answered")
    if not temperature.honoured:
        read_completion(await post("plain", plain))  # neither? then nothing works
    tries = {
        "n": (_say("Name a number.", model) | {"n": 2, "temperature": 1.0}, _shows_n),
        "stop": (_say(f"Write exactly: one two {STOP_AT} four", model) | {"stop": [STOP_AT]}, _shows_stop),
        "logprobs": (plain | {"logprobs": True, "top_logprobs": 2}, _shows_logprobs),
        "json_schema": (_say("What do you see in your mind?", model) | _schema_option(), _shows_schema),
    }
    unwanted = {"temperature"} if not temperature.honoured else set()
    post = _without(post, unwanted)
    found = {name: await _try(post, name, options, shows) for name, (options, shows) in tries.items()}
    found["seed"] = await _probe_seed(post, model)
    found["temperature"] = temperature
    return tuple(found[option] for option in OPTIONS)


def _without(post: Post, unwanted: set[str]) -> Post:
    async def post_rest(name: str, options: dict[str, Any]) -> str:
        return await post(name, {option: value for option, value in options.items() if option not in unwanted})

    return post_rest if unwanted else post


def lacking_of(findings: tuple[Finding, ...]) -> frozenset[str]:
    """Returns the options that are not honoured."""
    return frozenset(finding.option for finding in findings if not finding.honoured)


async def _try(post: Post, option: str, options: dict[str, Any], shows: Callable[[Mapping[str, Any]], str]) -> Finding:
    """Returns a finding; ``shows`` returns what the body shows, or "" where the option was ignored."""
    try:
        raw = await post(option, options)
        read_completion(raw)
    except ProbeRefusedError as error:
        return Finding(option, False, f"refused: {error}"[:200])
    except BadBodyError as error:
        return Finding(option, False, str(error)[:200])
    shown = shows(json.loads(raw))
    return Finding(option, bool(shown), shown or "ignored without a word")


async def _probe_seed(post: Post, model: str) -> Finding:
    """A seed is honoured where the same one gives the same text twice, at a temperature at which others differ."""
    texts = {}
    for name, seed in (("seed_one", 1), ("seed_one_again", 1), ("seed_two", 2)):
        options = _say("Write ten random words.", model, 24) | {"temperature": 1.0, "seed": seed}
        try:
            texts[name] = read_completion(await post(name, options)).texts[0]
        except (ProbeRefusedError, BadBodyError) as error:
            return Finding("seed", False, f"refused: {error}"[:200])
    if texts["seed_one"] != texts["seed_one_again"]:
        return Finding("seed", False, "the same seed gave two texts")
    differs = texts["seed_one"] != texts["seed_two"]
    return Finding("seed", True, "the same text twice" + ("" if differs else "; another seed gave it too"))


def _say(text: str, model: str, max_tokens: int = 16) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": max_tokens}


def _schema_option() -> dict[str, Any]:
    form = {"name": "reply", "schema": _SCHEMA, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": form}, "max_tokens": 32, "temperature": 0.0}


def _shows_n(body: Mapping[str, Any]) -> str:
    return "two choices" if len(body["choices"]) == 2 else ""


def _shows_stop(body: Mapping[str, Any]) -> str:
    return "" if STOP_AT in (_text(body) or "") else "the answer ends before the stop word, or never had it"


def _shows_logprobs(body: Mapping[str, Any]) -> str:
    return "log probabilities came" if (body["choices"][0].get("logprobs") or {}).get("content") else ""


def _shows_schema(body: Mapping[str, Any]) -> str:
    try:
        value = json.loads(_text(body) or "")
    except ValueError:
        return ""
    honoured = isinstance(value, dict) and set(value) == {"colour"} and value["colour"] in COLOURS
    return "the answer follows the schema" if honoured else ""


def _text(body: Mapping[str, Any]) -> str | None:
    text = body["choices"][0]["message"].get("content")
    return text if isinstance(text, str) else None
