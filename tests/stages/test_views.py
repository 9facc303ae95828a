import numpy as np
import pytest

from stages.rendering.config import RenderConfig
from stages.rendering.scene import render_scene
from stages.segmenters.domain import distance_of, is_rendered, open_domain
from stages.views import UNFRAMED, VIEWS, view_of
from tests.makers import draw_boxes


@pytest.fixture(scope="module")
def picture():
    return render_scene("views:1", RenderConfig()).image


@pytest.mark.parametrize("name", VIEWS)
def test_a_mask_comes_back_to_its_place(name, picture):
    mask = draw_boxes((100, 60, 200, 160), width=512, height=384)
    marked = picture.copy()
    marked[mask] = (255, 0, 255)
    view = view_of(name, marked)
    purple = (view.pixels[..., 0] > 180) & (view.pixels[..., 1] < 90) & (view.pixels[..., 2] > 180)
    back = view.back(purple)
    assert back.shape == mask.shape
    assert np.count_nonzero(back & mask) / np.count_nonzero(back | mask) > 0.97


@pytest.mark.parametrize("name", UNFRAMED)
def test_a_rendered_scene_is_one_in_every_view(name, picture):
    assert is_rendered(picture) and is_rendered(view_of(name, picture).pixels)


def test_an_unknown_view_is_named():
    with pytest.raises(ValueError, match="unknown view 'upside'"):
        view_of("upside", np.zeros((4, 4, 3), np.uint8))


def test_noise_and_flat_pictures_are_no_rendered_scenes():
    rng = np.random.default_rng(0)
    assert not is_rendered(rng.integers(0, 255, (300, 400, 3), dtype=np.uint8))
    assert not is_rendered(np.zeros((300, 400, 3), dtype=np.uint8))
    assert distance_of(np.full((64, 64, 3), 200, np.uint8), open_domain()) > open_domain().limit
