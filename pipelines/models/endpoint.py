"""One server of a model: its connections, how many requests it bears, and whether it is up."""

import asyncio
import os
from typing import Any

from pipelines.errors import UserError
from pipelines.models.bodies import PLAIN, bound_to
from pipelines.models.breaker import Breaker
from pipelines.models.limiter import Limiter
from pipelines.models.redaction import endpoint_name, is_this_machine
from pipelines.models.spec import ModelSpec

NO_KEY = "none"
"""Sent where the environment has no key: servers on this machine do not look at it."""
HEALTH_SECONDS = 5.0


class Endpoint:
    """One server: its connections, its limit, its breaker, and what it lacks."""

    def __init__(self, spec: ModelSpec, url: str) -> None:
        self.name = endpoint_name(url)
        self.is_local = is_this_machine(url)
        self.sdk = open_sdk(spec, url)
        self.limiter = Limiter(spec.max_in_flight, spec.call_seconds)
        self.breaker = Breaker()
        self.in_flight = 0
        self.not_before = 0.0
        """Monotonic time until which the server asked to be left alone."""
        self.lacking: frozenset[str] = frozenset()

    @property
    def load(self) -> tuple[float, float]:
        """How busy it would be with one more, and how slow it is: the smaller, the better."""
        return (self.in_flight + 1) / self.limiter.limit, self.limiter.latency

    def admits(self, now: float) -> bool:
        """Returns whether it takes a request now."""
        return self.in_flight < self.limiter.limit and now >= self.not_before and self.breaker.admits(now)

    async def post(self, body: dict[str, Any], headers: dict[str, str]) -> str:
        """Returns what the server answers to a chat completion request, unread.

        The SDK's method for requests of any kind: the one for chat completions spends a third of a call's processor
        time on walking through the body, pictures and all, to find fields that it would have to rename.

        Raises:
            openai.OpenAIError: there was no answer, or none with a status below 400.
        """
        from httpx2 import Response

        options = {"headers": headers}
        response = await self.sdk.post("/chat/completions", cast_to=Response, body=body, options=options)
        return bytes(response.content).decode("utf-8", "replace")

    async def is_up(self) -> bool:
        """Returns whether the server answers at all: `/health` beside the API, or any answer below 500."""
        base = str(self.sdk.base_url).rstrip("/").removesuffix("/v1")
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                response = await self.sdk._client.get(f"{base}/health")
        except Exception:  # noqa: BLE001 - whatever goes wrong: it is not up
            return False
        return bool(response.status_code < 500)


def open_sdk(spec: ModelSpec, url: str) -> Any:  # noqa: ANN401 - the SDK is an extra, untyped where it is absent
    """Returns the SDK's client of one server. It sends each request once, follows no redirect, and must be closed.

    A redirect could send a picture to another machine; so could a proxy, so servers of this machine are asked without.

    Raises:
        UserError: the SDK is not installed.
    """
    try:
        from openai import AsyncOpenAI, DefaultAioHttpClient
    except ImportError as error:
        raise UserError('asking models needs the extra "vlm": pip install "hopyard[vlm]"') from error
    return AsyncOpenAI(
        base_url=url,
        api_key=os.environ.get(spec.api_key_env, "") or NO_KEY,
        max_retries=0,
        timeout=spec.call_seconds,
        http_client=DefaultAioHttpClient(
            follow_redirects=False,
            trust_env=not is_this_machine(url),
            verify=url.startswith("https:"),  # reading the certificates takes a while, and nobody asks for them
            headers=PLAIN,
            event_hooks={"response": [bound_to(spec.max_reply_bytes)]},
        ),
    )
