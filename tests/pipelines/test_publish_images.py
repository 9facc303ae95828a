"""The picture that ships: exactly the ingested pixels, upright, and not one byte of metadata."""

import io

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from pipelines.publish_images import embed, strip_metadata
from schemas.drop import Drop, DropReason
from schemas.release_row import EmbeddedImage
from stages.ingest import image_id_of
from tests.release_makers import admit, encode, make_pixels

SECRET = b"41.40338, 2.17403"


def picture(seed=1):
    return PIL.Image.fromarray(make_pixels(seed))


def exif(orientation=None):
    tags = PIL.Image.Exif()
    tags[0x010E] = SECRET.decode()
    if orientation:
        tags[0x0112] = orientation
    return tags.tobytes()


def save(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def shown(data):
    with PIL.Image.open(io.BytesIO(data)) as image:
        return image.format, dict(image.info), np.asarray(image.convert("RGB"))


def published(data):
    image = admit(data, "a.file")
    result = embed(data, image)
    assert isinstance(result, EmbeddedImage), result
    assert SECRET not in result.bytes
    return image, result


EXACT = {
    "plain jpeg": lambda: encode(make_pixels(1), "JPEG", quality=75),
    "progressive jpeg": lambda: save(picture(), "JPEG", progressive=True, quality=60),
    "jpeg with subsampling": lambda: save(picture(), "JPEG", subsampling=2),
    "jpeg with restarts": lambda: save(picture(), "JPEG", restart_marker_blocks=2),
    "jpeg with everything in it": lambda: save(
        picture(), "JPEG", exif=exif(), comment=SECRET, icc_profile=SECRET * 9, xmp=SECRET, dpi=(300, 300)
    ),
    "jpeg with a tail": lambda: encode(make_pixels(1), "JPEG") + SECRET,
    "jpeg stored as rgb": lambda: save(picture(), "JPEG", keep_rgb=True, exif=exif()),
    "grey jpeg": lambda: save(picture().convert("L"), "JPEG", exif=exif()),
    "plain png": lambda: encode(make_pixels(1), "PNG"),
    "png with everything in it": lambda: save(
        picture(), "PNG", exif=exif(), pnginfo=_text(), icc_profile=SECRET * 9, dpi=(72, 72)
    ),
    "turned png": lambda: save(picture(), "PNG", exif=exif(6)),
    "grey png": lambda: save(picture().convert("L"), "PNG"),
    "black and white png": lambda: save(picture().convert("1"), "PNG"),
    "palette png": lambda: save(picture().quantize(16), "PNG"),
    "transparent png": lambda: save(_with_alpha(), "PNG"),
    "16-bit png": lambda: save(PIL.Image.fromarray(make_pixels(1)[:, :, 0].astype(np.uint16) * 257), "PNG"),
    "gif": lambda: save(picture().quantize(32), "GIF", comment=SECRET),
    "bmp": lambda: save(picture(), "BMP"),
    "tiff": lambda: save(picture(), "TIFF", description=SECRET.decode()),
    "turned tiff": lambda: save(picture(), "TIFF", exif=exif(8)),
}


def _text():
    info = PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    return info


def _with_alpha():
    image = picture().convert("RGBA")
    image.putalpha(PIL.Image.linear_gradient("L").resize(image.size))
    return image


@pytest.mark.parametrize("name", EXACT)
def test_pixels_ship_exactly_and_alone(name):
    data = EXACT[name]()
    image, result = published(data)
    kind, info, pixels = shown(result.bytes)
    assert image_id_of(pixels) == image.image_id
    assert kind == ("JPEG" if "jpeg" in name else "PNG")
    assert set(info) <= {
        "jfif",
        "jfif_version",
        "jfif_density",
        "jfif_unit",
        "adobe",
        "adobe_transform",
        "progressive",
    } | {"progression"}
    assert result.path.endswith(".jpg" if kind == "JPEG" else ".png")
    assert embed(data, image) == result


def test_plain_jpeg_keeps_its_compressed_bytes():
    data = save(picture(), "JPEG", quality=70)
    tail = data[data.index(b"\xff\xda") :]
    assert published(data)[1].bytes.endswith(tail)


LOSSY = {
    **{
        f"jpeg turned {turn}": lambda turn=turn: save(picture(), "JPEG", exif=exif(turn), quality=95)
        for turn in range(2, 9)
    },
    "cmyk jpeg": lambda: save(picture().convert("CMYK"), "JPEG", quality=95, exif=exif()),
    "webp": lambda: save(picture(), "WEBP", quality=90, exif=exif()),
    "lossless webp": lambda: save(picture(), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", LOSSY)
def test_what_must_be_encoded_again_looks_the_same_and_stands_upright(name):
    image, result = published(LOSSY[name]())
    kind, info, pixels = shown(result.bytes)
    assert kind == "JPEG" and "exif" not in info and "icc_profile" not in info
    assert pixels.shape == (image.height, image.width, 3)
    upright = np.asarray(_upright(LOSSY[name]()), dtype=int)
    assert np.abs(pixels.astype(int) - upright).mean() < 2.5


def _upright(data):
    from PIL import ImageOps

    return ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data))).convert("RGB")


def test_another_picture_is_a_drop():
    image = admit(encode(make_pixels(1)), "a.png")
    for data in (encode(make_pixels(2)), encode(make_pixels(1), "JPEG"), b"", b"junk", encode(make_pixels(1))[:200]):
        drop = embed(data, image)
        assert isinstance(drop, Drop) and drop.reason is DropReason.MISSING_IMAGE and drop.detail


def test_same_pixels_in_another_file_are_the_same_picture():
    image = admit(encode(make_pixels(1)), "a.png")
    assert isinstance(embed(encode(make_pixels(1), "BMP"), image), EmbeddedImage)
    assert isinstance(embed(encode(make_pixels(1), compress_level=1), image), EmbeddedImage)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_stripping_never_raises_on_damage(kind):
    data = encode(make_pixels(3), kind)
    for cut in range(0, len(data), 7):
        strip_metadata(data[:cut], kind)
        strip_metadata(data[:cut] + b"\xff\x00\xff\xda" + data[cut + 3 :], kind)
    assert strip_metadata(data, "WEBP") is None
