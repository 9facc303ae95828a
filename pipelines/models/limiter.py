"""How many requests one server bears at once, found by trying.

The limit starts at the configured most, because servers of one's own queue what they cannot run at once. Each sign of
too much (429, 503 with Retry-After, a timeout, an answer so slow that the deadline is near) takes half a request off;
each good answer adds its share of a step per round while the limit binds. So where a share f of a round's requests is
turned away, the limit shrinks by f/2: it halves when everything is, and gives way only a little to a server that fails
now and then for reasons of its own (the idea of DCTCP, RFC 8257). Slowness by itself harms nobody in a batch.
"""

PER_SIGN = 0.5
SLOW_SHARE = 0.5
"""An answer that takes more than this share of the call's deadline is a sign of too much at once."""
STEPS_TO_MOST = 50
"""Rounds without any sign from nothing to the configured most."""
_SMOOTHING = 0.1


class Limiter:
    """The limit of one server. Knows no clock: durations are passed in, in seconds."""

    def __init__(self, most: int, deadline_seconds: float) -> None:
        self._most = float(most)
        self._limit = float(most)
        self._step = max(1.0, most / STEPS_TO_MOST)
        self._slow = deadline_seconds * SLOW_SHARE
        self.latency = 0.0
        """Smoothed seconds per good answer; 0 before the first."""

    @property
    def limit(self) -> int:
        """Most requests at once; at least 1."""
        return int(self._limit)

    def succeeded(self, seconds: float, is_full: bool) -> None:
        """Takes in a good answer.

        Args:
            seconds: how long it took.
            is_full: whether as many were under way as the limit allows, so that a higher one would be used.
        """
        self.latency = seconds if self.latency == 0 else self.latency + _SMOOTHING * (seconds - self.latency)
        if self.latency > self._slow:
            self.overloaded()
        elif is_full:
            self._limit = min(self._most, self._limit + self._step / self._limit)

    def overloaded(self) -> None:
        """Takes in one sign of too much at once."""
        self._limit = max(1.0, self._limit - PER_SIGN)
