"""When to send again: what the server asked for, or growing pauses with jitter, never beyond the deadline."""

import email.utils
import random
from collections.abc import Mapping

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 20.0


def pause_before(attempt: int, retry_after: float | None, rng: random.Random) -> float:
    """Returns the seconds to wait before the given attempt (2 is the first repetition).

    A server's own wish is kept, plus up to a tenth so that not everybody comes back at once. Otherwise the pause is
    drawn between 0 and a bound that doubles per attempt ("full jitter").
    """
    if retry_after is not None:
        return retry_after * rng.uniform(1.0, 1.1)
    return rng.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (attempt - 1)))


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Returns the seconds of a Retry-After header; None where it is missing or unreadable.

    Args:
        headers: of the response.
        now: seconds since the epoch, for the header's date form.
    """
    text = headers.get("retry-after-ms")
    try:
        if text is not None:
            return max(0.0, float(text) / 1000)
        text = headers.get("retry-after")
        if text is None:
            return None
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text or "").timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
