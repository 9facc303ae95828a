"""What a picture is looked up by: prints of 63 signs, and details that tell chance likeness from a copy.

A *print* is the signs of 63 low frequencies (a discrete cosine transform of the region, Zauner's pHash without its
median): of the whole picture in its turned, mirrored and tilted forms, and of some hundred regions of it. Prints find
which whole may lie over which region; among pictures on like backgrounds one pair in ten has such prints by chance. The
*details* of both, twelve waves along each axis without the coarsest, are much alike for copies only. All regions of a
picture cost one product of matrices, since each is a product of a row and a column part.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.likeness import COARSE, FORMS, SIDE, TILTS, Floats, Span, faced, spans, tilted

CLOSE = 11
"""Signs of 63 in which the prints of a copy may differ."""
LIKE_DETAILS = 0.78
"""Correlation of details from which two pictures are compared point by point. Measured: `docs/selection.md`."""
_SIGNED = 8
"""Frequencies along each axis that a print has the signs of."""
_WAVES = 12
"""Frequencies along each axis that details are made of."""
_AT_ONCE = 16
"""Pictures whose regions are transformed at once: 300 x 300 numbers each."""
_UNIT = 127
"""A detail's length in whole numbers."""
_LEAST = 1.0
"""Length below which a region shows nothing, in grey values."""

Prints = NDArray[np.uint64]
Details = NDArray[np.int8]
"""``(..., WAVES * WAVES)``; products of two are correlations times `_UNIT` squared."""


class Looks(NamedTuple):
    """Prints and details of many pictures."""

    prints: Prints
    """``(N, R)`` of regions, the whole picture first; or ``(N, FORMS)`` of wholes in the forms of `turned`."""
    details: Details
    """``(N, R, ...)``; of wholes ``(N, TILTS, ...)``, not turned: `turned_details` does that."""


def regions_of(thumbnails: NDArray[np.uint8]) -> Looks:
    """Returns prints and details of all regions of ``(N, SIDE, SIDE)`` thumbnails."""
    count = len(spans())
    prints = np.zeros((len(thumbnails), count * count), dtype=np.uint64)
    details = np.zeros((*prints.shape, _WAVES * _WAVES), dtype=np.int8)
    matrix = _waves_of(spans())  # (S * 12, SIDE)
    for start in range(0, len(thumbnails), _AT_ONCE):
        few = slice(start, start + _AT_ONCE)
        waves = matrix @ (thumbnails[few].astype(np.float32) - 128) @ matrix.T
        by_region = waves.reshape(-1, count, _WAVES, count, _WAVES).transpose(0, 1, 3, 2, 4)
        prints[few] = _signs(by_region[..., :_SIGNED, :_SIGNED]).reshape(-1, count * count)
        details[few] = _details(by_region).reshape(*details[few].shape)
    return Looks(prints, details)


def wholes_of(thumbnails: NDArray[np.uint8]) -> Looks:
    """Returns prints of ``(N, SIDE, SIDE)`` thumbnails in all the forms of `turned`, and their details by tilt."""
    prints = np.zeros((len(thumbnails), FORMS), dtype=np.uint64)
    details = np.zeros((len(thumbnails), len(TILTS), _WAVES * _WAVES), dtype=np.int8)
    matrix = _waves_of((Span(0, 1),))
    for start in range(0, len(thumbnails), _AT_ONCE):
        few = slice(start, start + _AT_ONCE)
        level = [np.stack([tilted(one, tilt) if tilt else one for one in thumbnails[few]]) for tilt in TILTS]
        forms = np.stack([faced(pictures, turn) for pictures in level for turn in range(8)], axis=1)
        waves = matrix @ (forms.astype(np.float32) - 128) @ matrix.T
        prints[few] = _signs(waves[..., :_SIGNED, :_SIGNED])
        details[few] = _details(waves[:, ::8])
    return Looks(prints, details)


def turned_details(details: Details, turn: int) -> Details:
    """Returns ``(K, ...)`` details of wholes as they are after `faced`: waves change places and signs."""
    order, signs = _turns()[turn]
    return details[:, order] * signs


def correlation(one: Details, other: Details) -> Floats:
    """Returns ``(K,)`` correlations of ``(K, ...)`` details, -1 to 1 but for rounding."""
    summed: Floats = np.einsum("kw,kw->k", one.astype(np.float32), other.astype(np.float32)) / np.float32(_UNIT**2)
    return summed


@cache
def _turns() -> tuple[tuple[NDArray[np.int64], Details], ...]:
    """Returns for every turn of `faced` where each wave comes from, and its sign there."""
    alternate = np.where(np.arange(_WAVES) % 2, -1, 1)
    found = []
    for turn in range(8):
        order = np.arange(_WAVES * _WAVES).reshape(_WAVES, _WAVES)
        signs = np.ones_like(order) * (alternate[None] if turn >= 4 else 1)
        for _ in range(turn % 4):  # to the left: mirrored along the diagonal, then upside down
            order, signs = order.T, signs.T * alternate[:, None]
        found.append((order.reshape(-1), signs.reshape(-1).astype(np.int8)))
    return tuple(found)


def _waves_of(parts: tuple[Span, ...]) -> Floats:
    """Returns ``(len(parts) * 12, SIDE)``: low cosine waves over each part, zero outside."""
    rows = []
    for part in parts:
        edges = np.clip((np.arange(SIDE + 1) / SIDE - part.start) / (part.end - part.start), 0, 1)
        for wave in range(_WAVES):
            # The integral of cos(pi * wave * x) over each pixel: parts need not end at whole pixels.
            area = edges if wave == 0 else np.sin(np.pi * wave * edges) / (np.pi * wave)
            rows.append(np.diff(area))
    found: Floats = np.asarray(rows, dtype=np.float32)
    return found


def _signs(waves: Floats) -> Prints:
    """Returns the signs of ``(..., 8, 8)`` waves as 64-bit numbers; the mean, which says nothing, is left out."""
    flat = waves.reshape(*waves.shape[:-2], _SIGNED * _SIGNED)
    bits = np.packbits(flat[..., 1:] > 0, axis=-1)
    return np.ascontiguousarray(bits).view(">u8")[..., 0].astype(np.uint64)


def _details(waves: Floats) -> Details:
    """Returns ``(..., 12, 12)`` waves without the coarsest, in length `_UNIT`; of what shows nothing, zeros."""
    fine = waves.reshape(*waves.shape[:-2], _WAVES * _WAVES) * _fine()
    lengths = np.sqrt(np.einsum("...w,...w->...", fine, fine))[..., None]
    scale = np.where(lengths > _LEAST, _UNIT / np.maximum(lengths, _LEAST), 0)
    whole: Details = np.rint(fine * scale).astype(np.int8)
    return whole


@cache
def _fine() -> Floats:
    fine = np.ones((_WAVES, _WAVES), dtype=np.float32)
    fine[:COARSE, :COARSE] = 0
    return fine.reshape(-1)
