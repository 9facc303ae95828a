"""Names of colours: the eleven basic terms, from pixels, in CIELAB."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_FOCI = {
    "black": "000000 161616 24262a 2a2522",
    "white": "ffffff f2f2f2 e4e6e8 e6e4df",
    "grey": "606060 808080 9c9c9c 6e747c 7c7872",
    "red": "ff0000 d01818 b01020 e03030 901018",
    "orange": "ff8000 ff9a20 e86a10 f07828",
    "yellow": "ffff00 ffe020 f0d840 f8f080 e8c810",
    "green": "00a000 007000 40c040 80d040 205820 508040 90c890",
    "blue": "0000ff 1040c0 2060d0 60a0e8 90c0f0 102870 3a6ea8",
    "purple": "800080 6030a0 9050c0 b080d8 501060",
    "pink": "ff60b0 ff90c0 ffb8d0 f070a0 ff20a0",
    "brown": "703810 8b4a20 5a3018 a06838 442410 7a5a40",
    "": "e8d8b8 d0b890 b8a888 c8c8c8 404244 107878 30b0a8 707030 980040 c0a0b0 505868 a0b4c4",
}
"""Typical colours of each term, sRGB. Those without a term (beige, silver, teal, olive, ...) win no vote for any."""

_LIGHTNESS_WEIGHT = 0.7
"""Light and shade change lightness far more than hue."""


class ColourName(NamedTuple):
    """A basic colour term and how sure it is."""

    term: str
    confidence: float
    """In [0, 1]."""


def name_colour(rgb: NDArray[np.uint8]) -> ColourName | None:
    """Returns the colour of ``(N, 3)`` sRGB pixels of one object; None where the commonest colour has no term.

    Confidence is the share of pixels nearest to the term, reduced where another colour has half as many or more.
    """
    if len(rgb) == 0:
        return None
    votes = np.bincount(_nearest_terms(rgb), minlength=len(_TERMS)) / len(rgb)
    first = int(votes.argmax())
    if not _TERMS[first]:
        return None
    second = float(np.delete(votes, first).max())
    share = float(votes[first])
    return ColourName(_TERMS[first], round(share * min(1.0, (share - second) / 0.4), 3))


def srgb_to_lab(rgb: NDArray[np.uint8]) -> FloatArray:
    """Returns CIELAB (L in [0, 100], a, b; D65) of ``(..., 3)`` sRGB bytes. Formulae: IEC 61966-2-1, CIE 15."""
    xyz = _LINEAR[rgb] @ _RGB_TO_XYZ.T / _WHITE
    curve = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = curve[..., 0], curve[..., 1], curve[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _nearest_terms(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Returns the index of the nearest term of each ``(N, 3)`` pixel."""
    weights = np.array([_LIGHTNESS_WEIGHT, 1.0, 1.0])
    difference = (srgb_to_lab(rgb)[:, None, :] - _FOCI_LAB[None]) * weights
    nearest: NDArray[np.int64] = _FOCUS_TERM[(difference**2).sum(axis=-1).argmin(axis=1)]
    return nearest


def _linearise(byte: FloatArray) -> FloatArray:
    share = byte / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


_LINEAR = _linearise(np.arange(256, dtype=np.float64))
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _RGB_TO_XYZ.sum(axis=1)
_TERMS = tuple(_FOCI)
_FOCUS_TERM = np.array([index for index, foci in enumerate(_FOCI.values()) for _ in foci.split()])
_FOCI_LAB = srgb_to_lab(
    np.array([list(bytes.fromhex(focus)) for foci in _FOCI.values() for focus in foci.split()], dtype=np.uint8)
)
