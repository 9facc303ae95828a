"""Pictures on their way to a model."""

import asyncio
import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.models.pictures import Pictures, encode_picture
from schemas.model_request import Message, Part
from tests.pipelines.models.asking import make_picture, make_request, make_spec


def open_bytes(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_that_needs_no_change_is_sent_byte_by_byte(form):
    data = make_picture(form=form)
    encoded = encode_picture(data, None, 10_000)
    assert encoded.data is data and encoded.media_type == f"image/{form.lower()}"
    assert base64.b64decode(encoded.data_uri.partition(",")[2]) == data


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 5000))
def test_no_picture_is_larger_than_the_budget_nor_of_another_shape(width, height, max_pixels):
    encoded = encode_picture(make_picture(width=width, height=height), None, max_pixels)
    assert encoded.width * encoded.height <= max(max_pixels, 1) or min(encoded.width, encoded.height) == 1
    assert open_bytes(encoded.data).size == (encoded.width, encoded.height)


def test_a_region_is_cut_without_loss_and_one_outside_is_refused():
    data = make_picture()
    cut = encode_picture(data, (3.5, 2.0, 20.2, 30.0), 10_000)
    assert np.array_equal(open_bytes(cut.data), np.asarray(open_bytes(data))[2:30, 3:21])
    for box in ((100, 100, 120, 120), (5, 5, 5, 9), (9, 9, 5, 12)):
        with pytest.raises(ValueError, match="has no pixel"):
            encode_picture(data, box, 10_000)


def test_place_time_and_device_do_not_travel_and_the_picture_is_upright():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 6, "Camera 4711", {1: "N", 2: (52.0, 31.0, 7.0)}
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(buffer, "JPEG", exif=exif, comment=b"secret words")
    encoded = encode_picture(buffer.getvalue(), None, 10_000)
    assert (encoded.width, encoded.height) == (20, 40)
    assert b"Camera" not in encoded.data and b"secret" not in encoded.data
    assert not Image.open(io.BytesIO(encoded.data)).getexif()


def test_a_picture_is_read_and_encoded_once_for_all_its_questions():
    read = []

    def get(image_id):
        read.append(image_id)
        return make_picture()

    async def ask():
        pictures = Pictures(get, make_spec("http://a/v1"))
        requests = [make_request(f"{number}", image_id="a") for number in range(20)]
        return await asyncio.gather(*(pictures.addresses(request) for request in requests))

    assert len({next(iter(found.values())) for found in asyncio.run(ask())}) == 1
    assert read == ["a"]


def test_pictures_go_the_way_the_server_prefers_where_they_can(tmp_path):
    file = tmp_path / "a b.png"
    file.write_bytes(make_picture())
    outside = tmp_path.parent / f"{tmp_path.name}.png"
    outside.write_bytes(make_picture())
    files = {"in": file, "out": outside, "bytes": make_picture()}
    whole, cut = Part(image_id="in"), Part(image_id="in", box_xyxy=(0, 0, 9, 9))

    def addresses(part, **changes):
        pictures = Pictures(files.__getitem__, make_spec("http://a/v1", **changes))
        request = make_request(messages=(Message(role="user", parts=(part,)),))
        return asyncio.run(pictures.addresses(request))[part]

    assert addresses(whole, image_form="file", server="vllm") == file.resolve().as_uri()
    assert addresses(whole, image_form="file", server="transformers") == str(file.resolve())
    url = {"image_form": "url", "image_base": "http://files/photos/", "image_root": str(tmp_path)}
    assert addresses(whole, **url) == "http://files/photos/a%20b.png"
    for part, changes in ((cut, url), (Part(image_id="out"), url), (Part(image_id="bytes"), url), (whole, {})):
        assert addresses(part, **changes).startswith("data:image/png;base64,")
    assert addresses(whole, image_form="file", max_pixels=100).startswith("data:")
