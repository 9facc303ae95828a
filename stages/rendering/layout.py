"""Which things a scene has and where they stand: nothing cut off, nothing hidden, numbers in full view.

A thing stands at its support point ``(x, y)`` in pixels. Nearer means lower in the picture; a thing farther down covers
one farther up. A position is taken only if every thing keeps its visible share, and panels and stars stay whole.
"""

import random
from dataclasses import dataclass, field, replace

import numpy as np

from stages.masks import BoolMask
from stages.rendering.catalogue import CATEGORIES
from stages.rendering.config import RenderConfig
from stages.rendering.film import Camera
from stages.rendering.palette import COLOURS, MATERIALS, SIZE_PIXELS, SIZES, Material, Size
from stages.rendering.sprite import Sprite, rasterise

_BORDER = 4
_TRIES = 40
_HORIZON = 0.34
"""Highest support point, share of the picture's height."""
_PERSPECTIVE = 0.14
"""Change of scale from the top of the picture to its bottom: weak, so that sizes stay apart."""
_DIGIT_SHARE = 0.55
_SIZE_WEIGHTS = {False: (0.34, 0.38, 0.28), True: (0.46, 0.4, 0.14)}
"""Weights of small, medium, large; the second where many things must find room."""
_MANY = 8


@dataclass(frozen=True)
class Look:
    """What one thing is, before it has a place."""

    category: str
    colour: str
    size: Size
    material: Material
    digit: int | None
    measures: dict[str, int]
    yaw: float
    """Radians."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A thing in the picture."""

    look: Look
    sprite: Sprite
    x: int
    """Column of the support point's pixel."""
    y: int
    """Row of the support point's pixel."""
    solid: BoolMask = field(repr=False)
    """``(H, W)`` outline when nothing stands before it."""
    visible: BoolMask = field(repr=False)
    """``(H, W)`` what remains of it."""


def lay_out(rng: random.Random, camera: Camera, config: RenderConfig) -> list[Placed]:
    """Returns the things of one scene, farthest first; fewer than wanted where there is no room."""
    wanted = rng.randint(config.min_things, config.max_things)
    looks = draw_looks(rng, wanted)
    placed: list[Placed] = []
    for look in looks:
        placed = _place(rng, placed, look, camera, config) or placed
    return sorted(placed, key=lambda thing: (thing.y, thing.x))


def draw_looks(rng: random.Random, count: int) -> list[Look]:
    """Returns that many looks over few categories and colours, so that descriptions have several members."""
    names = rng.sample(sorted(CATEGORIES), rng.choices((2, 3, 4, 5), (3, 4, 3, 1))[0])
    colours = rng.sample(sorted(COLOURS), rng.choices((2, 3, 4, 5), (2, 4, 3, 1))[0])
    weights = _SIZE_WEIGHTS[count > _MANY]
    looks = []
    for _ in range(count):
        category = CATEGORIES[rng.choice(names)]
        low, high = category.yaw_degrees
        measures = {category.measure: _draw_measure(rng, category.measure)} if category.measure else {}
        looks.append(
            Look(
                category=category.name,
                colour=rng.choice(colours),
                size=rng.choices(SIZES, weights)[0],
                material=rng.choice(MATERIALS) if category.can_be_metal else "matte",
                digit=rng.randint(0, 9) if category.carries_digit and rng.random() < _DIGIT_SHARE else None,
                measures=measures,
                yaw=float(np.radians(rng.uniform(low, high))),
            )
        )
    return looks


def _draw_measure(rng: random.Random, name: str) -> int:
    return rng.randint(4, 8) if name == "points" else rng.randint(1, 6)


def _place(
    rng: random.Random, placed: list[Placed], look: Look, camera: Camera, config: RenderConfig
) -> list[Placed] | None:
    """Returns the things with one more, None where it found no room."""
    model = CATEGORIES[look.category].build(look.yaw, look.measures.get("points", 5))
    unit = SIZE_PIXELS[look.size] * config.height / 384
    sprite = rasterise(model, camera, unit, config.oversampling)
    for _ in range(_TRIES):
        at = (
            rng.randint(0, config.width - 1),
            rng.randint(round(_HORIZON * config.height), config.height - _BORDER),
        )
        scale = 1 + _PERSPECTIVE * (at[1] / config.height - 0.65)
        if not _fits(sprite, at, scale, config) or not _has_ground(placed, sprite, at, camera):
            continue
        if _add(placed, look, sprite, at, config) is None:
            continue  # already too much is hidden at the mean scale
        sized = rasterise(model, camera, unit * scale, config.oversampling)
        together = _add(placed, look, sized, at, config)
        if together is not None:
            return together
    return None


def _add(
    placed: list[Placed], look: Look, sprite: Sprite, at: tuple[int, int], config: RenderConfig
) -> list[Placed] | None:
    """Returns the things with one more, None where it is cut off or something is hidden that must be seen."""
    if not _fits(sprite, at, 1.0, config):
        return None
    solid = _in_frame(sprite.solid, sprite, at, config)
    together = _occlude([*placed, Placed(look, sprite, at[0], at[1], solid, solid)])
    return together if all(_is_seen(thing, config) for thing in together) else None


def _fits(sprite: Sprite, at: tuple[int, int], scale: float, config: RenderConfig) -> bool:
    height, width = sprite.coverage.shape
    left, top = at[0] + sprite.left * scale, at[1] + sprite.top * scale
    inside_x = left >= _BORDER and left + width * scale <= config.width - _BORDER
    return inside_x and top >= _BORDER and top + height * scale <= config.height - _BORDER


def _has_ground(placed: list[Placed], sprite: Sprite, at: tuple[int, int], camera: Camera) -> bool:
    """Whether the footprint keeps clear of the others', on the ground."""
    own = sprite.model.footprint * sprite.pixels_per_unit
    for thing in placed:
        reach = own + thing.sprite.model.footprint * thing.sprite.pixels_per_unit
        dx, dy = at[0] - thing.x, (at[1] - thing.y) / camera.foreshortening
        if dx * dx + dy * dy < reach * reach:
            return False
    return True


def _in_frame(window: BoolMask, sprite: Sprite, at: tuple[int, int], config: RenderConfig) -> BoolMask:
    """Returns a window mask in the whole picture; the window lies inside it."""
    frame = np.zeros((config.height, config.width), dtype=np.bool_)
    height, width = window.shape
    top, left = at[1] + sprite.top, at[0] + sprite.left
    frame[top : top + height, left : left + width] = window
    return frame


def _occlude(things: list[Placed]) -> list[Placed]:
    """Returns the things with what remains visible of each: lower in the picture is nearer."""
    order = sorted(things, key=lambda thing: (thing.y, thing.x), reverse=True)
    covered = np.zeros_like(order[0].solid)
    seen: dict[int, BoolMask] = {}
    for thing in order:
        seen[id(thing)] = thing.solid & ~covered
        covered = covered | thing.solid
    return [replace(thing, visible=seen[id(thing)]) for thing in things]


def _is_seen(thing: Placed, config: RenderConfig) -> bool:
    share = np.count_nonzero(thing.visible) / np.count_nonzero(thing.solid)
    if "points" in thing.look.measures:
        return share == 1.0
    if share < config.min_visible:
        return False
    if thing.look.digit is None and not thing.look.measures:
        return True
    panel = _in_frame(thing.sprite.panel_pixels, thing.sprite, (thing.x, thing.y), config)
    return not (panel & ~thing.visible).any()
