"""Masks to smooth outlines on an enlarged picture, and places for the numbers beside them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageFilter

from stages.masks import BoolMask, box_xyxy_of

_STROKE = 4
"""Width of an outline in pixels of the page's picture."""
_HALO = 2
"""White on both sides of it, so that it stands out on any colour."""
_TINT = 0.16
"""Share of the hop's colour laid over the instance."""
_BADGE = 15
"""Radius of a number with its rim."""

Point = tuple[float, float]
PixelBox = tuple[int, int, int, int]


class Outline(NamedTuple):
    """One instance as one hop sees it."""

    mask: BoolMask
    colour: str
    label: str
    ring: int
    """0 on the instance's edge; 1 around that one, and so on."""


def draw_outlines(picture: Image.Image, outlines: Sequence[Outline]) -> Image.Image:
    """Returns the picture with every outline on it; outer rings first, so that inner ones stay whole."""
    drawn = picture.copy()
    for outline in sorted(outlines, key=lambda outline: -outline.ring):
        _draw_outline(drawn, outline)
    return drawn


def badge_places(outlines: Sequence[Outline], size: tuple[int, int]) -> list[Point]:
    """Returns a centre for each outline's number: on its instance, inside the picture, clear of the other numbers."""
    taken: list[Point] = []
    for outline in outlines:
        choices = [_inside(place, size) for place in _anchors(outline, size)]
        taken.append(max(choices, key=lambda place: min(_clearance(place, taken), 2 * _BADGE)))
    return taken


def _draw_outline(picture: Image.Image, outline: Outline) -> None:
    reach = (outline.ring + 1) * (_STROKE + _HALO) + 4
    x0, y0, x1, y1 = _scaled_box(outline, picture.size)
    if x0 >= x1 or y0 >= y1:
        return
    window = (max(0, x0 - reach), max(0, y0 - reach), min(picture.width, x1 + reach), min(picture.height, y1 + reach))
    shape = _smooth(outline.mask, picture.size, window)
    inner = outline.ring * (_STROKE + _HALO)
    _paint(picture, window, _band(shape, inner - _HALO, inner + _STROKE + _HALO), "#ffffff", 0.75)
    _paint(picture, window, _band(shape, inner, inner + _STROKE), outline.colour, 1.0)
    if outline.ring == 0:
        _paint(picture, window, shape, outline.colour, _TINT)


def _smooth(mask: BoolMask, size: tuple[int, int], window: PixelBox) -> Image.Image:
    """The mask inside a window of the enlarged picture, 0 to 255, its stairs rounded off."""
    scale_x, scale_y = mask.shape[1] / size[0], mask.shape[0] / size[1]
    source = (window[0] * scale_x, window[1] * scale_y, window[2] * scale_x, window[3] * scale_y)
    target = (window[2] - window[0], window[3] - window[1])
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(target, Image.Resampling.BICUBIC, box=source)
    blurred = grey.filter(ImageFilter.GaussianBlur(0.6 / max(scale_x, scale_y) if scale_x < 1 else 1))
    return blurred.point([255 if value >= 128 else 0 for value in range(256)])


def _band(shape: Image.Image, start: int, end: int) -> Image.Image:
    """The ring between two distances outside a shape, as an alpha channel with soft edges."""
    outer, inner = np.asarray(_grown(shape, end)), np.asarray(_grown(shape, start))
    ring = np.where(inner > 0, 0, outer).astype(np.uint8)
    return Image.fromarray(ring).filter(ImageFilter.GaussianBlur(0.7))


def _grown(shape: Image.Image, pixels: int) -> Image.Image:
    """The shape grown (or, below 0, shrunk) by a disc, in steps of a square and a plus in turn."""
    grown = np.asarray(shape) > 0
    flip = pixels < 0
    grown = ~grown if flip else grown
    for step in range(abs(pixels)):
        grown = _dilated(grown, square=step % 3 == 1)
    return Image.fromarray((~grown if flip else grown).astype(np.uint8) * 255)


def _dilated(mask: BoolMask, square: bool) -> BoolMask:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    rows = grown.copy() if square else mask
    grown[:, 1:] |= rows[:, :-1]
    grown[:, :-1] |= rows[:, 1:]
    return grown


def _paint(picture: Image.Image, window: PixelBox, alpha: Image.Image, colour: str, strength: float) -> None:
    layer = Image.new("RGB", alpha.size, ImageColor.getrgb(colour))
    picture.paste(layer, window[:2], alpha.point([round(value * strength) for value in range(256)]))


def _scaled_box(outline: Outline, size: tuple[int, int]) -> PixelBox:
    height, width = outline.mask.shape
    x0, y0, x1, y1 = box_xyxy_of(outline.mask)
    across, down = size[0] / width, size[1] / height
    return (int(x0 * across), int(y0 * down), round(x1 * across), round(y1 * down))


def _anchors(outline: Outline, size: tuple[int, int]) -> list[Point]:
    """Points of the instance in order of preference: its top, left, right and bottom ends, then inner ones."""
    height, width = outline.mask.shape
    ys, xs = np.nonzero(outline.mask)
    if ys.size == 0:
        return [(0.0, 0.0)]
    ends = [np.flatnonzero(xs_or_ys == edge) for xs_or_ys, edge in ((ys, ys[0]), (xs, xs.min()), (xs, xs.max()))]
    ends.append(np.flatnonzero(ys == ys[-1]))
    inner = np.linspace(0, ys.size - 1, 9).astype(int)[1:-1]
    chosen = [int(end[end.size // 2]) for end in ends] + [int(position) for position in inner]
    across, down = size[0] / width, size[1] / height
    return [((float(xs[i]) + 0.5) * across, (float(ys[i]) + 0.5) * down) for i in chosen]


def _inside(place: Point, size: tuple[int, int]) -> Point:
    return (min(max(place[0], _BADGE + 1), size[0] - _BADGE - 1), min(max(place[1], _BADGE + 1), size[1] - _BADGE - 1))


def _clearance(place: Point, taken: Sequence[Point]) -> float:
    return min((float(np.hypot(place[0] - x, place[1] - y)) for x, y in taken), default=float("inf"))
