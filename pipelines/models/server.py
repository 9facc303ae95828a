"""One model behind an OpenAI-compatible server: sends, waits, sends again, and says what it took."""

import asyncio
import os
import random
import time
from typing import Any

from pipelines.errors import UserError
from pipelines.models.pictures import Pictures
from pipelines.models.spec import ModelSpec
from pipelines.models.wire import JOB_HEADER, KEY_HEADER, BadBodyError, read_completion, to_options
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRequest, Part

NO_KEY = "none"
"""Sent where the environment has no key: servers on this machine do not look at it."""


class Server:
    """A back-end over the OpenAI SDK. Owns the retries, so that every attempt is seen and counted."""

    def __init__(self, spec: ModelSpec, pictures: Pictures) -> None:
        if not spec.urls:
            raise UserError(f"model {spec.model} has no URL: give the address of an OpenAI-compatible server")
        self._spec = spec
        self._pictures = pictures
        self._sdk = open_sdk(spec, spec.urls[0])
        self._permits = asyncio.Semaphore(spec.max_in_flight)

    async def answer(self, key: str, request: ModelRequest) -> ModelReply:
        """Returns the reply to the request; what cannot be had is an error inside it, never an exception."""
        reply: ModelReply | None = None
        for attempt in range(1, self._spec.attempts + 1):
            async with self._permits:
                reply = await self._send(key, request, attempt)
            if reply.error in (None, ErrorKind.REFUSED, ErrorKind.NO_PICTURE):
                break
            await asyncio.sleep(random.uniform(0, min(8.0, 0.25 * 2**attempt)))
        assert reply is not None  # attempts is at least 1
        return reply

    async def close(self) -> None:
        """Closes the connections."""
        await self._sdk.close()

    async def _send(self, key: str, request: ModelRequest, attempt: int) -> ModelReply:
        fields: dict[str, Any] = {
            "request_key": key,
            "job": request.job,
            "role": request.role,
            "subject_id": request.subject_id,
            "prompt_hash": request.prompt_hash,
            "model": self._spec.model,
            "endpoint": self._spec.urls[0],
            "attempts": attempt,
        }
        try:
            options = to_options(request, self._spec, self._addresses(request))
        except (KeyError, OSError, ValueError) as error:
            return ModelReply(**fields, error=ErrorKind.NO_PICTURE, error_detail=str(error)[:500])
        started = time.perf_counter()
        try:
            raw = await asyncio.wait_for(self._post(key, request, options), self._spec.call_seconds)
            completion = read_completion(raw)
        except Exception as error:  # noqa: BLE001 - whatever a foreign server causes is an error reply
            kind = _kind_of(error)
            return ModelReply(
                **fields, seconds=time.perf_counter() - started, error=kind, error_detail=f"{error}"[:500]
            )
        paid = self._spec.money_per_token
        return ModelReply(
            **fields,
            texts=completion.texts,
            finish_reasons=completion.finish_reasons,
            raw=raw.decode("utf-8", "replace"),
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            usage_known=completion.usage_known,
            money=completion.input_tokens * paid[0] + completion.output_tokens * paid[1],
            seconds=time.perf_counter() - started,
        )

    async def _post(self, key: str, request: ModelRequest, options: dict[str, Any]) -> bytes:
        headers = {JOB_HEADER: request.job, KEY_HEADER: key}
        response = await self._sdk.chat.completions.with_raw_response.create(**options, extra_headers=headers)
        return bytes(response.content)

    def _addresses(self, request: ModelRequest) -> dict[Part, str]:
        parts = (part for message in request.messages for part in message.parts if part.image_id)
        return {part: self._pictures.data_uri(part) for part in parts}


def open_sdk(spec: ModelSpec, url: str) -> Any:  # noqa: ANN401 - the SDK is an extra, untyped where it is absent
    """Returns the SDK's client of one server, which sends each request once and is closed by the caller.

    Raises:
        UserError: the SDK is not installed.
    """
    try:
        from openai import AsyncOpenAI, DefaultAioHttpClient
    except ImportError as error:
        raise UserError('asking models needs the extra "vlm": pip install "hopyard[vlm]"') from error
    key = os.environ.get(spec.api_key_env, "") or NO_KEY
    return AsyncOpenAI(
        base_url=url, api_key=key, max_retries=0, timeout=spec.call_seconds, http_client=DefaultAioHttpClient()
    )


def _kind_of(error: Exception) -> ErrorKind:
    import openai

    if isinstance(error, BadBodyError):
        return ErrorKind.BAD_BODY
    if isinstance(error, (TimeoutError, openai.APITimeoutError)):
        return ErrorKind.TIMEOUT
    if isinstance(error, openai.RateLimitError):
        return ErrorKind.RATE_LIMITED
    if isinstance(error, openai.APIStatusError):
        return ErrorKind.SERVER_ERROR if error.status_code >= 500 else ErrorKind.REFUSED
    return ErrorKind.CONNECTION
