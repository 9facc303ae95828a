"""Random scenes without pictures, and random well-typed programs over them."""

import hashlib
import random

from schemas.category import Category
from schemas.instance import SPAN_GRID, Attribute, Instance, Span
from schemas.mask import Rle
from schemas.program import Param, Program, Step, canonical
from schemas.scene import Scene
from stages.operators import load_operators
from stages.operators.operator import Operator, ValueType
from stages.terms import REGIONS, Key, Relation
from tests.makers import make_image

CATEGORIES = ("ball", "box", "can", "cone", "bottle", "mug", "ring", "star")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
SIZES = {"small": 38, "medium": 58, "large": 86}
SUPPORTS = frozenset({"colour", "size", "material", "digit", "points", "pips", "depth"})
WIDTH, HEIGHT = 512, 384


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
    present = sorted({instance.category for instance in instances})
    rows = tuple(
        Category(
            image_id=image.image_id,
            category=category,
            instance_count=sum(instance.category == category for instance in instances),
            countable=True,
        )
        for category in present
    )
    ordered = tuple(sorted(instances, key=lambda instance: instance.instance_id))
    return Scene(image=image, instances=ordered, categories=rows, supports=SUPPORTS)


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


def random_program(rng: random.Random, most_steps: int = 14) -> Program:
    """Returns a random well-typed canonical program ending in a number; it may well be undefined on a scene."""
    operators = [operator for name, operator in sorted(load_operators().items()) if name != "instance"]
    steps = [Step("scene")]
    types = [ValueType.SET]
    while len(steps) < most_steps:
        possible = [operator for operator in operators if operator.inputs and set(operator.inputs) <= set(types)]
        operator = rng.choice(possible)
        inputs = tuple(
            _recent(rng, [i for i, kind in enumerate(types) if kind is wanted]) for wanted in operator.inputs
        )
        steps.append(Step(operator.name, inputs, _random_params(rng, operator)))
        types.append(operator.output)
    numbers = [i for i, kind in enumerate(types) if kind is ValueType.NUMBER]
    if not numbers:
        sets = [i for i, kind in enumerate(types) if kind is ValueType.SET]
        steps.append(Step("count", (sets[-1],)))
        numbers = [len(steps) - 1]
    return canonical(Program(steps=tuple(steps[: rng.choice(numbers) + 1])))


def _recent(rng: random.Random, choices: list[int]) -> int:
    return choices[-1] if rng.random() < 0.5 else rng.choice(choices)


def _random_params(rng: random.Random, operator: Operator) -> tuple[Param, ...]:
    pools: dict[str, tuple[Param, ...]] = {
        "category": CATEGORIES,
        "relation": tuple(Relation),
        "half": REGIONS,
        "how": ("more", "fewer", "equal"),
        "n": (1, 2, 3),
    }
    if operator.name == "attribute":
        key = rng.choice(("colour", "size", "material"))
        values = {"colour": COLOURS, "size": tuple(SIZES), "material": ("metal", "rubber")}[key]
        return key, rng.choice(values)
    keys: dict[str, tuple[Param, ...]] = {
        "same_attribute": ("colour", "size", "material"),
        "read": ("digit",),
        "measure": ("points",),
    }
    return tuple(
        rng.choice(pools[name] if name != "key" else keys.get(operator.name, tuple(Key))) for name in operator.params
    )
