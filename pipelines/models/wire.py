"""Requests to chat completions and back. Nothing here sends anything."""

import json
from typing import Any, NamedTuple

from pipelines.models.spec import ModelSpec
from pipelines.parts import digest_of
from schemas.model_request import ModelRequest, Part

JOB_HEADER = "X-Hopyard-Job"
KEY_HEADER = "Idempotency-Key"
"""The request's key: a gateway that knows the header bills a repeated request once. Others ignore it."""

FOLLOW_SCHEMA = "Reply with one JSON value and nothing else. It must follow this JSON Schema:"
OPTIONS = ("temperature", "n", "seed", "stop", "logprobs", "json_schema")
"""What servers may lack, most of them without a word."""
_TOKENS_BEYOND_BELIEF = 1 << 31
"""No request takes so many."""


class BadBodyError(ValueError):
    """A server said 200 and sent something that is no chat completion."""


class Completion(NamedTuple):
    """What a body of a chat completion says."""

    texts: tuple[str, ...]
    finish_reasons: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    usage_known: bool


def to_options(
    request: ModelRequest, spec: ModelSpec, pictures: dict[Part, str], lacking: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Returns the arguments of `chat.completions.create`, without what the server is known to lack.

    A schema that the server would not enforce is written into the last message instead.

    Args:
        request: what to ask.
        spec: of which model; its kind of server decides how options are called (docs/models.md).
        pictures: an address (data URI, URL or path) per picture part.
        lacking: names out of `OPTIONS`.
    """
    messages: list[dict[str, Any]] = [
        {"role": message.role, "content": _content(message.parts, pictures, spec)} for message in request.messages
    ]
    if request.json_schema is not None and "json_schema" in lacking:
        _append(messages[-1], f"{FOLLOW_SCHEMA}\n{request.json_schema}")
    options: dict[str, Any] = {"model": spec.model, "messages": messages}
    sampling = request.sampling
    options[token_limit_of(spec)] = sampling.max_tokens
    if "temperature" not in lacking:
        options["temperature"] = sampling.temperature
        if sampling.top_p != 1.0:
            options["top_p"] = sampling.top_p
    if request.n > 1 and "n" not in lacking:
        options["n"] = request.n
    if sampling.seed is not None and "seed" not in lacking:
        options["seed"] = sampling.seed + request.draw
    if sampling.stop and "stop" not in lacking:
        options["stop"] = list(sampling.stop)
    if sampling.top_logprobs and "logprobs" not in lacking:
        options |= {"logprobs": True, "top_logprobs": sampling.top_logprobs}
    if request.json_schema is not None and "json_schema" not in lacking:
        schema = {"name": "reply", "schema": json.loads(request.json_schema), "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    return options


def token_limit_of(spec: ModelSpec) -> str:
    """Returns how the kind of server calls the most tokens of an answer. Nearly all understand the older name."""
    return "max_tokens" if spec.server == "auto" else "max_completion_tokens"


def degraded_by(request: ModelRequest, lacking: frozenset[str]) -> tuple[str, ...]:
    """Returns which of the options that a request uses a server lacks, in the order of `OPTIONS`."""
    sampling = request.sampling
    used = {
        "temperature": sampling.temperature > 0 or sampling.top_p != 1.0,
        "n": request.n > 1,
        "seed": sampling.seed is not None,
        "stop": bool(sampling.stop),
        "logprobs": sampling.top_logprobs > 0,
        "json_schema": request.json_schema is not None,
    }
    return tuple(option for option in OPTIONS if used[option] and option in lacking)


def read_completion(raw: str) -> Completion:
    """Returns what the body of a chat completion says.

    Raises:
        BadBodyError: it is cut off, no JSON, or no chat completion.
    """
    try:
        body = json.loads(raw)
        choices = body["choices"]
        if not isinstance(choices, list) or not choices:
            raise BadBodyError("the body has no choices")
        pairs = [_choice(choice) for choice in choices]
        tokens = _usage(body.get("usage"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadBodyError(f"the body is no chat completion ({type(error).__name__}: {error})"[:300]) from error
    texts, finish_reasons = zip(*pairs, strict=True)
    return Completion(texts, finish_reasons, *(tokens or (0, 0)), usage_known=tokens is not None)


def _content(parts: tuple[Part, ...], pictures: dict[Part, str], spec: ModelSpec) -> str | list[dict[str, Any]]:
    if all(part.text for part in parts):
        return "\n\n".join(part.text for part in parts)
    return [{"type": "text", "text": part.text} if part.text else _picture(part, pictures, spec) for part in parts]


def _picture(part: Part, pictures: dict[Part, str], spec: ModelSpec) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "image_url", "image_url": {"url": pictures[part]}}
    if spec.server == "vllm":  # under this name it finds what it made of the same picture before, without hashing it
        content["uuid"] = digest_of(part.image_id, part.box_xyxy, spec.max_pixels)
    return content


def _append(message: dict[str, Any], text: str) -> None:
    if isinstance(message["content"], str):
        message["content"] += f"\n\n{text}"
    else:
        message["content"].append({"type": "text", "text": text})


def _choice(choice: dict[str, Any]) -> tuple[str, str]:
    message = choice["message"]
    text = message.get("content")
    if text is None and isinstance(message.get("refusal"), str):
        return _whole(message["refusal"]), "refusal"
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise BadBodyError("a choice has no text")
    return _whole(text), _whole(str(choice.get("finish_reason") or "unknown"))


def _whole(text: str) -> str:
    """Returns the text with what stands for half of a character replaced: JSON can name that, no file can hold it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _usage(usage: object) -> tuple[int, int] | None:
    """Returns input and output tokens; None where the server does not say, or says what cannot be."""
    if not isinstance(usage, dict):
        return None
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not all(type(count) is int and 0 <= count < _TOKENS_BEYOND_BELIEF for count in counts):
        return None
    return counts[0], counts[1]  # type: ignore[return-value]
