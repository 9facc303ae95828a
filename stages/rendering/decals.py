"""Digits and pips as small textures, sampled in panel coordinates."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stages.rendering.palette import Floats

TEXTURE = 128
"""Side of a texture, pixels; it covers panel coordinates -1..1."""
_PIPS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((0, 0),),
    2: ((-1, 1), (1, -1)),
    3: ((-1, 1), (0, 0), (1, -1)),
    4: ((-1, 1), (1, 1), (-1, -1), (1, -1)),
    5: ((-1, 1), (1, 1), (0, 0), (-1, -1), (1, -1)),
    6: ((-1, 1), (1, 1), (-1, 0), (1, 0), (-1, -1), (1, -1)),
}
_PIP_SPREAD = 0.62
_PIP_RADIUS = 0.21
_AMBIGUOUS = (6, 9)


@lru_cache(maxsize=16)
def digit_texture(digit: int) -> Floats:
    """Returns ``(128, 128, 2)``: coverage of the round patch and of the ink on it, 0..1; 6 and 9 are underlined."""
    patch = Image.new("L", (TEXTURE, TEXTURE), 0)
    ImageDraw.Draw(patch).ellipse((2, 2, TEXTURE - 3, TEXTURE - 3), fill=255)
    ink = Image.new("L", (TEXTURE, TEXTURE), 0)
    draw = ImageDraw.Draw(ink)
    font = ImageFont.load_default(98)
    stroke = 4
    left, top, right, bottom = draw.textbbox((0, 0), str(digit), font=font, stroke_width=stroke)
    lift = 8 if digit in _AMBIGUOUS else 0
    at = ((TEXTURE - left - right) / 2, (TEXTURE - top - bottom) / 2 - lift)
    draw.text(at, str(digit), fill=255, font=font, stroke_width=stroke)
    if digit in _AMBIGUOUS:
        draw.rectangle((38, 104, 90, 111), fill=255)
    return _stack(patch, ink)


@lru_cache(maxsize=8)
def pips_texture(pips: int) -> Floats:
    """Returns ``(128, 128, 2)``: no patch, and the ink of that many pips, 0..1."""
    blank = Image.new("L", (TEXTURE, TEXTURE), 0)
    ink = Image.new("L", (TEXTURE, TEXTURE), 0)
    draw = ImageDraw.Draw(ink)
    for x, y in _PIPS[pips]:
        centre = TEXTURE / 2 * (1 + x * _PIP_SPREAD), TEXTURE / 2 * (1 - y * _PIP_SPREAD)
        reach = TEXTURE / 2 * _PIP_RADIUS
        draw.ellipse((centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach), fill=255)
    return _stack(blank, ink)


def sample(texture: Floats, u: Floats, v: Floats) -> Floats:
    """Returns patch and ink ``(N, 2)`` at panel coordinates (u right, v up); zero outside -1..1."""
    column = np.rint((u + 1) * (TEXTURE / 2) - 0.5).astype(np.int32)
    row = np.rint((1 - v) * (TEXTURE / 2) - 0.5).astype(np.int32)
    inside = (column >= 0) & (column < TEXTURE) & (row >= 0) & (row < TEXTURE)
    values = texture[np.clip(row, 0, TEXTURE - 1), np.clip(column, 0, TEXTURE - 1)]
    return np.where(inside[:, None], values, np.float32(0))


def _stack(patch: Image.Image, ink: Image.Image) -> Floats:
    layers = [np.asarray(layer, dtype=np.float32) / 255 for layer in (patch, ink)]
    return np.stack(layers, axis=-1).astype(np.float32)
