"""What the first and last bytes of an image file tell, read without a decoder."""

import re
import struct

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)


MOST_STRAYS = 65_536
_FILL = re.compile(rb"\xff+")
_SCAN = 0xDA
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
"""Second bytes of markers that no length follows."""


def format_of(data: bytes) -> str | None:
    """Returns JPEG, PNG, WEBP, TIFF, BMP or GIF by the content's signature, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for signature, name in _SIGNATURES if data.startswith(signature)), None)


def ends_early(data: bytes, kind: str) -> bool:
    """Returns whether the file's own structure says that bytes are missing at its end; False where it cannot tell."""
    if kind == "PNG":
        return not _has_end_chunk(data)
    if kind == "JPEG":
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda") or b"\xff\xda" not in data
    if kind == "WEBP":
        return len(data) < 12 + 8 or len(data) < 8 + struct.unpack_from("<I", data, 4)[0]
    if kind == "BMP":
        return len(data) < 54 or len(data) < struct.unpack_from("<I", data, 2)[0]
    if kind == "GIF":
        return not data.endswith(b";")
    order = "<" if data[:1] == b"I" else ">"
    return len(data) < 8 or len(data) <= struct.unpack_from(f"{order}I", data, 4)[0]


def strays_before_scan(data: bytes) -> bool:
    """Returns whether more than `MOST_STRAYS` bytes of a JPEG lie between its segments, before the pixels begin.

    Some bytes of fill are allowed there; a decoder looks at them one by one, ten megabytes for seconds.
    """
    place, strays = 2, 0
    while place < len(data) and strays <= MOST_STRAYS:
        marker = data.find(b"\xff", place)
        fill = _FILL.match(data, marker) if marker >= 0 else None
        if fill is None or fill.end() >= len(data):
            return strays + len(data) - place > MOST_STRAYS
        code = data[fill.end()]
        if code == _SCAN:
            return strays + fill.end() - place > MOST_STRAYS
        alone = code in _ALONE
        strays += fill.end() - place + (1 if alone else -1)
        length = 0 if alone else int.from_bytes(data[fill.end() + 1 : fill.end() + 3], "big")
        place = fill.end() + 1 + length
    return strays > MOST_STRAYS


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Returns the width and height a WebP header states, or None where it states none."""
    if len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return (1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return (width & 0x3FFF, height & 0x3FFF)
    return None


def _has_end_chunk(data: bytes) -> bool:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        position += 12 + length
        if data[position - 8 - length : position - 4 - length] == b"IEND":
            return position <= len(data)
    return False
