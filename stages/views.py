"""Harmless views of a picture: changed so that nobody would answer a question differently.

Each view is a changed picture and the way back for masks of it. What is seen only in the plain picture, or seen as
something else in a view, is not seen surely.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from stages.masks import BoolMask

Pixels = NDArray[np.uint8]

_CROP = 0.03
"""Share that a cropped view takes off each side."""


_PADDING = (124, 116, 104)
"""What a padded view shows beyond the picture."""


class View(NamedTuple):
    """A changed picture."""

    name: str
    pixels: Pixels
    back: Callable[[BoolMask], BoolMask]
    """A mask of the view as a mask of the plain picture; empty where it lies beyond."""
    upright: Pixels
    """The changed light in the places of the plain picture. Things are named there: a flag mirrored is no flag."""


def view_of(name: str, pixels: Pixels) -> View:
    """Returns the view of that name: flip, crop, pad, bright, dark or jpeg.

    Raises:
        ValueError: there is no such view.
    """
    match name:
        case "flip":
            return View(name, np.ascontiguousarray(pixels[:, ::-1]), lambda mask: mask[:, ::-1], pixels)
        case "crop":
            return _cropped(pixels)
        case "pad":
            return _padded(pixels)
        case "bright":
            return _same_places(name, _lit(pixels, 1.12))
        case "dark":
            return _same_places(name, _lit(pixels, 0.88))
        case "jpeg":
            return _same_places(name, _compressed(pixels, 70))
    raise ValueError(f"unknown view {name!r}; known are {', '.join(VIEWS)}")


UNFRAMED = ("flip", "crop", "bright", "dark", "jpeg")
"""Views that look like a picture by themselves."""
VIEWS = (*UNFRAMED, "pad")


def _same_places(name: str, pixels: Pixels) -> View:
    return View(name, pixels, lambda mask: mask, pixels)


def _cropped(pixels: Pixels) -> View:
    height, width = pixels.shape[:2]
    rows, columns = round(height * _CROP), round(width * _CROP)

    def back(mask: BoolMask) -> BoolMask:
        whole = np.zeros((height, width), dtype=np.bool_)
        whole[rows : height - rows, columns : width - columns] = mask
        return whole

    return View("crop", np.ascontiguousarray(pixels[rows : height - rows, columns : width - columns]), back, pixels)


def _padded(pixels: Pixels) -> View:
    """Returns the picture as a square, its lower or right part empty: things keep their proportions when squeezed."""
    height, width = pixels.shape[:2]
    square = np.empty((max(height, width), max(height, width), 3), dtype=np.uint8)
    square[...] = _PADDING
    square[:height, :width] = pixels
    return View("pad", square, lambda mask: mask[:height, :width], pixels)


def _lit(pixels: Pixels, gain: float) -> Pixels:
    lit: Pixels = np.clip(pixels.astype(np.float32) * gain + 0.5, 0, 255).astype(np.uint8)
    return lit


def _compressed(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return np.asarray(PIL.Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
