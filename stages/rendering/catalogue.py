"""The one table of categories: what each looks like and what it may carry.

A builder takes the yaw (radians, about the vertical) and the number of points of a star, and returns a unit model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import cos, pi

from stages.rendering.film import Part
from stages.rendering.flat import Slab, heart_field, pennant_field, star_field
from stages.rendering.lathe import Lathe, arc, curve
from stages.rendering.models import Model, panel_at, place, stretch, turn, turned
from stages.rendering.solids import Sphere, cuboid, pyramid, rounded_cube

Builder = Callable[[float, int], Model]


@dataclass(frozen=True)
class Category:
    """One kind of thing."""

    name: str
    """Singular noun."""
    build: Builder
    yaw_degrees: tuple[float, float] = (0.0, 0.0)
    """Range of turns that keep it recognisable, either way."""
    carries_digit: bool = False
    measure: str | None = None
    """Name of the number it shows: points or pips."""
    can_be_metal: bool = False
    """Whether its roundness shows at a glance that it is metal; flat things never look it."""


def _pedestal(radius: float) -> Part:
    profile = [(radius, 0.0), *arc((radius - 0.03, 0.06), 0.03, (0, 90), 3), (0.0, 0.09)]
    return place(Lathe(profile, "wood"))


def _ball(yaw: float, points: int) -> Model:
    panel = panel_at((0, 0.5, 0), 0.33, tilt_degrees=22)
    return Model((place(Sphere(), (0, 0.5, 0), stretch(0.5, 0.5, 0.5)),), 0.4, panel)


def _box(yaw: float, points: int) -> Model:
    body = place(cuboid((0.94, 0.66, 0.78), bevel=0.03))
    lid = place(cuboid((1.02, 0.17, 0.86), bevel=0.04), (0, 0.64, 0))
    return Model(turned((body, lid), yaw), 0.66, panel_at((0, 0.32, 0.39), 0.285, yaw))


def _can(yaw: float, points: int) -> Model:
    profile = [
        (0.28, 0),
        (0.34, 0.06),
        (0.34, 0.86),
        (0.27, 0.97),
        (0.29, 0.985),
        (0.29, 1.01),
        (0.25, 1.01),
        (0.24, 0.97),
        (0, 0.97),
    ]
    tints = ["steel", "body", "body", "steel", "steel", "steel", "steel", "steel"]
    tab = place(cuboid((0.16, 0.02, 0.09), "dark", 0.0), (0.03, 0.97, 0.05))
    return Model((place(Lathe(profile, tints)), tab), 0.36, panel_at((0, 0.47, 0.34), 0.265))


def _cone(yaw: float, points: int) -> Model:
    plate = place(cuboid((0.84, 0.08, 0.84), bevel=0.03))
    profile = [
        (0.33, 0.08),
        (0.235, 0.42),
        (0.15, 0.72),
        (0.065, 1.02),
        *arc((0.03, 1.02), 0.035, (15, 90), 3),
        (0, 1.055),
    ]
    tints = ["body", "mark"] + ["body"] * (len(profile) - 3)
    return Model((*turned((plate,), yaw), place(Lathe(profile, tints))), 0.56)


def _bottle(yaw: float, points: int) -> Model:
    body = [
        (0.24, 0),
        (0.28, 0.04),
        (0.28, 0.1),
        (0.28, 0.6),
        *curve([(0.28, 0.62), (0.25, 0.74), (0.11, 0.9), (0.095, 1.06)], 4),
        (0.125, 1.06),
        (0.125, 1.12),
        (0.09, 1.12),
    ]
    cork = [(0.075, 1.12), (0.085, 1.23), (0, 1.23)]
    return Model((place(Lathe(body)), place(Lathe(cork, "wood"))), 0.31, panel_at((0, 0.36, 0.28), 0.235))


def _mug(yaw: float, points: int) -> Model:
    wall = [(0.33, 0), (0.37, 0.04), (0.37, 0.76), *arc((0.345, 0.76), 0.025, (0, 180), 4)]
    profile = [*wall, (0.32, 0.1), (0.28, 0.06), (0, 0.06)]
    tints = ["body"] * (len(wall) - 1) + ["body", "body", "dark"]
    loop = Lathe(arc((0.2, 0.0), 0.05, (-90, 270), 12), keep_x_above=0.0)
    handle = place(loop, (0.36, 0.41, 0), stretch(1.0, 1.15, 1.0) @ turn("x", pi / 2))
    return Model((place(Lathe(profile, tints)), *turned((handle,), yaw)), 0.5, panel_at((0, 0.4, 0.37), 0.27))


def _ring(yaw: float, points: int) -> Model:
    return Model((place(Lathe(arc((0.39, 0.165), 0.165, (-90, 270), 20))),), 0.56)


def _star(yaw: float, points: int) -> Model:
    drop = 0.55 if points % 2 == 0 else 0.53 * cos(pi / points) + 0.02
    star = place(Slab(star_field(points), 0.2), (0, drop + 0.06, 0))
    return Model((_pedestal(0.25), *turned((star,), yaw)), 0.34)


def _heart(yaw: float, points: int) -> Model:
    heart = place(Slab(heart_field(), 0.26, bevel=0.14), (0, 0.53, 0))
    return Model((_pedestal(0.25), *turned((heart,), yaw)), 0.36, panel_at((0, 0.58, 0.13), 0.24, yaw))


def _die(yaw: float, points: int) -> Model:
    return Model(turned((place(rounded_cube(0.84, 0.09)),), yaw), 0.56, panel_at((0, 0.42, 0.42), 0.34, yaw))


def _book(yaw: float, points: int) -> Model:
    leaves = place(cuboid((0.7, 0.98, 0.2), "paper", 0.0), (0, 0.03, 0))
    front = place(cuboid((0.8, 1.05, 0.045), bevel=0.02), (0, 0, 0.12))
    back = place(cuboid((0.8, 1.05, 0.045), bevel=0.02), (0, 0, -0.12))
    spine = place(cuboid((0.05, 1.05, 0.27), bevel=0.04), (-0.39, 0, 0))
    rule = [place(cuboid((0.055, 0.05, 0.275), "mark", 0.0), (-0.39, y, 0)) for y in (0.14, 0.86)]
    band = [place(cuboid((0.66, 0.03, 0.02), "mark", 0.0), (0.03, y, 0.136)) for y in (0.12, 0.9)]
    return Model(
        turned((leaves, front, back, spine, *rule, *band), yaw), 0.44, panel_at((0.03, 0.52, 0.143), 0.27, yaw)
    )


def _candle(yaw: float, points: int) -> Model:
    dish = [(0.24, 0), (0.39, 0.07), (0.4, 0.1), (0.36, 0.09), (0.25, 0.04), (0, 0.04)]
    wax = [(0.2, 0.04), (0.2, 0.74), *arc((0.17, 0.74), 0.03, (0, 90), 3), (0.12, 0.74), (0, 0.73)]
    wick = [(0.018, 0.72), (0.018, 0.84), (0, 0.84)]
    flame = curve([(0, 0.8), (0.075, 0.9), (0.055, 1.01), (0, 1.17)], 5)
    shapes = (Lathe(dish, "steel"), Lathe(wax), Lathe(wick, "ink"), Lathe(flame, "flame"))
    return Model(tuple(place(shape) for shape in shapes), 0.42)


def _bell(yaw: float, points: int) -> Model:
    profile = curve([(0.44, 0.02), (0.43, 0.08), (0.33, 0.22), (0.28, 0.42), (0.25, 0.6), (0.15, 0.71), (0, 0.74)], 3)
    grip = curve([(0.05, 0.72), (0.05, 0.8), (0.08, 0.95), (0.055, 1.06), (0.085, 1.13), (0.06, 1.2), (0, 1.22)], 3)
    rim = arc((0.43, 0.05), 0.03, (-90, 90), 4)
    return Model((place(Lathe(profile)), place(Lathe(rim)), place(Lathe(grip, "wood"))), 0.46)


def _mushroom(yaw: float, points: int) -> Model:
    stem = curve([(0.2, 0), (0.17, 0.12), (0.14, 0.3), (0.15, 0.5)], 3)
    dome = [(0.5 * r, 0.46 + 0.46 * h) for r, h in arc((0, 0), 1.0, (0, 90), 9)]
    cap = [(0.15, 0.44), (0.42, 0.4), (0.49, 0.42), *dome]
    tints = ["cream", "cream"] + ["spots"] * (len(cap) - 3)
    return Model((place(Lathe(stem, "cream")), place(Lathe(cap, tints))), 0.4)


def _vase(yaw: float, points: int) -> Model:
    outside = curve(
        [(0.18, 0), (0.2, 0.03), (0.33, 0.18), (0.4, 0.4), (0.3, 0.64), (0.15, 0.8), (0.14, 0.9), (0.25, 1.06)], 3
    )
    inside = [(0.22, 1.07), (0.11, 0.9), (0.1, 0.75), (0, 0.75)]
    tints = ["mark" if 8 <= index <= 9 else "body" for index in range(len(outside))] + ["dark"] * 3
    return Model((place(Lathe([*outside, *inside], tints)),), 0.42)


def _pyramid(yaw: float, points: int) -> Model:
    return Model(turned((place(pyramid(1.0, 0.92)),), yaw), 0.6)


def _lamp(yaw: float, points: int) -> Model:
    foot = curve([(0.28, 0), (0.28, 0.05), (0.2, 0.1), (0.06, 0.14), (0.035, 0.2)], 3)
    shade = [(0.45, 0.6), (0.25, 1.16), (0.235, 1.16), (0.43, 0.6)]
    stem = [(0.035, 0.15), (0.035, 0.95), (0.08, 0.98), (0.08, 1.05), (0, 1.08)]
    shapes = (Lathe(foot), Lathe(stem, "steel"), Lathe(shade, ["body", "body", "glow"]))
    return Model(tuple(place(shape) for shape in shapes), 0.4)


def _flag(yaw: float, points: int) -> Model:
    pole = [(0.032, 0.05), (0.032, 1.28), *arc((0, 1.31), 0.055, (-50, 90), 4)]
    cloth = place(Slab(pennant_field(), 0.035, bevel=0.01, wave=0.45), (0.42, 0.95, 0))
    return Model(
        (_pedestal(0.24), place(Lathe(pole, "steel")), *turned((cloth,), yaw)),
        0.32,
        panel_at((0.42, 0.95, 0.02), 0.21, yaw),
    )


def _duck(yaw: float, points: int) -> Model:
    body = place(Sphere(), (0, 0.3, 0), stretch(0.46, 0.3, 0.34))
    tail = place(Sphere(), (-0.4, 0.44, 0), turn("z", -0.75) @ stretch(0.2, 0.1, 0.16))
    head = place(Sphere(), (0.24, 0.73, 0), stretch(0.25, 0.25, 0.25))
    beak = place(Sphere("beak"), (0.5, 0.69, 0), stretch(0.14, 0.055, 0.12))
    eyes = [place(Sphere("ink"), (0.37, 0.8, z), stretch(0.05, 0.055, 0.04)) for z in (0.17, -0.17)]
    wings = [place(Sphere(), (-0.1, 0.36, z), turn("z", -0.25) @ stretch(0.23, 0.14, 0.08)) for z in (0.3, -0.3)]
    return Model(turned((body, tail, head, beak, *eyes, *wings), yaw), 0.46)


CATEGORIES: dict[str, Category] = {
    category.name: category
    for category in (
        Category("ball", _ball, carries_digit=True, can_be_metal=True),
        Category("bell", _bell, can_be_metal=True),
        Category("book", _book, (12, 34), carries_digit=True),
        Category("bottle", _bottle, carries_digit=True, can_be_metal=True),
        Category("box", _box, (12, 32), carries_digit=True),
        Category("can", _can, carries_digit=True, can_be_metal=True),
        Category("candle", _candle),
        Category("cone", _cone, (0, 40), can_be_metal=True),
        Category("die", _die, (10, 30), measure="pips"),
        Category("duck", _duck, (-20, 35), can_be_metal=True),
        Category("flag", _flag, (-15, 25), carries_digit=True),
        Category("heart", _heart, (0, 22), carries_digit=True),
        Category("lamp", _lamp),
        Category("mug", _mug, (-15, 40), carries_digit=True),
        Category("mushroom", _mushroom),
        Category("pyramid", _pyramid, (12, 40)),
        Category("ring", _ring, can_be_metal=True),
        Category("star", _star, (0, 22), measure="points"),
        Category("vase", _vase, can_be_metal=True),
    )
}
MEASURES = {"points": range(4, 9), "pips": range(1, 7)}
"""The values each measure takes."""


@cache
def measured(category: str) -> bool:
    """Returns whether the category shows points or pips."""
    return CATEGORIES[category].measure is not None
