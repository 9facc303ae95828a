"""Does a mask hold one thing, or two taken for one? Signs of it, and the chance that follows from them.

A segmenter is sure of its mergers, and every view of a picture shows the same. What tells: the crop classifier's head
for it, a name that is not sure, and cells under the mask that point to another centre than the rest. The weights of
the signs were fitted on calibration scenes (`training.signs`) and lie in the card.
"""

from collections.abc import Mapping
from math import exp, log
from typing import Any

import numpy as np
import PIL.Image

from stages.masks import BoolMask
from stages.segmenters.protocol import Evidence, Floats

SIGNS = ("head", "rivals", "size", "quality", "name")
_FIRM, _FIRM_SHARE = 1.0, 0.1
"""How far from the middle a vote may lie: cells, and more for larger masks, in roots of their area."""
_TOGETHER = 1.5
"""Cells within which votes are for one place."""
_LEAST = 1e-4
"""Odds of a name beyond this are no surer."""


def signs_of(
    mask: BoolMask, evidence: Evidence, head: float, quality: float, confidence: float
) -> tuple[float, float, float, float, float]:
    """Returns the signs of one mask, in the order of `SIGNS`.

    Args:
        mask: ``(H, W)``.
        evidence: What the picture's cells show.
        head: Log odds of a single thing by the crop classifier.
        quality: Predicted IoU of the mask.
        confidence: Of its category.
    """
    cells = shrunk(mask, *evidence.thing.shape) > 0.5
    sure = min(max(confidence, _LEAST), 1 - _LEAST)
    rivals, size = rival_votes(cells, evidence), int(np.count_nonzero(cells))
    return head, log(1 + rivals), log(1 + size), quality, log(sure / (1 - sure))


def chance_of(signs: tuple[float, ...], card: Mapping[str, Any]) -> float:
    """Returns the chance that a mask holds one thing; ``card["signs"]`` holds the weights and the bias."""
    about = card["signs"]
    odds = about["bias"] + sum(about["weights"][name] * value for name, value in zip(SIGNS, signs, strict=True))
    return 1 / (1 + exp(-min(max(odds, -50.0), 50.0)))


def rival_votes(cells: BoolMask, evidence: Evidence) -> int:
    """Returns the most cells of a mask that point to one place away from the place that most of them point to."""
    rows, columns = np.nonzero(cells)
    if not len(rows):
        return 0
    x, y = columns + evidence.way[0, rows, columns], rows + evidence.way[1, rows, columns]
    away = np.hypot(x - np.median(x), y - np.median(y)) > _FIRM + _FIRM_SHARE * np.sqrt(len(rows))
    if not away.any():
        return 0
    apart = np.hypot(x[away][:, None] - x[away], y[away][:, None] - y[away])
    return int(np.count_nonzero(apart < _TOGETHER, axis=1).max())


def shrunk(mask: BoolMask, height: int, width: int) -> Floats:
    """Returns the share of each of ``height`` x ``width`` cells that is mask."""
    image = PIL.Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).resize((width, height), PIL.Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32) / np.float32(255)
