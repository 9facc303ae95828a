"""A circuit breaker: a server that fails time after time is left alone for a while, then tried with one request."""

OPENS_AFTER = 5
"""Failures in a row. Being told to slow down is none."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class Breaker:
    """The breaker of one server. Knows no clock: times are passed in, in seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._closed_again_at: float | None = None
        self._trying = False
        self.opened_at: float | None = None
        """When it opened first after the last success; None while closed."""

    @property
    def is_closed(self) -> bool:
        """Whether requests flow."""
        return self._closed_again_at is None

    def admits(self, now: float) -> bool:
        """Returns whether a request may be sent: always, never, or this one as a trial."""
        return self._closed_again_at is None or (now >= self._closed_again_at and not self._trying)

    def waits(self, now: float) -> float:
        """Returns the seconds until a trial is due; 0 where requests may be sent."""
        return 0.0 if self._closed_again_at is None else max(0.0, self._closed_again_at - now)

    def sent(self) -> None:
        """Notes that a request was sent. While open it is the trial, and others wait for its outcome."""
        self._trying = self._closed_again_at is not None

    def succeeded(self) -> None:
        """Takes in an answer of whatever kind that shows the server at work."""
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._closed_again_at = None
        self._trying = False
        self.opened_at = None

    def failed(self, now: float) -> None:
        """Takes in a failure of the server: 5xx, no connection, no answer in time."""
        self._failures += 1
        if self._closed_again_at is not None and self._trying:
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
            self._closed_again_at = now + self._pause
        elif self._closed_again_at is None and self._failures >= OPENS_AFTER:
            self._closed_again_at = now + self._pause
            self.opened_at = now
        self._trying = False

    def forget_trial(self) -> None:
        """Takes in that the trial was given up without any outcome."""
        self._trying = False
