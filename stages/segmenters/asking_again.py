"""Asking again: does every place of a mask answer with that mask?

Two things taken for one are found out this way: a place in either of them answers with that one. In: masks of a picture
and a segmenter that answers points. Out: per mask how much the worst answer agrees with it.
"""

import numpy as np
from numpy.typing import NDArray

from stages.masks import BoolMask
from stages.segmenters.protocol import Pixels, Prompts, Segmenter, to_pixels

PLACES = 6
"""Places per mask: its middle, then each as far as can be from those before."""
_STEP = 4
"""Places are chosen among every so many pixels, and answers are compared there."""


def agreement_of(picture: Pixels, masks: list[BoolMask], segmenter: Segmenter) -> list[float]:
    """Returns per mask the least IoU with it of the answers at `PLACES` of its places."""
    if not masks:
        return []
    places = [places_of(mask) for mask in masks]
    answers = segmenter.find([picture], [Prompts(points=np.concatenate(places))])[0]
    height, width = (size // _STEP for size in picture.shape[:2])
    small = [to_pixels(one, height, width) for one in answers]
    least = []
    for number, mask in enumerate(masks):
        thin = mask[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP][:height, :width]
        own = small[number * PLACES : (number + 1) * PLACES]
        least.append(min(_iou(thin, one) for one in own))
    return least


def places_of(mask: BoolMask) -> NDArray[np.float64]:
    """Returns ``(PLACES, 2)`` xy of pixels well inside a mask, spread over it; small masks repeat theirs."""
    inner = mask
    for _ in range(3):
        padded = np.pad(inner, 1)
        smaller = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        inner = smaller if np.count_nonzero(smaller) >= PLACES else inner
    at = np.argwhere(inner)[:, ::-1].astype(np.float64)
    at = at[:: max(1, len(at) // 2_000)]
    chosen = [int(((at - at.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    away = ((at - at[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < PLACES:
        chosen.append(int(away.argmax()))
        away = np.minimum(away, ((at - at[chosen[-1]]) ** 2).sum(axis=1))
    return at[chosen] + 0.5


def _iou(one: BoolMask, other: BoolMask) -> float:
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)
