"""What an exception of a call means: for the request, for the server, and for the bill."""

from typing import NamedTuple

from pipelines.models.bodies import BodyTooLargeError
from pipelines.models.retries import read_retry_after
from pipelines.models.wire import BadBodyError
from schemas.model_reply import ErrorKind

_FINAL = frozenset({ErrorKind.REFUSED, ErrorKind.TOO_LARGE, ErrorKind.PRIVACY, ErrorKind.NO_PICTURE, ErrorKind.BUDGET})
_DOWN = frozenset({ErrorKind.SERVER_ERROR, ErrorKind.CONNECTION, ErrorKind.TIMEOUT})
_UNPAID = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.SERVER_ERROR, ErrorKind.REFUSED})
"""Nothing was generated, so nothing is billed. A cut-off, unreadable or late answer may have been."""
_REPEATED_STATUSES = (408, 409, 425)
"""4xx that ask for the same request again."""


class Failure(NamedTuple):
    """One attempt that gave no answer."""

    kind: ErrorKind
    detail: str
    retry_after: float | None = None
    """Seconds the server asked for."""
    is_overload: bool = False
    """A sign of too many requests at once."""

    @property
    def is_server_down(self) -> bool:
        """Whether the server, and not the request or the pace, seems to be at fault."""
        return self.kind in _DOWN and not self.is_overload

    @property
    def is_unpaid(self) -> bool:
        """Whether it certainly cost nothing."""
        return self.kind in _UNPAID


def is_worth_repeating(kind: ErrorKind) -> bool:
    """Returns whether the same request may meet another end when sent again."""
    return kind not in _FINAL


def failure_of(error: Exception, now: float) -> Failure:
    """Returns what an exception of the SDK or of reading the body means.

    Args:
        error: what was raised.
        now: seconds since the epoch, for dates in headers.
    """
    import openai

    if isinstance(error, BodyTooLargeError):
        return Failure(ErrorKind.TOO_LARGE, str(error))
    if isinstance(error, BadBodyError):
        return Failure(ErrorKind.BAD_BODY, str(error))
    if not isinstance(error, openai.APIStatusError):
        causes = _causes(error)  # the SDK's own kind misleads: it calls a reset connection a timeout
        if any(isinstance(cause, TimeoutError) for cause in causes):
            return Failure(ErrorKind.TIMEOUT, "no answer in time")
        return Failure(ErrorKind.CONNECTION, f"{type(causes[-1]).__name__}: {causes[-1]}")
    status, detail = error.status_code, f"HTTP {error.status_code}: {error.message}"
    retry_after = read_retry_after(error.response.headers, now)
    if status == 429:
        return Failure(ErrorKind.RATE_LIMITED, detail, retry_after, is_overload=True)
    if status == 503:
        return Failure(ErrorKind.SERVER_ERROR, detail, retry_after, is_overload=retry_after is not None)
    if status >= 500 or status in _REPEATED_STATUSES:
        return Failure(ErrorKind.SERVER_ERROR, detail, retry_after)
    return Failure(ErrorKind.REFUSED, detail)


def _causes(error: BaseException) -> list[BaseException]:
    """Returns the error and what caused it, the first cause last."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    return causes
