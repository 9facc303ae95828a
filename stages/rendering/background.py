"""Grounds and walls in quiet colours, so that things stand out: seven families, each drawn from a generator."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.rendering.palette import Floats

Generator = np.random.Generator

_TONES = np.array(
    [
        (0.72, 0.68, 0.62),
        (0.64, 0.66, 0.66),
        (0.58, 0.62, 0.66),
        (0.70, 0.66, 0.66),
        (0.62, 0.65, 0.58),
        (0.76, 0.73, 0.68),
        (0.56, 0.55, 0.56),
        (0.66, 0.61, 0.54),
        (0.60, 0.66, 0.68),
    ],
    dtype=np.float32,
)
"""Display rgb: muted and of middle lightness, so that neither black nor white things drown in them."""


def draw_background(rng: Generator, height: int, width: int) -> Floats:
    """Returns ``(H, W, 3)`` display values 0..1."""
    family = _FAMILIES[int(rng.integers(len(_FAMILIES)))]
    picture = family(rng, height, width) * _vignette(rng, height, width)[..., None]
    return np.clip(picture, 0, 1).astype(np.float32)


def _tone(rng: Generator) -> Floats:
    shift = rng.uniform(-0.04, 0.04, 3) * 0.6 + rng.uniform(-0.05, 0.05)
    return (_TONES[int(rng.integers(len(_TONES)))] + shift).astype(np.float32)


def _rows(height: int) -> Floats:
    return np.linspace(0, 1, height, dtype=np.float32)[:, None]


def _noise(rng: Generator, size: tuple[int, int], cells: tuple[int, int]) -> Floats:
    """Returns smooth noise ``(H, W)`` of mean about 0 and reach about 1, with that many cells along each axis."""
    grid = rng.uniform(-1, 1, (cells[0] + 2, cells[1] + 2)).astype(np.float32)
    image = Image.fromarray(grid).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def _ground(rng: Generator, height: int, width: int, tone: Floats) -> Floats:
    """A surface that grows lighter towards the viewer."""
    light = 0.94 + 0.1 * _rows(height) + 0.02 * _noise(rng, (height, width), (3, 4))
    return (tone * light[..., None]).astype(np.float32)


def _sweep(rng: Generator, height: int, width: int) -> Floats:
    tone = _tone(rng)
    bend = 1 / (1 + np.exp(-(_rows(height) - rng.uniform(0.2, 0.32)) * 14))
    shade = (0.9 + 0.1 * bend) * np.ones((1, width), dtype=np.float32)
    return (tone * shade[..., None]).astype(np.float32)


def _table(rng: Generator, height: int, width: int) -> Floats:
    wall, top = _tone(rng) * np.float32(rng.uniform(0.8, 1.02)), _ground(rng, height, width, _tone(rng))
    line = rng.uniform(0.16, 0.26)
    share = np.clip((_rows(height) - line) * height / 2, 0, 1)[..., None]
    lit = 1.0 - 0.1 * np.abs(np.linspace(-1, 1, width, dtype=np.float32) - rng.uniform(-0.6, 0.6))[None, :, None]
    return (wall * lit * (1 - share) + top * share).astype(np.float32)


def _planks(rng: Generator, height: int, width: int) -> Floats:
    tone = np.array([0.68, 0.60, 0.51], dtype=np.float32) * np.float32(rng.uniform(0.85, 1.08))
    surface = _ground(rng, height, width, tone)
    grain = 0.035 * _noise(rng, (height, width), (90, 3)) + 0.02 * _noise(rng, (height, width), (24, 6))
    edges = np.cumsum(np.linspace(0.06, 0.16, 12) * rng.uniform(0.85, 1.3))
    rows = _rows(height)[:, 0]
    plank = np.searchsorted(edges, rows)
    tint = rng.uniform(-0.035, 0.035, edges.size + 1).astype(np.float32)[plank]
    gap = np.abs(rows[:, None] - edges[None, :]).min(axis=1) < 1.1 / height
    shade = 1 + grain + tint[:, None] - 0.16 * gap[:, None]
    return (surface * shade[..., None]).astype(np.float32)


def _tiles(rng: Generator, height: int, width: int) -> Floats:
    surface = _ground(rng, height, width, _tone(rng))
    depth = 1.0 / (0.45 + _rows(height))
    across = (np.linspace(-1, 1, width, dtype=np.float32)[None, :] * (0.6 + 0.55 * depth)) * rng.uniform(2.6, 4.2)
    along = depth * rng.uniform(3.2, 5.0) + rng.uniform(0, 1)
    u, v = across + rng.uniform(0, 1), along * np.ones((1, width), dtype=np.float32)
    seam = (np.abs(u - np.round(u)) < 0.018) | (np.abs(v - np.round(v)) < 0.022)
    cell = (np.floor(u + 0.5) * 7 + np.floor(v + 0.5) * 13).astype(np.int64) % 11
    tint = rng.uniform(-0.025, 0.025, 11).astype(np.float32)[cell]
    return (surface * (1 + tint - 0.09 * seam)[..., None]).astype(np.float32)


def _cloth(rng: Generator, height: int, width: int) -> Floats:
    surface = _ground(rng, height, width, _tone(rng))
    pitch = rng.uniform(26, 48)
    stripes = [np.arange(n, dtype=np.float32) % pitch < pitch / 2 for n in (height, width)]
    check = (stripes[0][:, None].astype(np.float32) + stripes[1][None, :].astype(np.float32)) / 2
    weave = 0.012 * rng.standard_normal((height, width)).astype(np.float32)
    folds = 0.03 * _noise(rng, (height, width), (2, 5))
    return (surface * (0.97 + 0.07 * check + weave + folds)[..., None]).astype(np.float32)


def _paper(rng: Generator, height: int, width: int) -> Floats:
    surface = _ground(rng, height, width, _tone(rng))
    fibre = 0.016 * rng.standard_normal((height, width)) + 0.02 * _noise(rng, (height, width), (40, 50))
    return (surface * (1 + fibre.astype(np.float32))[..., None]).astype(np.float32)


def _cloudy(rng: Generator, height: int, width: int) -> Floats:
    first, second = _tone(rng), _tone(rng)
    mix = np.clip(0.5 + 0.5 * _noise(rng, (height, width), (2, 3)) + 0.12 * _noise(rng, (height, width), (9, 12)), 0, 1)
    return (first * (1 - mix[..., None]) + second * mix[..., None]).astype(np.float32)


_FAMILIES: tuple[Callable[[Generator, int, int], Floats], ...] = (
    _sweep,
    _table,
    _planks,
    _tiles,
    _cloth,
    _paper,
    _cloudy,
)


def _vignette(rng: Generator, height: int, width: int) -> NDArray[np.float32]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    fade = 1 - rng.uniform(0.05, 0.14) * (x * x + y * y) / 2
    return (fade * rng.uniform(0.95, 1.05)).astype(np.float32)
