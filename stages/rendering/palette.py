"""The colours, materials and sizes things come in, and the neutral tints of their small parts.

Colours are written as display values and used as *linear* reflectance: the renderer's display curve is a square root,
so linear is the square of display.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Material = Literal["metal", "matte"]
Size = Literal["small", "medium", "large"]

MATERIALS: tuple[Material, ...] = ("metal", "matte")
SIZES: tuple[Size, ...] = ("small", "medium", "large")
SIZE_PIXELS: dict[Size, float] = {"small": 46.0, "medium": 73.0, "large": 115.0}
"""Pixels per thing unit in a picture 384 pixels high (most things are about one unit high)."""

COLOURS: dict[str, str] = {
    "red": "#d41a24",
    "orange": "#fb7e0c",
    "yellow": "#fbd914",
    "green": "#1f9a3d",
    "blue": "#1f5fe0",
    "purple": "#8433c9",
    "black": "#1b1c20",
    "white": "#f1efea",
}
TINTS: dict[str, str] = {
    "cream": "#efe3c4",
    "steel": "#a9adb3",
    "dark": "#33302e",
    "wood": "#a9784a",
    "flame": "#ffd86b",
    "glow": "#fff3cf",
    "ink": "#16171a",
    "paper": "#fbfaf5",
}


def linear_from_hex(text: str) -> Floats:
    """Returns the ``(3,)`` linear reflectance of a display colour ``#rrggbb``."""
    display = np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32) / 255.0
    return np.square(display).astype(np.float32)


def display_rgb(colour: str) -> tuple[int, int, int]:
    """Returns the display value, 0..255, of a named colour."""
    text = COLOURS[colour]
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


LINEAR: dict[str, Floats] = {name: linear_from_hex(text) for name, text in (COLOURS | TINTS).items()}
"""Linear reflectance of every colour and tint."""
