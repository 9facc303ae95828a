"""Random scenes without pictures, and random well-typed programs over them."""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from schemas.category import Category
from schemas.image import Image
from schemas.instance import SPAN_GRID, Attribute, Instance, Span
from schemas.mask import Rle
from schemas.program import Param, Program, Step, canonical
from schemas.scene import Scene
from stages.execute import apply_step
from stages.operators import load_operators
from stages.operators.operator import Operator, Value, ValueType
from stages.scene_index import SceneIndex
from stages.terms import REGIONS, Key, Relation
from tests.makers import make_image

CATEGORIES = ("ball", "box", "can", "cone", "bottle", "mug", "ring", "star")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
SIZES = {"small": 38, "medium": 58, "large": 86}
SUPPORTS = frozenset({"colour", "size", "material", "digit", "points", "pips", "depth"})
WIDTH, HEIGHT = 512, 384
T = TypeVar("T")


def random_scene(name: str, fewest: int = 5, most: int = 12) -> Scene:
    """Returns a scene of rectangular things: few categories and colours, so that descriptions have several members."""
    rng = random.Random(name)
    image = make_image(width=WIDTH, height=HEIGHT, image_id=hashlib.sha256(name.encode()).hexdigest())
    categories = rng.sample(CATEGORIES, rng.randint(2, 4))
    colours = rng.sample(COLOURS, rng.randint(2, 4))
    boxes: list[tuple[float, float, float, float]] = []
    instances: list[Instance] = []
    wanted = rng.randint(fewest, most)
    for _ in range(600):
        if len(instances) == wanted:
            break
        size = rng.choice(tuple(SIZES))
        side = SIZES[size] * rng.uniform(0.9, 1.1)
        x0, y0 = rng.uniform(0, WIDTH - side), rng.uniform(0, HEIGHT - side)
        box = (x0, y0, x0 + side, y0 + side)
        if any(_overlap(box, other) > 0.3 for other in boxes):
            continue
        boxes.append(box)
        instances.append(_instance(rng, image.image_id, box, (rng.choice(categories), rng.choice(colours), size)))
    return scene_of(image, instances)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def _instance(
    rng: random.Random, image_id: str, box: tuple[float, float, float, float], look: tuple[str, str, str]
) -> Instance:
    category, colour, size = look
    values = {"colour": colour, "size": size, "material": rng.choice(("metal", "rubber"))}
    if category in ("ball", "box", "can") and rng.random() < 0.6:
        values["digit"] = str(rng.randint(0, 9))
    if category == "star":
        values["points"] = str(rng.randint(4, 8))
    x0, y0, x1, y1 = box
    return Instance(
        instance_id=hashlib.sha256(f"{image_id}{box}".encode()).hexdigest()[:24],
        image_id=image_id,
        category=category,
        box_xyxy=box,
        mask=Rle(height=0, width=0, counts=""),
        area=int((x1 - x0) * (y1 - y0)),
        centroid_xy=((x0 + x1) / 2, (y0 + y1) / 2),
        depth=1.0 - y1 / HEIGHT,
        visible_fraction=1.0,
        truncated=False,
        attributes=tuple(Attribute(key=key, value=values[key], confidence=1.0) for key in sorted(values)),
        spans=_spans(box),
        source="layout/1",
    )


def _spans(box: tuple[float, float, float, float]) -> tuple[Span, ...]:
    x0, y0, x1, y1 = box
    columns = int(x0 / WIDTH * SPAN_GRID), int(x1 / WIDTH * SPAN_GRID) + 1
    rows = range(int(y0 / HEIGHT * SPAN_GRID), int(y1 / HEIGHT * SPAN_GRID) + 1)
    return tuple(Span(y=y, x0=columns[0], x1=columns[1]) for y in rows)


def random_program(rng: random.Random, most_steps: int = 14, index: SceneIndex | None = None) -> Program:
    """Returns a random well-typed canonical program ending in a number; it may well be undefined on a scene.

    With an index, two undefined steps in three are drawn again on its scene: most programs mean something there.
    """
    steps = [Step("scene")]
    types: dict[ValueType, list[int]] = {ValueType.SET: [0]}
    values: list[Value | None] = [None if index is None else index.everything]
    while len(steps) < most_steps:
        for _ in range(4):
            step = _random_step(rng, types, index)
            value = None if index is None else apply_step(index, step, values)
            if value is not None or rng.random() < 0.35:
                break
        types.setdefault(load_operators()[step.operator].output, []).append(len(steps))
        steps.append(step)
        values.append(value)
    numbers = types.get(ValueType.NUMBER, [])
    if not numbers:
        steps.append(Step("count", (types[ValueType.SET][-1],)))
        numbers = [len(steps) - 1]
    return canonical(Program(steps=tuple(steps[: _recent(rng, numbers) + 1])))


