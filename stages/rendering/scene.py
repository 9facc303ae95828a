"""One scene from its name: a picture, and every thing in it with its exact visible mask."""

import hashlib
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from stages.masks import BoolMask
from stages.rendering import decals
from stages.rendering.background import draw_background
from stages.rendering.config import RenderConfig
from stages.rendering.film import Camera
from stages.rendering.layout import Placed, lay_out
from stages.rendering.palette import Floats
from stages.rendering.shading import Light, paint, panel_layers

RENDERER_VERSION = 1
_LAYOUTS = 20
_SHADOW_STEPS = 7


@dataclass(frozen=True, eq=False)
class RenderedThing:
    """One thing as seen."""

    category: str
    """Singular noun."""
    colour: str
    size: str
    """small, medium or large."""
    material: str
    """metal or matte."""
    digit: int | None
    """The number it carries, in full view; None where it carries none."""
    measures: dict[str, int]
    """points of a star, pips of a die."""
    mask: BoolMask
    """``(H, W)`` visible pixels; masks of one scene are disjoint."""
    visible_fraction: float
    """Visible share of its own outline."""
    depth: float
    """Share of the picture's height above the bottom edge at which it stands; smaller is nearer."""


@dataclass(frozen=True, eq=False)
class RenderedScene:
    """A picture ``(H, W, 3)`` uint8 RGB and its things, farthest first."""

    image: NDArray[np.uint8]
    things: tuple[RenderedThing, ...]


def render_scene(name: str, config: RenderConfig) -> RenderedScene:
    """Returns the scene of that name; the same name and config give the same bytes.

    Raises:
        RuntimeError: no layout with the least number of things was found.
    """
    rng = random.Random(name)
    noise = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    camera = Camera(rng.uniform(26, 34))
    light = _draw_light(rng)
    for _ in range(_LAYOUTS):
        placed = lay_out(rng, camera, config)
        if len(placed) >= config.min_things:
            picture = _compose(placed, camera, light, draw_background(noise, config.height, config.width))
            grain = noise.normal(0, 0.006, picture.shape).astype(np.float32)
            shown = np.clip(picture * np.float32(rng.uniform(0.96, 1.04)) + grain, 0, 1)
            return RenderedScene((shown * 255 + 0.5).astype(np.uint8), tuple(_seen(thing, config) for thing in placed))
    raise RuntimeError(f"scene {name!r}: no room for {config.min_things} things in {_LAYOUTS} layouts")


def _seen(thing: Placed, config: RenderConfig) -> RenderedThing:
    look = thing.look
    return RenderedThing(
        category=look.category,
        colour=look.colour,
        size=look.size,
        material=look.material,
        digit=look.digit,
        measures=dict(look.measures),
        mask=thing.visible,
        visible_fraction=float(np.count_nonzero(thing.visible) / np.count_nonzero(thing.solid)),
        depth=1.0 - thing.y / config.height,
    )


def _draw_light(rng: random.Random) -> Light:
    direction = np.array([rng.uniform(-0.75, 0.75), 0.8, rng.uniform(0.4, 0.75)], dtype=np.float32)
    warmth = rng.uniform(-0.05, 0.08)
    key = np.array([1.0 + warmth, 0.97, 0.92 - warmth], dtype=np.float32) * np.float32(rng.uniform(0.82, 0.98))
    sky = np.array([0.40, 0.42, 0.46], dtype=np.float32) * np.float32(rng.uniform(0.9, 1.1))
    bounce = np.array([0.20, 0.185, 0.17], dtype=np.float32)
    return Light((direction / np.linalg.norm(direction)).astype(np.float32), key, sky, bounce)


def _compose(placed: list[Placed], camera: Camera, light: Light, ground: Floats) -> Floats:
    shadow = _shadows(placed, camera, light, (ground.shape[0], ground.shape[1]))
    canvas = ground * (1 - shadow[..., None] * np.array([0.62, 0.6, 0.56], dtype=np.float32))
    for thing in placed:
        sprite = thing.sprite
        height, width = sprite.coverage.shape
        top, left = thing.y + sprite.top, thing.x + sprite.left
        window = canvas[top : top + height, left : left + width]
        colour = paint(sprite, thing.look.colour, thing.look.material, _decal(thing), light)
        window *= 1 - sprite.coverage[..., None]
        window += colour
    return canvas.astype(np.float32)


def _decal(thing: Placed) -> Floats | None:
    if thing.look.digit is not None:
        return panel_layers(thing.sprite, decals.digit_texture(thing.look.digit))
    if "pips" in thing.look.measures:
        return panel_layers(thing.sprite, decals.pips_texture(thing.look.measures["pips"]))
    return None


def _shadows(placed: list[Placed], camera: Camera, light: Light, size: tuple[int, int]) -> Floats:
    """Returns ``(H, W)`` the share of light the ground loses: a soft cast shadow and a dark one at the contact."""
    height, width = size
    cast, contact = (Image.new("L", (width, height), 0) for _ in range(2))
    pens = ImageDraw.Draw(cast), ImageDraw.Draw(contact)
    lx, ly, lz = (float(value) for value in light.direction)
    for thing in placed:
        unit = thing.sprite.pixels_per_unit
        radius = thing.sprite.model.footprint * unit
        tall = -thing.sprite.top / np.cos(np.radians(camera.elevation_degrees)) * 0.8
        reach_x, reach_y = -lx / ly * tall, -lz / ly * tall * camera.foreshortening
        for step in range(_SHADOW_STEPS, -1, -1):
            share = step / _SHADOW_STEPS
            at = thing.x + reach_x * share, thing.y + reach_y * share
            _ellipse(pens[0], at, radius * (0.92 - 0.35 * share), camera, round(150 * (1 - 0.45 * share)))
        _ellipse(pens[1], (thing.x, thing.y), radius * 0.95, camera, 150)
    soft = np.asarray(cast.filter(ImageFilter.GaussianBlur(width / 70)), dtype=np.float32) / 255
    tight = np.asarray(contact.filter(ImageFilter.GaussianBlur(width / 190)), dtype=np.float32) / 255
    return np.maximum(soft, 0.75 * tight + 0.35 * soft).astype(np.float32)


def _ellipse(pen: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, camera: Camera, strength: int) -> None:
    flat = radius * camera.foreshortening
    pen.ellipse((at[0] - radius, at[1] - flat, at[0] + radius, at[1] + flat), fill=strength)
