"""Pictures on their way to a model: read once, cut, made no larger than the model looks at, encoded once."""

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image, ImageOps

from schemas.model_request import Part

ReadPicture = Callable[[str], bytes]
"""Returns the file bytes of a picture by its id. Raises KeyError or OSError where there is none."""

JPEG_QUALITY = 90
_CACHE_BYTES = 256 << 20
_AS_THEY_ARE = {"PNG": "image/png", "JPEG": "image/jpeg"}


class Encoded(NamedTuple):
    """A picture as it is sent."""

    media_type: str
    data: bytes
    width: int
    """Pixels."""
    height: int
    """Pixels."""

    @property
    def data_uri(self) -> str:
        """The picture inside an address."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


def encode_picture(data: bytes, box_xyxy: tuple[float, float, float, float] | None, max_pixels: int) -> Encoded:
    """Returns the picture for a model: its region, upright, at most ``max_pixels`` large, without any metadata.

    A PNG or JPEG that needs no change and carries no metadata is passed on byte by byte. What was lossless stays
    so unless it has to be made smaller. Coordinates are those of the upright picture, pixels, half-open.

    Raises:
        ValueError: the box has no pixel of the picture.
        OSError: the bytes are no picture.
    """
    with Image.open(io.BytesIO(data)) as picture:
        media_type = _AS_THEY_ARE.get(picture.format or "")
        fits = picture.width * picture.height <= max_pixels
        if box_xyxy is None and fits and media_type and picture.mode == "RGB" and not _has_metadata(picture):
            return Encoded(media_type, data, picture.width, picture.height)
        lossless = picture.format != "JPEG"
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    if box_xyxy is not None:
        upright = upright.crop(_whole_pixels(box_xyxy, upright.size))
    small = _at_most(upright, max_pixels)
    return _encode(small, "PNG" if lossless and small is upright else "JPEG")


class Pictures:
    """Encoded pictures, the latest used ones kept: all questions about one picture share its encoding."""

    def __init__(self, read: ReadPicture, max_pixels: int) -> None:
        self._read = read
        self._max_pixels = max_pixels
        self._lock = threading.Lock()
        self._kept: OrderedDict[Part, str] = OrderedDict()
        self._bytes = 0

    def data_uri(self, part: Part) -> str:
        """Returns the picture of the part as a data URI.

        Raises:
            KeyError, OSError, ValueError: there is no such picture, it cannot be read, or the box lies outside it.
        """
        with self._lock:
            if part in self._kept:
                self._kept.move_to_end(part)
                return self._kept[part]
        uri = encode_picture(self._read(part.image_id), part.box_xyxy, self._max_pixels).data_uri
        with self._lock:
            if part not in self._kept:
                self._kept[part] = uri
                self._bytes += len(uri)
            while self._bytes > _CACHE_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return uri


def _has_metadata(picture: Image.Image) -> bool:
    """Returns whether the file says more than its pixels: place, time, device, thumbnails, comments."""
    harmless = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "gamma"}
    return bool(set(picture.info) - harmless) or len(picture.getexif()) > 0


def _whole_pixels(box_xyxy: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box_xyxy
    width, height = size
    left, top = max(0, int(x0)), max(0, int(y0))
    right, bottom = min(width, -int(-x1 // 1)), min(height, -int(-y1 // 1))
    if left >= right or top >= bottom:
        raise ValueError(f"box {box_xyxy} has no pixel of a picture of {width}x{height}")
    return left, top, right, bottom


def _at_most(picture: Image.Image, max_pixels: int) -> Image.Image:
    pixels = picture.width * picture.height
    if pixels <= max_pixels:
        return picture
    scale = (max_pixels / pixels) ** 0.5
    size = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _encode(picture: Image.Image, form: str) -> Encoded:
    buffer = io.BytesIO()
    if form == "PNG":
        picture.save(buffer, "PNG", compress_level=6)
    else:
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Encoded(_AS_THEY_ARE[form], buffer.getvalue(), picture.width, picture.height)
