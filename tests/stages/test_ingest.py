"""Ingest: six formats, upright, by content; whatever is not one of them is a drop with a reason."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.drop import Drop, DropReason
from stages.ingest import DecodedImage, IngestConfig, read_image, split_of

CONFIG = IngestConfig()


def picture(width=96, height=80, seed=1):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
    return PIL.Image.fromarray(small).resize((width, height), PIL.Image.Resampling.NEAREST)


def encode(image, kind, **options):
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


def read(data, uri="a.img"):
    return read_image(data, uri, "unknown", CONFIG)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG"])
def test_each_format_is_read_whatever_its_name(kind):
    found = read(encode(picture(), kind), "named-wrongly.txt")
    assert isinstance(found, DecodedImage)
    assert found.image.format == kind
    assert found.pixels.shape == (80, 96, 3) and found.pixels.dtype == np.uint8


def test_the_same_pixels_in_two_formats_are_one_image():
    ids = {read(encode(picture(), kind)).image.image_id for kind in ("PNG", "BMP", "TIFF")}
    assert len(ids) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_so_that_turned_copies_are_one_image(orientation):
    upright = picture()
    turn_back = {
        1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4,
    }[orientation]  # fmt: skip
    stored = upright if turn_back is None else upright.transpose(PIL.Image.Transpose(turn_back))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    found = read(encode(stored, "PNG", exif=exif))
    assert found.image.image_id == read(encode(upright, "PNG")).image.image_id
    assert (found.image.width, found.image.height) == upright.size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_pixel_mode_becomes_rgb(mode):
    image = PIL.Image.fromarray(np.arange(80 * 96, dtype=np.uint16).reshape(80, 96)) if mode == "I;16" else None
    image = image or picture().convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    found = read(encode(image, "TIFF" if mode == "CMYK" else "PNG"))
    assert isinstance(found, DecodedImage)
    assert found.pixels.shape == (80, 96, 3)


def test_transparent_pixels_become_white():
    image = PIL.Image.new("RGBA", (96, 80), (10, 20, 30, 0))
    assert (read(encode(image, "PNG")).pixels == 255).all()


def test_sixteen_bits_are_scaled_not_cut():
    grey = np.full((80, 96), 65535, dtype=np.uint16)
    grey[:40] = 32768
    found = read(encode(PIL.Image.fromarray(grey), "PNG"))
    assert found.pixels[60, 0, 0] == 255 and 127 <= found.pixels[0, 0, 0] <= 128


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bomb(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\x00" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DropReason.EMPTY_FILE),
        (b"not a picture at all", DropReason.UNSUPPORTED_FORMAT),
        (b"%PDF-1.7 ...", DropReason.UNSUPPORTED_FORMAT),
        (png_bomb(30_000, 30_000), DropReason.TOO_LARGE),
        (encode(picture(20, 20), "PNG"), DropReason.TOO_SMALL),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, DropReason.TRUNCATED_IMAGE),
    ],
)
def test_what_is_no_usable_image_is_a_drop_that_says_why(data, reason):
    found = read(data)
    assert isinstance(found, Drop)
    assert found.reason is reason
    assert found.detail and found.id == "a.img"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_dropped_never_half_read(kind, share):
    image = PIL.Image.fromarray(np.random.default_rng(2).integers(0, 255, (120, 140, 3), dtype=np.uint8))
    data = encode(image, kind)
    found = read(data[: int(len(data) * share)])
    assert isinstance(found, Drop)
    assert found.reason in (DropReason.TRUNCATED_IMAGE, DropReason.UNREADABLE_IMAGE)


@given(st.binary(max_size=400))
def test_no_bytes_raise(tail):
    for head in (
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"BM",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"II*\x00",
    ):
        assert isinstance(read(head + tail), Drop | DecodedImage)


def test_the_split_is_a_function_of_the_image_alone():
    ids = [f"{number:064x}" for number in range(0, 16**4)]
    ids = [one[-4:] + one[:-4] for one in ids]
    shares = {name: sum(split_of(one, CONFIG) == name for one in ids) / len(ids) for name in ("train", "test")}
    assert 0.88 < shares["train"] < 0.92 and 0.04 < shares["test"] < 0.06
