"""The identity of a request: equal content to the same model is one question, asked and paid once."""

from pipelines.models.spec import ModelSpec
from pipelines.parts import digest_of
from schemas.model_request import ModelRequest

KEY_VERSION = 1
"""Bumped when the same request would be put to a model differently, so that older replies no longer answer it."""


def key_of(request: ModelRequest, spec: ModelSpec) -> str:
    """Returns the content hash of what is asked of which model: 64 hexadecimal digits.

    Prompt hash, subject and privacy are left out: they say where a request comes from and not what is asked.
    """
    content = request.model_dump_json(exclude={"prompt_hash", "subject_id", "allow_remote_images"})
    return digest_of(KEY_VERSION, spec.kind, spec.model, spec.max_pixels, content)
