"""A vision-language model in this process, through `transformers`: conversations in, answers out, in batches.

For machines with the model's weights and no server beside it. A server (vLLM, SGLang) is faster: it batches requests
as they come and shares prefixes. Libraries are imported when the model is opened; nothing is fetched.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from schemas.model_request import Sampling


class Turn(NamedTuple):
    """One message of a conversation."""

    role: str
    parts: tuple[str | Image.Image, ...]
    """Texts and pictures (RGB) in the order they are shown."""


class Generated(NamedTuple):
    """One answer."""

    text: str
    finish_reason: str
    """stop, or length where the limit of tokens cut it off."""
    input_tokens: int
    output_tokens: int


class TooLongError(ValueError):
    """A conversation and its answer do not fit the model."""


Conversation = tuple[Turn, ...]
Generate = Callable[[Sequence[Conversation], Sampling], list[Generated]]
"""Answers conversations with the same number of pictures, drawn as the sampling says.

A seed makes the draw repeatable for the same batch. Raises TooLongError.
"""


def open_transformers_vlm(folder: Path) -> Generate:
    """Returns what answers with the model of a folder, on the GPU where there is one.

    Raises:
        OSError, ValueError: the folder holds no model that takes pictures and gives text.
        ImportError: the model libraries are missing.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor.tokenizer.padding_side = "left"  # answers begin where the longest prompt ends
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, dtype="auto").to(device).eval()
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    def generate(conversations: Sequence[Conversation], sampling: Sampling) -> list[Generated]:
        inputs = processor.apply_chat_template(
            [_messages(conversation) for conversation in conversations],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        ).to(device)
        length = inputs["input_ids"].shape[1]
        if room is not None and length + sampling.max_tokens > room:
            raise TooLongError(f"{length} tokens and an answer of {sampling.max_tokens} do not fit a model of {room}")
        devices = [torch.cuda.current_device()] if device == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices):
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            outputs = model.generate(**inputs, **_options(sampling))[:, length:]
        ends = _ends_of(model)
        return [
            _generated(processor, row.tolist(), ends, int(mask.sum()), sampling)
            for row, mask in zip(outputs, inputs["attention_mask"], strict=True)
        ]

    return generate


def _messages(conversation: Conversation) -> list[dict[str, Any]]:
    return [
        {
            "role": turn.role,
            "content": [
                {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}
                for part in turn.parts
            ],
        }
        for turn in conversation
    ]


def _options(sampling: Sampling) -> dict[str, Any]:
    """Returns arguments of `generate`; what is not said here the model's own settings must not decide."""
    options: dict[str, Any] = {"max_new_tokens": sampling.max_tokens, "do_sample": sampling.temperature > 0}
    if sampling.temperature > 0:
        options |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return options


def _ends_of(model: Any) -> set[int]:  # noqa: ANN401 - a model class of an optional library
    end = model.generation_config.eos_token_id
    return set(end) if isinstance(end, list) else {end}


def _generated(
    processor: Any,  # noqa: ANN401 - a class of an optional library
    tokens: list[int],
    ends: set[int],
    input_tokens: int,
    sampling: Sampling,
) -> Generated:
    at = next((place for place, token in enumerate(tokens) if token in ends), None)
    kept = tokens if at is None else tokens[: at + 1]
    text = str(processor.tokenizer.decode(kept, skip_special_tokens=True))
    stops = [place for stop in sampling.stop if (place := text.find(stop)) >= 0]
    if stops:
        text = text[: min(stops)]
    finish_reason = "length" if at is None and not stops else "stop"
    return Generated(text, finish_reason, input_tokens, len(kept))
