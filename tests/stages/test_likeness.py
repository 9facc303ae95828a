"""Copies are found whatever was done to them; different pictures are never taken for copies."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stages.alike
from stages.alike import find_alike
from stages.likeness import FORMS, SIDE, spans, thumbnail_of, turned
from stages.prints import correlation, regions_of, turned_details, wholes_of
from tests.copies import COPIES

PHOTOS = Path(__file__).parents[3] / "shared/coco/images"
KNOWN_COPIES = 1
"""Two of the photos are one picture, slightly cropped."""


def draw(seed: int, count: int = 24) -> PIL.Image.Image:
    """Returns a 320x240 picture: discs and bars of many sizes over a gradient."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:240, 0:320]
    pixels = np.repeat((60 + x / 3 + y / 4)[:, :, None], 3, axis=2)
    for _ in range(count):
        cx, cy, size = generator.integers(0, 320), generator.integers(0, 240), generator.integers(8, 48)
        inside = (abs(x - cx) < size) & (abs(y - cy) < size // 2) if generator.random() < 0.5 else (
            np.hypot(x - cx, y - cy) < size
        )  # fmt: skip
        pixels[inside] = generator.integers(0, 255, 3)
    return PIL.Image.fromarray(pixels.astype(np.uint8))


def thumbnails(pictures):
    return np.stack([thumbnail_of(np.asarray(picture)) for picture in pictures])


@pytest.fixture(scope="module")
def drawn():
    return [draw(seed) for seed in range(40)]


def found(pictures, copies):
    """Returns for each copy whether it was found to be its picture, and how many wrong pairs there were."""
    pairs = {
        (pair.first, pair.second - len(pictures))
        for pair in find_alike(thumbnails([*pictures, *copies]), len(pictures))
    }
    return [(number, number) in pairs for number in range(len(copies))], len(
        [pair for pair in pairs if pair[0] != pair[1]]
    )


@pytest.mark.parametrize("name", COPIES)
def test_every_copy_of_a_drawn_picture_is_found(drawn, name):
    hits, wrong = found(drawn, [COPIES[name](picture) for picture in drawn[:12]])
    assert all(hits) and wrong == 0


def test_different_pictures_are_not_alike(drawn):
    assert find_alike(thumbnails(drawn)) == []


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not here")
def test_copies_of_photos_are_found_and_nothing_else():
    photos = [PIL.Image.open(path).convert("RGB") for path in sorted(PHOTOS.iterdir())]
    assert len(find_alike(thumbnails(photos))) == KNOWN_COPIES
    changed = [COPIES[name](photos[number]) for number, name in enumerate(COPIES)]
    hits, wrong = found(photos, changed)
    assert all(hits), [name for name, hit in zip(COPIES, hits, strict=True) if not hit]
    assert wrong <= 2 * KNOWN_COPIES


def test_tables_find_what_comparing_everything_finds(drawn, monkeypatch):
    pictures = thumbnails([*drawn, *(COPIES["cropped 20%"](picture) for picture in drawn[:20])])
    every = find_alike(pictures)
    monkeypatch.setattr(stages.alike, "_FEW", 0)
    assert [(pair.first, pair.second) for pair in find_alike(pictures)] == [(pair.first, pair.second) for pair in every]
    assert len(every) == 20


def test_empty_pictures_are_like_nothing():
    flat = [PIL.Image.new("RGB", (100, 80), (value, value, value)) for value in (0, 128, 255, 128)]
    assert find_alike(thumbnails(flat)) == []
    assert find_alike(np.zeros((0, SIDE, SIDE), dtype=np.uint8)) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 7))
def test_a_turned_picture_looks_as_its_form_says(seed, form):
    picture = np.random.default_rng(seed).integers(0, 256, (1, SIDE, SIDE), dtype=np.uint8)
    whole = regions_of(turned(picture[0], form)[None])
    forms = wholes_of(picture)
    assert np.bitwise_count(forms.prints[0, form] ^ whole.prints[0, 0]) <= 1
    assert correlation(turned_details(forms.details[0, :1], form), whole.details[0, :1])[0] > 0.98


def test_regions_cover_what_a_copy_may_have_been_cut_from():
    assert spans()[0] == (0, 1) and wholes_of(np.zeros((1, SIDE, SIDE), np.uint8)).prints.shape == (1, FORMS)
    for start in np.linspace(0, 0.3, 13):
        for end in np.linspace(max(start + 0.7, 0.7), 1, 7):
            assert min(max(abs(span.start - start), abs(span.end - end)) for span in spans()) <= 0.06
