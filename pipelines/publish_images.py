"""The picture of a row: the very pixels the factory worked on, without a byte of metadata.

A plain 8-bit JPEG or PNG keeps its compressed pixels; only its metadata (EXIF with position and camera, comments,
thumbnails, colour profiles, anything after the end) is cut away. Everything else (turned, transparent, palette, CMYK,
16-bit, other formats) is encoded again from the upright RGB pixels: as PNG where the source was lossless, else as JPEG
at quality 95 without chroma subsampling. What was lossless must give the image id when it is decoded again; a file
that is byte for byte the one that ingest decoded, upright and plain, has shown that already.
"""

import hashlib
import io
import re
import struct
from collections.abc import Iterator

import numpy as np
import PIL.Image

from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.release_row import EmbeddedImage
from stages.ingest import DecodedImage, IngestConfig, Pixels, image_id_of, read_image

_LOSSLESS = {"PNG", "BMP", "GIF", "TIFF"}
_ANY_SIZE = IngestConfig(max_pixels=170_000_000, min_side=1)
"""Admission was decided at ingest; here the same decoder only has to decode."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""What ends entropy-coded bytes: no stuffed 0, no restart, no fill byte."""
_ORIENTATION = 0x0112
"""EXIF tag."""
_JPEG_PIXELS = {0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD}
"""Frame headers (baseline, extended, progressive), Huffman and quantisation tables, restart interval."""


def embed(data: bytes, image: Image) -> EmbeddedImage | Drop:
    """Returns the picture to ship, from the bytes of the image's file; a drop where they are another picture by now."""
    stripped = strip_metadata(data, image.format)
    if stripped is not None and (_is_ingested_file(data, image) or _is_plain(stripped, image)):
        return _named(stripped, image, image.format)
    decoded = read_image(data, image.uri, image.licence, _ANY_SIZE)
    if not isinstance(decoded, DecodedImage):
        return _gone(image, f"the file can no longer be read: {decoded.detail}")
    if decoded.image.image_id != image.image_id:
        return _gone(image, f"the file changed since ingest: its pixels are now {decoded.image.image_id}")
    kind = "PNG" if image.format in _LOSSLESS else "JPEG"
    encoded = _encode(decoded.pixels, kind)
    if kind == "PNG" and image_id_of(_decode(encoded)) != image.image_id:
        raise ValueError(f"image {image.image_id} changes when it is written as PNG")
    return _named(encoded, image, kind)


def strip_metadata(data: bytes, kind: str) -> bytes | None:
    """Returns the file with nothing but its pixels, or None where its structure is unusual."""
    pieces = {"JPEG": _jpeg_pieces, "PNG": _png_pieces}.get(kind)
    if pieces is None:
        return None
    try:
        return b"".join(pieces(data))
    except (ValueError, IndexError, struct.error):
        return None


def _jpeg_pieces(data: bytes) -> Iterator[bytes]:
    """Yields start, a fresh JFIF header, the segments that decoding needs, and the end; drops what follows it."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no JPEG start")
    yield data[:2]
    position = 2
    while True:
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        mark, code = data[position], data[position + 1]
        if mark != 0xFF:
            raise ValueError("no JPEG marker")
        if code == 0xD9:
            yield b"\xff\xd9"
            return
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        segment = data[position:end]
        if code == 0xDA:
            end = _scan_end(data, end)
            yield data[position:end]
        elif code in _JPEG_PIXELS or (code == 0xEE and segment[4:9] == b"Adobe"):
            yield segment
        elif code == 0xE0 and segment[4:9] == b"JFIF\0":
            yield b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
        elif not (0xE0 <= code <= 0xEF or code == 0xFE):
            raise ValueError(f"JPEG marker {code:02x} is unusual")
        position = end


def _scan_end(data: bytes, position: int) -> int:
    """Returns where the entropy-coded bytes end: at the first marker that is neither stuffing nor a restart."""
    found = _MARKER.search(data, position)
    if found is None:
        raise ValueError("the picture's data have no end")
    return found.start()


def _png_pieces(data: bytes) -> Iterator[bytes]:
    """Yields the signature and the chunks that hold pixels; only plain 8-bit grey and RGB."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or data[24] != 8 or data[25] not in (0, 2):
        raise ValueError("not a plain PNG")
    yield data[:8]
    position = 8
    name = b""
    while name != b"IEND":
        (length,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data) or name == b"tRNS":
            raise ValueError("cut short, or transparent")
        if name in (b"IHDR", b"IDAT", b"IEND"):
            yield data[position:end]
        position = end


_SILENT_CHUNKS = {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"tIME", b"bKGD"}
"""PNG chunks that do not say how a picture is to be turned."""


def _is_ingested_file(data: bytes, image: Image) -> bool:
    """Whether these are the bytes whose pixels gave the image id, plain and stored upright: then nothing is decoded."""
    if hashlib.sha256(data).hexdigest() != image.file_sha256:
        return False
    try:
        if image.format == "PNG" and not set(_png_names(data)) <= _SILENT_CHUNKS:
            return False
        with PIL.Image.open(io.BytesIO(data), formats=(image.format,)) as picture:
            upright = image.format == "PNG" or picture.getexif().get(_ORIENTATION, 1) == 1
            return upright and picture.mode in ("RGB", "L") and picture.size == (image.width, image.height)
    except (OSError, SyntaxError, ValueError, struct.error, PIL.Image.DecompressionBombError):
        return False


def _png_names(data: bytes) -> Iterator[bytes]:
    position = 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8]
        position += 12 + length


def _is_plain(data: bytes, image: Image) -> bool:
    """Whether any reader that opens the file and converts it to RGB sees the image's own pixels."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=(image.format,)) as picture:
            if picture.mode not in ("RGB", "L") or picture.size != (image.width, image.height):
                return False
            return image_id_of(_rgb(picture)) == image.image_id
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        return False


def _decode(data: bytes) -> Pixels:
    with PIL.Image.open(io.BytesIO(data)) as picture:
        return _rgb(picture)


def _rgb(picture: PIL.Image.Image) -> Pixels:
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _encode(pixels: Pixels, kind: str) -> bytes:
    options = {"compress_level": 6} if kind == "PNG" else {"quality": 95, "subsampling": 0}
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _named(data: bytes, image: Image, kind: str) -> EmbeddedImage:
    return EmbeddedImage(bytes=data, path=f"{image.image_id[:16]}.{'png' if kind == 'PNG' else 'jpg'}")


def _gone(image: Image, detail: str) -> Drop:
    return Drop(stage="publish", id=image.image_id, parent_id=image.uri, reason=DropReason.MISSING_IMAGE, detail=detail)