def _random_step(rng: random.Random, types: dict[ValueType, list[int]], index: SceneIndex | None) -> Step:
    operator = _pick(rng, _possible(frozenset(types), index is not None))
    inputs = tuple([_recent(rng, types[wanted]) for wanted in operator.inputs])
    return Step(operator.name, inputs, _random_params(rng, operator, index))


@lru_cache
def _possible(types: frozenset[ValueType], with_ids: bool) -> tuple[Operator, ...]:
    usable = [operator for _, operator in sorted(load_operators().items()) if set(operator.inputs) <= types]
    return tuple(operator for operator in usable if operator.name != "instance" or with_ids)


def _pick(rng: random.Random, choices: Sequence[T]) -> T:
    """As `rng.choice`, in half the time."""
    return choices[int(rng.random() * len(choices))]


def _recent(rng: random.Random, choices: list[int]) -> int:
    return choices[-1] if rng.random() < 0.65 else _pick(rng, choices)


_LOOKS: dict[str, tuple[str, ...]] = {"colour": COLOURS, "size": tuple(SIZES), "material": ("metal", "rubber")}
_POOLS: dict[str, tuple[Param, ...]] = {
    "category": CATEGORIES,
    "relation": tuple(Relation),
    "half": REGIONS,
    "how": ("more", "fewer", "equal"),
    "n": (1, 2, 3),
    "key": tuple(Key),
}
_KEYS: dict[str, tuple[str, ...]] = {"same_attribute": tuple(_LOOKS), "read": ("digit",), "measure": ("points", "pips")}


def _random_params(rng: random.Random, operator: Operator, index: SceneIndex | None) -> tuple[Param, ...]:
    if operator.name == "instance":
        return (_pick(rng, index.instances).instance_id if index and index.n and rng.random() < 0.9 else "nobody",)
    if operator.name == "attribute":
        key = _pick(rng, tuple(_LOOKS))
        return key, _pick(rng, _LOOKS[key])
    if operator.name in _KEYS:
        return (_pick(rng, _KEYS[operator.name]),)
    if operator.name == "category" and index is not None and index.n and rng.random() < 0.8:
        return (_pick(rng, tuple(index.category_bits)),)
    return tuple([_pick(rng, _POOLS[name]) for name in operator.params])


def grid_scene(name: str, cell: int = 32) -> Scene:
    """Returns a scene full of ties: equal things on a coarse grid, some without depth, looks or a readable number."""
    rng = random.Random(name)
    image = make_image(width=256, height=256, image_id=hashlib.sha256(name.encode()).hexdigest())
    places = rng.sample([(x, y) for x in range(8) for y in range(8)], rng.randint(0, 10))
    instances = []
    for x, y in places:
        side = rng.choice((cell, cell, 2 * cell))
        box = (float(x * cell), float(y * cell), float(x * cell + side), float(y * cell + side))
        made = _instance(rng, image.image_id, box, (rng.choice(CATEGORIES[:3]), rng.choice(COLOURS[:2]), "small"))
        kept = tuple(a for a in made.attributes if rng.random() < 0.8)
        depth = None if rng.random() < 0.1 else rng.randint(0, 3) / 4
        instances.append(made.model_copy(update={"attributes": kept, "depth": depth}))
    return scene_of(image, instances)


def scene_of(image: Image, instances: Sequence[Instance]) -> Scene:
    """Returns a scene in which everything is known and every category may be counted."""
    names = [instance.category for instance in instances]
    rows = tuple(
        Category(image_id=image.image_id, category=name, instance_count=names.count(name), countable=True)
        for name in sorted(set(names))
    )
    ordered = tuple(sorted(instances, key=lambda instance: instance.instance_id))
    return Scene(image=image, instances=ordered, categories=rows, supports=SUPPORTS)
