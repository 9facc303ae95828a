"""The few calls to a Label Studio server that are needed, over plain HTTP.

Nothing here retries: callers know what is safe.

The SDK is not used: it cannot share our environment (numpy), and it repeats a POST that failed half-way, which imports
tasks twice.
"""

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import httpx

from annotation.errors import LabelStudioError, Refused, ServerUnreachable
from annotation.workplace import Credentials

TIMEOUT_SECONDS = 60.0
MOST_BYTES = 256 << 20
"""A longer answer is refused before it fills the memory."""
_BUSY = (408, 425, 429)

Json = Any


class Client:
    """Calls as the administrator. Keeps one connection; not for several threads."""

    def __init__(
        self, credentials: Credentials, timeout: float = TIMEOUT_SECONDS, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = credentials.url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Token {credentials.token}"},
            timeout=timeout,
            transport=transport or httpx.HTTPTransport(retries=0),
            follow_redirects=False,
            trust_env=False,
        )
        self.server_time: float | None = None
        """The server's clock at its last answer, seconds since the epoch; None before the first."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Json:
        return self.ask("GET", path, query=query)

    def post(self, path: str, body: Json, query: Mapping[str, str | int] | None = None) -> Json:
        return self.ask("POST", path, body, query)

    def patch(self, path: str, body: Json) -> Json:
        return self.ask("PATCH", path, body)

    def delete(self, path: str) -> Json:
        return self.ask("DELETE", path)

    def ask(self, method: str, path: str, body: Json = None, query: Mapping[str, str | int] | None = None) -> Json:
        """Returns the decoded answer of one call, None where it has no body.

        Raises:
            ServerUnreachable: nothing answers, the connection breaks, or the server is busy or fails (408, 429, 5xx).
            Refused: any other answer that is no success.
        """
        what = f"{method} {path}"
        try:
            with self._http.stream(method, path, json=body, params=query) as answer:
                data = _read(answer, what)
        except httpx.TimeoutException as error:
            raise ServerUnreachable(f"{self.url} did not answer {what} in time; the same command goes on") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachable(f"Label Studio at {self.url} cannot be reached: {_text(error)}") from error
        self._note_time(answer)
        if answer.status_code in _BUSY or answer.status_code >= 500:
            raise ServerUnreachable(f"{self.url} answered {answer.status_code} to {what}; the same command goes on")
        if not answer.is_success:
            raise Refused(_refusal(self.url, what, answer.status_code, data), answer.status_code)
        return _decode(data, what) if data else None

    def _note_time(self, answer: httpx.Response) -> None:
        try:
            self.server_time = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
        except ValueError:
            self.server_time = None


def check_identity(client: Client) -> str:
    """Returns the e-mail address that the server knows the token by.

    Raises:
        LabelStudioError: the token is not accepted, or what answers is not Label Studio.
    """
    try:
        found = client.get("/api/current-user/whoami")
    except Refused as error:
        if error.status in (401, 403):
            raise LabelStudioError(
                f"the server {client.url} does not accept the token (HTTP {error.status})"
            ) from error
        raise LabelStudioError(f"{client.url} is not a Label Studio server (HTTP {error.status} to whoami)") from error
    if not isinstance(found, dict) or not isinstance(found.get("email"), str):
        raise LabelStudioError(f"{client.url} is not a Label Studio server (whoami names nobody)")
    return str(found["email"])


def _read(answer: httpx.Response, what: str) -> bytes:
    pieces, size = [], 0
    for piece in answer.iter_bytes():
        size += len(piece)
        if size > MOST_BYTES:
            raise LabelStudioError(f"the answer to {what} is longer than {MOST_BYTES >> 20} MiB")
        pieces.append(piece)
    return b"".join(pieces)


def _decode(data: bytes, what: str) -> Json:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LabelStudioError(f"the answer to {what} is not JSON: is this a Label Studio server?") from error


def _refusal(url: str, what: str, status: int, data: bytes) -> str:
    if status == 401:
        return f"the server {url} does not accept the token (HTTP 401)"
    return f"{url} refused {what}: HTTP {status} {_text(data[:300].decode('utf-8', 'replace'))}"


def _text(thing: object) -> str:
    """One printable line."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(thing)).split())[:300]
