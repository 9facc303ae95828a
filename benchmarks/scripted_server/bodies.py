"""Bodies of chat completions, with the tokens that the stand-in bills."""

import json
from typing import Any, NamedTuple


class Body(NamedTuple):
    """A chat completion as it is sent, and its bill."""

    data: bytes
    input_tokens: int
    output_tokens: int


def make_body(model: str, texts: list[str], input_tokens: int, logprobs: bool = False) -> Body:
    """Returns the body of a chat completion; an answer's tokens are a quarter of its characters, rounded up."""
    output_tokens = sum(-(-len(text) // 4) for text in texts)
    choices: list[dict[str, Any]] = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    if logprobs:
        for choice in choices:
            choice["logprobs"] = {"content": [{"token": "scripted", "logprob": -0.1, "top_logprobs": []}]}
    usage = {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
    body = {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 0, "model": model}
    return Body(json.dumps(body | {"choices": choices, "usage": usage}).encode(), input_tokens, output_tokens)


def stop_at(text: str, stops: list[str]) -> str:
    """Returns the text up to the first stop word."""
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
