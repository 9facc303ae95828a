"""Copies of a picture, as they come about in the wild."""

import io
from collections.abc import Callable

import PIL.Image
from PIL import ImageEnhance, ImageOps

Picture = PIL.Image.Image


def crop(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    """Returns the picture with so much cut off each side, as shares."""
    width, height = picture.size
    return picture.crop((int(width * left), int(height * top), int(width * (1 - right)), int(height * (1 - bottom))))


def compress(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return PIL.Image.open(buffer).convert("RGB")


COPIES: dict[str, Callable[[Picture], Picture]] = {
    "compressed": lambda p: compress(p, 20),
    "smaller": lambda p: p.resize((p.width // 2, p.height // 2)),
    "squeezed": lambda p: p.resize((p.width // 2, p.height)),
    "turned left": lambda p: p.transpose(PIL.Image.Transpose.ROTATE_90),
    "upside down": lambda p: p.transpose(PIL.Image.Transpose.ROTATE_180),
    "mirrored": ImageOps.mirror,
    "tilted 2 degrees": lambda p: p.rotate(2, PIL.Image.Resampling.BICUBIC),
    "tilted 5 degrees": lambda p: p.rotate(-5, PIL.Image.Resampling.BICUBIC),
    "cropped 5%": lambda p: crop(p, 0.05, 0.0, 0.03, 0.04),
    "cropped 20%": lambda p: crop(p, 0.2, 0.1, 0.0, 0.07),
    "cropped 30%": lambda p: crop(p, 0.03, 0.3, 0.27, 0.0),
    "turned and cropped": lambda p: crop(p.transpose(PIL.Image.Transpose.ROTATE_270), 0.1, 0.02, 0.07, 0.1),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.25),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "framed": lambda p: ImageOps.expand(p, border=p.width // 20, fill="white"),
}
