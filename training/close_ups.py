"""Single things drawn by the renderer, for what scenes show too seldom: digits, points and pips in equal numbers."""

import random

import numpy as np

from stages.rendering.background import draw_background
from stages.rendering.catalogue import CATEGORIES, MEASURES
from stages.rendering.film import Camera
from stages.rendering.layout import Look, Placed
from stages.rendering.palette import COLOURS, MATERIALS, SIZE_PIXELS, SIZES
from stages.rendering.scene import _compose, _draw_light
from stages.rendering.sprite import rasterise
from training.pool import PoolScene

_SIDE = 224
"""Pixels of the picture, which shows one thing and sometimes another behind it."""
_READABLE = tuple(sorted(name for name, one in CATEGORIES.items() if one.carries_digit or one.measure))


def draw_close_up(name: str) -> PoolScene:
    """Returns a small picture of one thing that shows a number; what stands behind it counts as ground."""
    rng = random.Random(name)
    noise = np.random.default_rng(rng.getrandbits(63))
    camera, light = Camera(rng.uniform(26, 34)), _draw_light(rng)
    x, y = _SIDE // 2 + rng.randint(-20, 20), int(_SIDE * 0.85) + rng.randint(-12, 12)
    look = _draw_look(rng, rng.choice(_READABLE))
    things = [_place(rng, camera, look, x, y)]
    if rng.random() < 0.4:
        other = _draw_look(rng, rng.choice(sorted(CATEGORIES)))
        things.insert(0, _place(rng, camera, other, x + rng.randint(-70, 70), y - rng.randint(15, 50)))
    wide = draw_background(noise, 2 * _SIDE, 2 * _SIDE)
    top, left = (rng.randint(0, _SIDE) for _ in range(2))
    things = [thing for thing in things if _inside(thing)]
    picture = _compose(things, camera, light, wide[top : top + _SIDE, left : left + _SIDE])
    grain = noise.normal(0, 0.006, picture.shape).astype(np.float32)
    shown = np.clip(picture * np.float32(rng.uniform(0.96, 1.04)) + grain, 0, 1)
    ids = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
    if things and things[-1].look is look:
        sprite = things[-1].sprite
        height, width = sprite.solid.shape
        ids[y + sprite.top : y + sprite.top + height, x + sprite.left : x + sprite.left + width] = sprite.solid
    facts = {"category": look.category, "colour": look.colour, "size": look.size, "material": look.material}
    facts |= {"digit": look.digit, "visible_fraction": 1.0}
    facts |= {measure: look.measures.get(measure) for measure in MEASURES}
    return PoolScene((shown * 255 + 0.5).astype(np.uint8), ids, [facts] if ids.any() else [])


def _draw_look(rng: random.Random, name: str) -> Look:
    category = CATEGORIES[name]
    values = {category.measure: rng.choice(MEASURES[category.measure])} if category.measure else {}
    return Look(
        category=name,
        colour=rng.choice(sorted(COLOURS)),
        size=rng.choice(SIZES),
        material=rng.choice(MATERIALS) if category.can_be_metal else "matte",
        digit=rng.randint(0, 9) if category.carries_digit else None,
        measures=values,
        yaw=float(np.radians(rng.uniform(*category.yaw_degrees))),
    )


def _place(rng: random.Random, camera: Camera, look: Look, x: int, y: int) -> Placed:
    model = CATEGORIES[look.category].build(look.yaw, look.measures.get("points", 5))
    sprite = rasterise(model, camera, SIZE_PIXELS[look.size] * rng.uniform(0.93, 1.06), 2)
    return Placed(look, sprite, x, y, sprite.solid, sprite.solid)


def _inside(thing: Placed) -> bool:
    height, width = thing.sprite.coverage.shape
    left, top = thing.x + thing.sprite.left, thing.y + thing.sprite.top
    return left >= 0 and top >= 0 and left + width <= _SIDE and top + height <= _SIDE
