"""Bytes of a file to an admitted image with its pixels.

In: the bytes, the uri and licence they came with. Out: the record and ``(H, W, 3)`` uint8 RGB pixels, upright. Dropped:
what is no image of the six formats by its content, is cut short, unreadable, too large (judged on the header, before a
pixel is decoded) or too small. Colour profiles are left alone: pixels are taken as the file stores them.
"""

import hashlib
import io
import struct
import warnings
import zlib
from typing import NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.drop import Drop, DropReason
from schemas.image import Image
from stages.image_headers import MOST_STRAYS, ends_early, format_of, strays_before_scan, webp_size

VERSION = 3

Pixels = NDArray[np.uint8]

_UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError, ArithmeticError,
    MemoryError, NotImplementedError, AssertionError, struct.error, zlib.error, ImageCms.PyCMSError,
)  # fmt: skip
"""What the decoders are known to raise on malformed files; UnidentifiedImageError is an OSError."""

_ORIENTATION_TAG = 0x0112


class IngestConfig(BaseModel):
    """Which images are admitted, and how they are split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(default=50_000_000, gt=0, le=170_000_000)
    """Width x height; the upper bound is the decoder's own."""
    min_side: int = Field(default=64, gt=0)
    """Pixels of the shorter side."""
    train_share: float = Field(default=0.9, ge=0, le=1)
    validation_share: float = Field(default=0.05, ge=0, le=1)
    """What is left of 1 after both is test."""

    @model_validator(mode="after")
    def _shares_fit(self) -> "IngestConfig":
        if self.train_share + self.validation_share > 1:
            raise ValueError(f"train_share {self.train_share} + validation_share {self.validation_share} is above 1")
        return self


class DecodedImage(NamedTuple):
    """An admitted image and its pixels."""

    image: Image
    pixels: Pixels
    """``(H, W, 3)`` RGB, upright."""


def read_image(data: bytes, uri: str, licence: str, config: IngestConfig) -> DecodedImage | Drop:
    """Returns the image of a file's bytes, or why it is none."""
    if not data:
        return _drop(uri, DropReason.EMPTY_FILE, "the file has 0 bytes")
    kind = format_of(data)
    if kind is None:
        detail = f"the content starts with {data[:8]!r}: not JPEG, PNG, WebP, TIFF, BMP or GIF"
        return _drop(uri, DropReason.UNSUPPORTED_FORMAT, detail)
    if kind == "JPEG" and strays_before_scan(data):
        detail = f"more than {MOST_STRAYS} bytes between the segments of a JPEG of {len(data)} bytes"
        return _drop(uri, DropReason.UNREADABLE_IMAGE, detail)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn about odd metadata and about sizes, which are judged here
        try:
            decoded = _decode(data, uri, kind, config)
        except PIL.Image.DecompressionBombError as error:
            return _drop(uri, DropReason.TOO_LARGE, str(error))
        except _UNREADABLE as error:
            cut = ends_early(data, kind) or isinstance(error, EOFError) or "truncated" in str(error)
            reason = DropReason.TRUNCATED_IMAGE if cut else DropReason.UNREADABLE_IMAGE
            return _drop(uri, reason, f"{kind} of {len(data)} bytes: {type(error).__name__}: {error!s:.120}")
    return decoded if isinstance(decoded, Drop) else _admit(decoded, data, kind, (uri, licence), config)


def split_of(image_id: str, config: IngestConfig) -> str:
    """Returns train, validation or test: a function of the image id alone, so that adding images moves none."""
    position = int(image_id[:16], 16) / 16**16
    if position < config.train_share:
        return "train"
    return "validation" if position < config.train_share + config.validation_share else "test"


class _Decoded(NamedTuple):
    pixels: Pixels
    mode: str


def _decode(data: bytes, uri: str, kind: str, config: IngestConfig) -> _Decoded | Drop:
    """Returns the upright pixels, or a drop; raises what the decoder raises."""
    size = webp_size(data) if kind == "WEBP" else None  # its decoder allocates the canvas on opening
    refused = None if size is None else _judge_size(size, uri, config)
    if refused is not None:
        return refused
    with PIL.Image.open(io.BytesIO(data), formats=(kind,)) as source:
        refused = _judge_size(source.size, uri, config)
        if refused is not None:
            return refused
        mode = source.mode
        source.load()
        if kind == "PNG" and ends_early(data, kind):
            return _drop(uri, DropReason.TRUNCATED_IMAGE, f"PNG of {len(data)} bytes has no end chunk")
        pixels = _to_rgb(source)
        if pixels is None:
            return _drop(uri, DropReason.UNSUPPORTED_FORMAT, f"{mode} pixels outside 0 to 65535 have no known range")
        return _Decoded(_turn_upright(pixels, _orientation_of(source)), mode)


def _judge_size(size: tuple[int, int], uri: str, config: IngestConfig) -> Drop | None:
    width, height = size
    if width * height > config.max_pixels:
        detail = f"{width}x{height} is {width * height} pixels, more than {config.max_pixels}"
        return _drop(uri, DropReason.TOO_LARGE, detail)
    if min(size) < config.min_side:
        detail = f"{width}x{height} has a side of {min(size)} pixels, less than {config.min_side}"
        return _drop(uri, DropReason.TOO_SMALL, detail)
    return None


def _to_rgb(source: PIL.Image.Image) -> Pixels | None:
    """Returns RGB pixels: transparency on white, 16 bits scaled to 8; None where the range of values is unknown."""
    if source.mode in ("I", "F") or source.mode.startswith("I;16"):
        grey = np.asarray(source)
        if source.mode == "F" or grey.min() < 0 or grey.max() > 65535:
            return None
        scaled = ((grey.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        return np.repeat(scaled[:, :, None], 3, axis=2)
    if source.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(source, lab, srgb, outputMode="RGB")
        return None if converted is None else np.array(converted)
    if source.has_transparency_data:
        canvas = PIL.Image.new("RGBA", source.size, "white")
        canvas.alpha_composite(source.convert("RGBA"))
        return np.array(canvas.convert("RGB"))
    return np.array(source.convert("RGB"))


def _orientation_of(source: PIL.Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; unreadable metadata means as stored, as viewers take it."""
    try:
        value = source.getexif().get(_ORIENTATION_TAG, 1)
    except _UNREADABLE:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Returns pixels as the EXIF orientation says to show them: 5 to 8 swap the axes, then flips."""
    turned = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def _admit(decoded: _Decoded, data: bytes, kind: str, origin: tuple[str, str], config: IngestConfig) -> DecodedImage:
    height, width = decoded.pixels.shape[:2]
    image_id = image_id_of(decoded.pixels)
    image = Image(
        image_id=image_id,
        uri=origin[0],
        width=width,
        height=height,
        format=kind,
        mode=decoded.mode,
        file_sha256=hashlib.sha256(data).hexdigest(),
        file_bytes=len(data),
        licence=origin[1],
        split=split_of(image_id, config),
    )
    return DecodedImage(image, decoded.pixels)


def image_id_of(pixels: Pixels) -> str:
    """Returns the id of upright ``(H, W, 3)`` RGB pixels: sha256 over width and height (4 bytes each) and the bytes."""
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(struct.pack(">II", width, height))
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _drop(uri: str, reason: DropReason, detail: str) -> Drop:
    return Drop(stage="ingest", id=uri, parent_id=uri, reason=reason, detail=detail)
