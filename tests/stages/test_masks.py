"""Masks, polygons and spans: identities, and agreement with the reference implementation of COCO."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as reference

from schemas.instance import SPAN_GRID
from schemas.mask import Rle
from stages.masks import box_xyxy_of, centroid_xy_of, counts_to_runs, mask_to_rle, rle_to_mask
from stages.polygons import polygons_to_mask
from stages.spans import spans_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the reference
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(MASKS)
def test_a_mask_survives_encoding(mask):
    assert (rle_to_mask(mask_to_rle(mask)) == mask).all()


@given(MASKS)
def test_the_encoding_is_the_reference_implementation_s_byte_for_byte(mask):
    expected = reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert mask_to_rle(mask).counts == expected


@given(st.text(max_size=30), st.integers(0, 9), st.integers(0, 9))
def test_any_string_is_a_mask_or_a_value_error(counts, height, width):
    try:
        mask = rle_to_mask(Rle(height=height, width=width, counts=counts))
    except ValueError:
        return
    assert mask.shape == (height, width)


def test_runs_that_do_not_fill_the_picture_are_an_error():
    with pytest.raises(ValueError, match="the mask has 4x4"):
        rle_to_mask(Rle(height=4, width=4, counts=mask_to_rle(np.ones((3, 3), bool)).counts))
    with pytest.raises(ValueError, match="ends inside a number"):
        counts_to_runs("o")


@given(MASKS.filter(lambda mask: mask.any()))
def test_box_and_centroid_are_those_of_the_pixels(mask):
    rows, columns = np.nonzero(mask)
    assert box_xyxy_of(mask) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert centroid_xy_of(mask) == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5))


def test_an_empty_mask_has_no_centroid_and_an_empty_box():
    assert box_xyxy_of(np.zeros((3, 3), bool)) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="no centroid"):
        centroid_xy_of(np.zeros((3, 3), bool))


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 50)), min_size=3, max_size=9))
def test_polygons_are_filled_as_the_reference_fills_them(points):
    flat = [value for point in points for value in point]
    expected = reference.decode(reference.merge(reference.frPyObjects([flat], 50, 60))).astype(bool)
    found = polygons_to_mask([flat], 50, 60)
    assert np.count_nonzero(found ^ expected) <= max(4, 0.05 * expected.sum())


@given(MASKS.filter(lambda mask: mask.any()))
def test_spans_are_sorted_inside_the_grid_and_never_empty(mask):
    spans = spans_of(mask, 0.3)
    assert spans and list(spans) == sorted(spans, key=lambda span: (span.y, span.x0))
    assert all(0 <= span.y < SPAN_GRID and 0 <= span.x0 < span.x1 <= SPAN_GRID for span in spans)
