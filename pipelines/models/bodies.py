"""Bodies of replies, read only as far as a reply may be long: what a server sends is not ours to trust."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

PLAIN = {"Accept-Encoding": "identity"}
"""Asks for bodies as they are: a compressed one may be a thousand times as large as what is on the wire."""


class BodyTooLargeError(Exception):
    """A body is longer than a reply may be."""


def bound_to(most: int) -> Callable[[Any], Awaitable[None]]:
    """Returns a hook for the responses of an HTTP client: their bodies end with an error after that many bytes.

    It holds for whatever is read of a body, also of answers that say 4xx or 5xx.
    """
    from httpx2 import AsyncByteStream, Response

    class Bounded(AsyncByteStream):
        def __init__(self, body: AsyncByteStream) -> None:
            self._body = body

        async def __aiter__(self) -> AsyncIterator[bytes]:
            count = 0
            async for chunk in self._body:
                count += len(chunk)
                if count > most:
                    raise BodyTooLargeError(f"the body has more than {most} bytes (max_reply_bytes)")
                yield chunk

        async def aclose(self) -> None:
            await self._body.aclose()

    async def bound(response: Response) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise BodyTooLargeError(f"the body is compressed ({encoding[:40]}) although it was asked for as it is")
        assert isinstance(response.stream, AsyncByteStream)
        response.stream = Bounded(response.stream)

    return bound
