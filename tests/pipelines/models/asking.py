"""Requests, pictures and clients for the tests of model calls."""

import io

import numpy as np
from PIL import Image

from pipelines.models.client import ModelClient
from pipelines.models.spec import ModelSpec
from schemas.model_request import Message, ModelRequest, ModelRole, Part, Sampling


def make_picture(seed: int = 0, width: int = 48, height: int = 32, form: str = "PNG") -> bytes:
    """Returns the file bytes of a picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def make_request(text: str = "How many?", job: str = "count", image_id: str = "", **changes) -> ModelRequest:
    parts = (Part(image_id=image_id),) if image_id else ()
    fields = {
        "job": job,
        "role": ModelRole.SOLVER,
        "messages": (Message(role="user", parts=(*parts, Part(text=text))),),
        "sampling": Sampling(max_tokens=64),
        "prompt_hash": "0" * 8,
    }
    return ModelRequest.model_validate(fields | changes)


def make_spec(*urls: str, **changes) -> ModelSpec:
    return ModelSpec.model_validate(
        {"model": "scripted", "urls": urls, "input_price": 1.0, "output_price": 4.0} | changes
    )


def open_client(root, *urls: str, pictures: dict[str, bytes] | None = None, **changes) -> ModelClient:
    return ModelClient(root, {ModelRole.SOLVER: make_spec(*urls, **changes)}, (pictures or {}).__getitem__)
