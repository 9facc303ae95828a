"""Hostile images and files, made by code: one table of what each is called, what it holds and what must become of it.

`None` as the reason means that it is a picture that may be used: its harm is in what comes with the pixels, and must
be gone from what is published.
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import PIL.Image

from schemas.drop import DropReason as Why

MEBI = 1 << 20
GPS_MARK = b"48.8583701"
SCRIPT = b"<script>alert('hop')</script>"


class Hostile(NamedTuple):
    """One file."""

    name: str
    data: bytes
    reasons: frozenset[Why] | None
    """Any of which is right; None where it is admitted."""


def hostile(name: str) -> Hostile:
    """Returns the file of that name."""
    make, why = TABLE[name]
    return Hostile(name, make(), why if why is None else frozenset(why))


# ------------------------------------------------------------------------------------------------------ making files


def pixels(side: int = 96) -> PIL.Image.Image:
    noise = np.random.default_rng(5).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return PIL.Image.fromarray(noise)


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pixels().save(buffer, kind, **options)
    return buffer.getvalue()


def flicker(count: int) -> list[PIL.Image.Image]:
    return [PIL.Image.new("L", (96, 96), number % 256) for number in range(count)]


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    right = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", right if crc is None else crc)


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0, end: bool = True) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + (chunk(b"IEND", b"") if end else b"")


@cache
def zeros(size: int = 512 * MEBI) -> bytes:
    """Deflated zero bytes: a thousandth of the size."""
    packer = zlib.compressobj(1)
    block = bytes(MEBI)
    return b"".join(packer.compress(block) for _ in range(size // MEBI)) + packer.flush()


def gray(side: int = 96) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes((side + 1) * side)))


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded("JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_with(segment: bytes, marker: int) -> bytes:
    data = encoded("JPEG")
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def ifd(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF directory at offset 8 of a little-endian file: tag, type, count, value."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


def tiff(width: int, height: int, data: bytes, compression: int = 1, rows: int | None = None) -> bytes:
    start = 8 + 2 + 9 * 12 + 4
    tags = (
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1),
        (273, 4, 1, start), (277, 3, 1, 1), (278, 4, 1, rows or height), (279, 4, 1, len(data)),
    )  # fmt: skip
    return ifd(*tags) + data


def exif(*entries: tuple[int, int, int, int], following: int = 0, tail: bytes = b"") -> bytes:
    return b"Exif\0\0" + ifd(*entries, following=following) + tail


def bmp(width: int, height: int, body: bytes = b"", bits: int = 24, compression: int = 0, offset: int = 54) -> bytes:
    size = 54 + len(body)
    head = b"BM" + struct.pack("<IHHI", size, 0, 0, offset)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0) + body


def gif(width: int, height: int, frames: int = 1) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, min(width, 64), min(height, 64), 0) + b"\x02\x02\x4c\x01\x00"
    return head + frame * frames + b";"


def webp(chunk_name: bytes, body: bytes, claimed: int | None = None) -> bytes:
    size = 4 + 8 + len(body)
    head = b"RIFF" + struct.pack("<I", size if claimed is None else claimed) + b"WEBP"
    return head + chunk_name + struct.pack("<I", len(body)) + body


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    return buffer.getvalue()


def laughs() -> bytes:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "ha">{levels}]><svg xmlns="http://www.w3.org/2000/svg">&l9;</svg>'
    return text.encode()


class _Opener:
    """What a pickle would run if anybody unpickled it."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, ("/tmp/hopyard-was-here", "w")


def gps_jpeg() -> bytes:
    tail = GPS_MARK + b"\0"
    entries = ((0x010E, 2, len(tail), 8 + 2 + 2 * 12 + 4), (0x8825, 4, 1, 8 + 2 + 2 * 12 + 4))
    return jpeg_with(exif(*entries, tail=tail), 0xE1)


BAD, CUT, BIG, ODD, SMALL = (
    Why.UNREADABLE_IMAGE, Why.TRUNCATED_IMAGE, Why.TOO_LARGE, Why.UNSUPPORTED_FORMAT, Why.TOO_SMALL,
)  # fmt: skip

