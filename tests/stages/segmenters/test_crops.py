import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.segmenters.crops import ABSENT, SIDE, cut_crops, read_heads, read_size

CARD = {
    "crops": {
        "heads": {"digit": {"values": [ABSENT, "0", "1"], "temperature": 2.0}},
        "size": {
            "proportions": {"book": [0.8, 1.2, 0.96**0.5]},
            "scales": {"small": 0.12, "medium": 0.19, "large": 0.3},
            "perspective": 0.0,
            "level": 0.65,
            "sharpness": 12.0,
        },
    }
}


def picture_with(left, top, width=20, height=30, shape=(120, 160)):
    rng = np.random.default_rng(0)
    picture = np.full((*shape, 3), 90, dtype=np.uint8)
    mask = np.zeros(shape, dtype=np.bool_)
    mask[top : top + height, left : left + width] = True
    picture[mask] = rng.integers(0, 255, (height * width, 3))
    return picture, mask


@given(st.integers(10, 110), st.integers(10, 70))
def test_a_crop_does_not_depend_on_where_the_thing_stands(left, top):
    (here, own), (there, other) = picture_with(left, top), picture_with(60, 40)
    assert np.array_equal(cut_crops(here, [own]), cut_crops(there, [other]))


def test_a_crop_is_colours_and_a_share():
    picture, mask = picture_with(50, 40)
    crops = cut_crops(picture, [mask, mask])
    assert crops.shape == (2, 4, SIDE, SIDE)
    assert crops.dtype == np.float32
    assert crops[:, 3].min() == 0
    assert crops[:, 3].max() == 1
    assert crops[0, :3].max() > 200


def test_a_thing_at_the_border_is_cut_with_grey_beyond():
    picture, mask = picture_with(0, 0)
    crop = cut_crops(picture, [mask])[0]
    assert (crop[:3, :, 0] == 128).all()
    assert (crop[3, :, 0] == 0).all()


@pytest.mark.parametrize("mask", [np.zeros((120, 160), np.bool_), np.ones((160, 120), np.bool_)])
def test_an_empty_mask_and_one_of_another_picture_are_refused(mask):
    with pytest.raises(ValueError, match="for a picture of"):
        cut_crops(np.zeros((120, 160, 3), np.uint8), [mask])


def test_no_masks_give_no_crops():
    assert cut_crops(np.zeros((120, 160, 3), np.uint8), []).shape == (0, 4, SIDE, SIDE)


def test_confidence_is_the_probability_at_the_heads_temperature():
    row = read_heads({"digit": np.array([[0.0, 4.0, 0.0]], dtype=np.float32)}, CARD)[0]["digit"]
    assert row.value == "0"
    assert row.confidence == pytest.approx(np.exp(2) / (np.exp(2) + 2))


def sized(scale, hidden=0.0):
    mask = np.zeros((400, 400), dtype=np.bool_)
    height, width = round(1.2 * scale * 400), round(0.8 * scale * 400)
    mask[200 : 200 + height, 100 : 100 + round(width * (1 - hidden))] = True
    return mask


@pytest.mark.parametrize(("scale", "name"), [(0.12, "small"), (0.19, "medium"), (0.3, "large")])
def test_a_size_is_read_also_when_a_third_of_the_width_is_hidden(scale, name):
    assert read_size("book", sized(scale), CARD).value == name
    assert read_size("book", sized(scale, hidden=0.33), CARD).value == name


def test_a_stray_pixel_changes_no_size():
    ragged = sized(0.12)
    before = read_size("book", ragged, CARD)
    ragged[5, 390] = ragged[395, 3] = True
    assert read_size("book", ragged, CARD).confidence == pytest.approx(before.confidence, abs=0.02)


def test_between_two_sizes_nothing_is_sure():
    middle = read_size("book", sized((0.12 * 0.19) ** 0.5), CARD)
    assert middle.confidence == pytest.approx(0.5, abs=0.05)
    assert read_size("book", sized(0.12), CARD).confidence > 0.95


def test_an_unknown_category_has_no_size():
    assert read_size("sofa", sized(0.2), CARD) is None
