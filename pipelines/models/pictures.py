"""Pictures on their way to a model: read once, cut, made no larger than the model looks at, encoded once."""

import asyncio
import base64
import io
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from PIL import Image, ImageOps

from pipelines.models.spec import ModelSpec
from schemas.model_request import ModelRequest, Part

ReadPicture = Callable[[str], "bytes | Path"]
"""Returns a picture by its id: its file's bytes or path. Raises KeyError or OSError where there is none."""

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
    path: Path | None = None
    """The file that holds exactly these bytes, where there is one."""

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
    upright.info = {}  # Pillow would write the comment of the file again
    if box_xyxy is not None:
        upright = upright.crop(_whole_pixels(box_xyxy, upright.size))
    small = _at_most(upright, max_pixels)
    return _encode(small, "PNG" if lossless and small is upright else "JPEG")


class Pictures:
    """Addresses of pictures for one model, the latest used ones kept: questions about one share its encoding."""

    def __init__(self, read: ReadPicture, spec: ModelSpec) -> None:
        self._read = read
        self._spec = spec
        self._kept: OrderedDict[Part, asyncio.Future[str]] = OrderedDict()
        self._bytes = 0

    async def addresses(self, request: ModelRequest) -> dict[Part, str]:
        """Returns an address (data URI, path or URL) for each picture part of the request.

        Raises:
            KeyError, OSError, ValueError: there is no such picture, it cannot be read, or a box lies outside it.
        """
        parts = [part for message in request.messages for part in message.parts if part.image_id]
        return {part: await self._address(part) for part in parts}

    async def encoded(self, request: ModelRequest) -> dict[Part, bytes]:
        """Returns the file of each picture part of the request as a model should see it.

        Raises:
            KeyError, OSError, ValueError: there is no such picture, it cannot be read, or a box lies outside it.
        """
        parts = [part for message in request.messages for part in message.parts if part.image_id]
        return {part: (await asyncio.to_thread(self._encode, part)).data for part in parts}

    async def _address(self, part: Part) -> str:
        waiting = self._kept.get(part)
        if waiting is not None:
            self._kept.move_to_end(part)
            return await asyncio.shield(waiting)
        waiting = self._kept[part] = asyncio.ensure_future(asyncio.to_thread(self._make, part))
        try:
            address = await asyncio.shield(waiting)
        except Exception:  # a picture that cannot be read now may be readable later
            self._kept.pop(part, None)
            raise
        self._bytes += len(address)
        while self._bytes > _CACHE_BYTES and (oldest := next(iter(self._kept.items())))[1].done():
            self._bytes -= 0 if oldest[1].exception() else len(oldest[1].result())
            del self._kept[oldest[0]]
        return address

    def _encode(self, part: Part) -> Encoded:
        stored = self._read(part.image_id)
        data = stored if isinstance(stored, bytes) else stored.read_bytes()
        encoded = encode_picture(data, part.box_xyxy, self._spec.max_pixels)
        if isinstance(stored, Path) and encoded.data is data:
            return encoded._replace(path=stored.resolve())
        return encoded

    def _make(self, part: Part) -> str:
        encoded = self._encode(part)
        return (encoded.path and self._place(encoded.path)) or encoded.data_uri

    def _place(self, path: Path) -> str | None:
        """Returns where the server finds a file that needs no change; None where it has to be sent."""
        if self._spec.image_form == "file":
            return str(path) if self._spec.server == "transformers" else path.as_uri()
        root = Path(self._spec.image_root).resolve()
        if self._spec.image_form == "url" and self._spec.image_base and path.is_relative_to(root):
            return f"{self._spec.image_base.rstrip('/')}/{quote(path.relative_to(root).as_posix())}"
        return None


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
