"""Shares with their uncertainty."""

import math
from typing import NamedTuple

Z95 = 1.959963984540054
"""Two-sided 95%."""


class Interval(NamedTuple):
    """A share with its Wilson interval."""

    share: float
    low: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """For people: "0.31 (0.22 to 0.42, n = 80)"; "none of none" where nothing was counted."""
        if not self.n:
            return "nothing counted"
        return f"{self.share:.3f} ({self.low:.3f} to {self.high:.3f}, n = {self.n})"


def wilson(hits: int, n: int, z: float = Z95) -> Interval:
    """Returns the share of hits with its Wilson score interval; 0 to 1 where nothing was counted.

    Raises:
        ValueError: there are more hits than trials, or a number is negative.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}")
    if n == 0:
        return Interval(0.0, 0.0, 1.0, 0)
    share = hits / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if hits == 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if hits == n else min(1.0, (middle + spread) / scale)
    return Interval(share, low, high, n)
