"""What lies between the SDK and the server: it bounds answers, sorts failures, and knows the server's clock.

Whatever is no success ends here, in our errors, before the SDK sees it: the SDK repeats calls by what they answer, and
a repeated import is every task twice.
"""

from email.utils import parsedate_to_datetime

import httpx

from annotation.errors import LabelStudioError, Refused, ServerUnreachable

MOST_BYTES = 256 << 20
"""A longer answer, counted as it is unpacked, is refused before it fills the memory."""
_BUSY = (408, 425, 429)


class Wire(httpx.BaseTransport):
    """A transport that sends each request once and returns nothing but successes, read to their end."""

    def __init__(self, url: str, inner: httpx.BaseTransport) -> None:
        self._url = url
        self._inner = inner
        self.asked = ""
        """Method and path of the last request, for messages."""
        self.server_time: float | None = None
        """The server's clock at its last answer, seconds since the epoch; None before the first."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the answer to one request.

        Raises:
            ServerUnreachable: nothing answers, the connection breaks, or the server is busy or fails (408, 429, 5xx).
            Refused: any other answer that is no success.
            LabelStudioError: the answer is longer than `MOST_BYTES`, or cannot be unpacked.
        """
        self.asked = f"{request.method} {request.url.path}"
        try:
            answer = self._inner.handle_request(request)
            try:
                data = self._read(answer)
            finally:
                answer.close()
        except httpx.TimeoutException as error:
            raise ServerUnreachable(
                f"{self._url} did not answer {self.asked} in time; the same command goes on"
            ) from error
        except httpx.TransportError as error:
            raise ServerUnreachable(f"Label Studio at {self._url} cannot be reached: {one_line(error)}") from error
        except httpx.DecodingError as error:
            raise LabelStudioError(f"the answer to {self.asked} cannot be unpacked: {one_line(error)}") from error
        self._note_time(answer)
        self._check(answer, data)
        unpacked = [(name, value) for name, value in answer.headers.multi_items() if name not in _PACKING]
        return httpx.Response(answer.status_code, headers=unpacked, content=data, request=request)

    def close(self) -> None:
        self._inner.close()

    def _read(self, answer: httpx.Response) -> bytes:
        pieces, size = [], 0
        for piece in answer.iter_bytes():
            size += len(piece)
            if size > MOST_BYTES:
                raise LabelStudioError(f"the answer to {self.asked} is longer than {MOST_BYTES >> 20} MiB")
            pieces.append(piece)
        return b"".join(pieces)

    def _note_time(self, answer: httpx.Response) -> None:
        try:
            self.server_time = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
        except ValueError:
            self.server_time = None

    def _check(self, answer: httpx.Response, data: bytes) -> None:
        status = answer.status_code
        if status in _BUSY or status >= 500:
            raise ServerUnreachable(f"{self._url} answered {status} to {self.asked}; the same command goes on")
        if status == 401:
            raise Refused(f"the server {self._url} does not accept the token (HTTP 401)", status)
        if not answer.is_success:
            said = one_line(data[:300].decode("utf-8", "replace"))
            raise Refused(f"{self._url} refused {self.asked}: HTTP {status} {said}", status)


_PACKING = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def one_line(thing: object) -> str:
    """Returns a thing as one printable line of at most 300 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(thing)).split())[:300]