TABLE: dict[str, tuple[Callable[[], bytes], tuple[Why, ...] | None]] = {
    # nothing much
    "empty.png": (lambda: b"", (Why.EMPTY_FILE,)),
    "one-byte.jpg": (lambda: b"\xff", (ODD,)),
    "zero-bytes.png": (lambda: bytes(MEBI), (ODD,)),
    # PNG
    "png-signature-only.png": (lambda: b"\x89PNG\r\n\x1a\n", (BAD, CUT)),
    "png-says-30000x30000.png": (lambda: png(30_000, 30_000, gray()), (BIG,)),
    "png-is-20000x20000.png": (lambda: png(20_000, 20_000, chunk(b"IDAT", zeros())), (BIG,)),
    "png-says-2-to-the-31.png": (lambda: png(2**31 - 1, 2**31 - 1, gray()), (BIG, BAD)),
    "png-zero-wide.png": (lambda: png(0, 96, gray()), (BAD, SMALL, CUT)),
    "png-data-of-another-size.png": (lambda: png(96, 96, chunk(b"IDAT", zeros())), None),
    "png-text-bomb.png": (lambda: png(96, 96, chunk(b"zTXt", b"a\0\0" + zeros()), gray()), (BAD, CUT)),
    "png-international-text-bomb.png": (
        lambda: png(96, 96, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros()), gray()), (BAD, CUT),
    ),
    "png-profile-bomb.png": (lambda: png(96, 96, chunk(b"iCCP", b"a\0\0" + zeros()), gray()), (BAD, CUT)),
    "png-many-texts.png": (lambda: png(96, 96, *[chunk(b"tEXt", b"a\0" + b"x" * MEBI)] * 70, gray()), (BAD,)),
    "png-cut.png": (lambda: encoded("PNG")[:2000], (CUT, BAD)),
    "png-wrong-checksum.png": (lambda: png(96, 96, chunk(b"IDAT", zlib.compress(bytes(9312)), crc=1)), None),
    "png-without-end.png": (lambda: png(96, 96, gray(), end=False), (CUT, BAD)),
    "png-chunk-of-4-gib.png": (lambda: png(96, 96)[:33] + b"\xff\xff\xff\xffIDAT" + bytes(64), (BAD, CUT)),
    "png-two-billion-frames.png": (
        lambda: png(96, 96, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), gray()), None,
    ),
    "png-16-bit-palette.png": (lambda: png(96, 96, gray(), depth=16, colour=3), (BAD, CUT)),
    # JPEG
    "jpeg-start-only.jpg": (lambda: b"\xff\xd8\xff", (BAD, CUT)),
    "jpeg-cut.jpg": (lambda: encoded("JPEG")[:1500], (CUT,)),
    "jpeg-says-65500x65500.jpg": (lambda: jpeg_of_size(65_500, 65_500), (BIG,)),
    "jpeg-zero-high.jpg": (lambda: jpeg_of_size(96, 0), (BAD, SMALL, CUT)),
    "jpeg-ten-megabytes-of-fill.jpg": (lambda: b"\xff\xd8" + b"\xff" * 10_000_000, (BAD, CUT)),
    "jpeg-sixty-megabytes-of-nothing.jpg": (lambda: b"\xff\xd8\xff\xfe\0\2" + bytes(60_000_000), (BAD, CUT)),
    "jpeg-a-million-markers.jpg": (lambda: b"\xff\xd8" + b"\xff\xd0" * 1_000_000, (BAD, CUT)),
    "jpeg-some-fill.jpg": (lambda: encoded("JPEG").replace(b"\xff\xdb", b"\xff" * 5_000 + b"\xdb", 1), None),
    "jpeg-broken-tables.jpg": (lambda: encoded("JPEG").replace(b"\xff\xc4", b"\xff\xc4\0\3\x55", 1), (BAD, CUT)),
    "jpeg-gps.jpg": (gps_jpeg, None),
    "jpeg-exif-of-60-kb.jpg": (lambda: jpeg_with(exif((0x010E, 2, 60_000, 38), tail=b"y" * 60_000), 0xE1), None),
    "jpeg-exif-that-loops.jpg": (lambda: jpeg_with(exif((0x8769, 4, 1, 8), following=8), 0xE1), None),
    "jpeg-exif-of-4-billion.jpg": (lambda: jpeg_with(exif((0x010E, 2, 2**32 - 1, 38)), 0xE1), None),
    "jpeg-turned-9999-times.jpg": (lambda: jpeg_with(exif((0x0112, 4, 1, 9999)), 0xE1), None),
    "jpeg-comment-with-script.jpg": (lambda: jpeg_with(SCRIPT, 0xFE), None),
    "jpeg-with-a-zip-behind.jpg": (lambda: encoded("JPEG") + zipped("../../evil.sh", b"#!/bin/sh\n"), None),
    "html-before-a-jpeg.jpg": (lambda: b"<html>" + SCRIPT + encoded("JPEG"), (ODD,)),
    # GIF
    "gif-65535x65535.gif": (lambda: gif(65_535, 65_535), (BIG,)),
    "gif-1000-frames.gif": (lambda: encoded("GIF", save_all=True, append_images=flicker(1_000)), None),
    "gif-5000-broken-frames.gif": (lambda: gif(64, 64, 5_000), (BAD, CUT)),
    "gif-cut.gif": (lambda: encoded("GIF")[:700], (CUT, BAD)),
    "gif-broken-codes.gif": (lambda: gif(64, 64).replace(b"\x02\x02\x4c\x01", b"\x0c\x02\xff\xff"), (BAD, CUT)),
    "gif-that-is-a-program.gif": (lambda: b"GIF89a=/*" + bytes(80) + b"*/alert(1);", (BIG, BAD, CUT, SMALL)),
    # BMP
    "bmp-2-to-the-31.bmp": (lambda: bmp(2**31 - 1, 2**31 - 1), (BIG, BAD, CUT)),
    "bmp-minus-2-to-the-31.bmp": (lambda: bmp(96, -(2**31)), (BIG, BAD, CUT)),
    "bmp-run-lengths.bmp": (lambda: bmp(7_000, 7_000, bytes(1024) + b"\xff\0" * 64, 8, 1, 1078), (BAD, CUT)),
    "bmp-data-outside.bmp": (lambda: bmp(96, 96, bytes(64), offset=2**31), (BAD, CUT)),
    "bmp-one-bit-30000x30000.bmp": (lambda: bmp(30_000, 30_000, bytes(8), bits=1), (BIG,)),
    # TIFF
    "tiff-100000x100000.tif": (lambda: tiff(100_000, 100_000, bytes(64)), (BIG,)),
    "tiff-that-loops.tif": (lambda: ifd((256, 4, 1, 96), (257, 4, 1, 96), following=8), (BAD, CUT)),
    "tiff-two-billion-strips.tif": (lambda: ifd((256, 4, 1, 96), (257, 4, 1, 96), (273, 4, 2**31, 8)), (BAD, CUT)),
    "tiff-strip-of-512-mib.tif": (lambda: tiff(96, 96, zeros(), compression=8), None),
    "tiff-that-inflates-a-little.tif": (lambda: tiff(96, 96, zlib.compress(bytes(96 * 96)), compression=8), None),
    "tiff-of-the-big-kind.tif": (lambda: b"II+\0\x08\0\0\0" + bytes(64), (BAD, CUT)),
    "tiff-cut.tif": (lambda: encoded("TIFF")[:1000], (CUT, BAD)),
    # WebP
    "webp-canvas-16384x16384.webp": (lambda: webp(b"VP8X", bytes(4) + b"\xff\x3f\0\xff\x3f\0"), (BIG,)),
    "webp-cut.webp": (lambda: encoded("WEBP")[:400], (CUT, BAD)),
    "webp-size-of-4-gib.webp": (lambda: webp(b"VP8 ", bytes(64), claimed=2**32 - 1), (BAD, CUT, SMALL)),
    "webp-lossless-lie.webp": (lambda: webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(64)), (BIG, BAD, CUT)),
    # no pictures at all
    "vector-with-script.svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>", (ODD,)),
    "vector-of-a-billion-laughs.svg": (laughs, (ODD,)),
    "vector-that-reads-files.svg": (
        lambda: b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>', (ODD,),
    ),
    "page.jpg": (lambda: b"<!doctype html>" + SCRIPT, (ODD,)),
    "document.png": (lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj", (ODD,)),
    "archive-bomb.jpg": (lambda: zipped("zeros", bytes(64 * MEBI)), (ODD,)),
    "archive-with-traversal.png": (lambda: zipped("../../../../etc/cron.d/hop", b"* * * * * root true"), (ODD,)),
    "program.png": (lambda: b"\x7fELF\x02\x01\x01" + bytes(200), (ODD,)),
    "checkpoint.jpg": (lambda: pickle.dumps(_Opener()), (ODD,)),
    "postscript.jpg": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file", (ODD,)),
    "photoshop-300000x300000.psd": (
        lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 300_000, 300_000, 8, 3), (ODD,),
    ),
    "jpeg2000-two-billion-wide.jp2": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + b"\xff" * 64, (ODD,)),
    "icons.png": (lambda: b"\0\0\1\0\xff\xff" + bytes(200), (ODD,)),
    "fits-header.png": (lambda: b"SIMPLE  =                    T".ljust(80) * 40, (ODD,)),
}  # fmt: skip
