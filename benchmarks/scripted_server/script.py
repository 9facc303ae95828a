"""What is scripted about the stand-in: its faults, its manner, and what it counts."""

import random
from collections import Counter
from dataclasses import dataclass, field

FAULTS = ("rate_limited", "server_error", "timeout", "truncated", "bad_json", "reset")


@dataclass(frozen=True)
class Faults:
    """Chances of faults per attempt, in [0, 1]; their sum is at most 1. What is left goes well."""

    rate_limited: float = 0.0
    """429 with Retry-After."""
    server_error: float = 0.0
    """500."""
    timeout: float = 0.0
    """No answer for `hang_seconds`."""
    truncated: float = 0.0
    """200, and the connection is cut in the middle of the body."""
    bad_json: float = 0.0
    """200 with a whole body that is no JSON."""
    reset: float = 0.0
    """The connection is reset before any answer."""
    retry_after: float = 0.05
    """Seconds."""
    hang_seconds: float = 5.0
    spare_probes: bool = True
    """Requests with the job "probe" meet no fault."""

    def draw(self, rng: random.Random) -> str:
        """Returns the fault of one attempt, or "ok"."""
        at = rng.random()
        for name in FAULTS:
            at -= getattr(self, name)
            if at < 0:
                return name
        return "ok"


@dataclass(frozen=True)
class Manner:
    """How the server behaves when nothing goes wrong."""

    latency: float = 0.0
    """Seconds until an answer is sent."""
    at_once: int | None = None
    """Requests it works on at the same time; the others wait. None for any number."""
    most_waiting: int | None = None
    """Requests beyond these are told 429. None for any number."""
    ignores: frozenset[str] = frozenset()
    """Options it silently ignores, as real servers do: n, json_schema, logprobs, seed, stop."""
    refuses: frozenset[str] = frozenset()
    """Options that make it answer 500."""
    model: str = "scripted"
    seed: int = 0
    knows_repeats: bool = False
    """Bills a repeated request key once, as gateways do that honour Idempotency-Key."""


@dataclass
class Counts:
    """What the server was asked and what it gave. Requests with the job "probe" are counted apart."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """ok, every fault, refused (400), and aborted: the client went away before the answer was sent."""
    paid: Counter[str] = field(default_factory=Counter)
    """Whole answers sent, by request key."""
    sent: Counter[str] = field(default_factory=Counter)
    """Requests received, by request key."""
    jobs: Counter[str] = field(default_factory=Counter)
    """Whole answers sent, by job."""
    input_tokens: int = 0
    """Of whole answers."""
    output_tokens: int = 0
    """Of whole answers."""
    spoilt: int = 0
    """Answers generated and spoilt on their way: truncated and bad_json. A real server may bill them."""
    probes: int = 0
    probe_tokens: int = 0
    """Input and output tokens of whole answers to probes."""
    most_at_once: int = 0
