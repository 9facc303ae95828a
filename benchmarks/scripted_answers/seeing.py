"""What the stand-in says it sees: whether a picture is rich, what is in it, how things look."""

import json
import random
import re
from collections import Counter

from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_server.asked import Asked
from schemas.scene import Scene
from stages.phrasing.nouns import plural_of

_ABSENT = ("unicorn", "submarine", "accordion", "glacier")


def screen(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the verdict on a picture; the cheap model refuses some rich ones."""
    many = scene is not None and len(scene.instances) >= 3
    fixed = random.Random(scene.image.image_id if scene else "")
    rich = many and fixed.random() >= rates.poor
    if rich and asked.body.get("model", "").startswith("small") and fixed.random() < rates.coarse_misses:
        rich = False
    traits = ["dense", "varied"] if rich else []
    return json.dumps({"reason": f"{len(scene.instances) if scene else 0} things", "traits": traits, "rich": rich})


def identify(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the kinds of things, in the plural now and then, with one that is not there at the rate that is set."""
    counts = Counter(instance.category for instance in scene.instances) if scene else Counter()
    rows = [
        {"name": plural_of(name) if rng.random() < 0.3 else name, "at_least": count, "sure": 0.95}
        for name, count in sorted(counts.items())
    ]
    if rng.random() < rates.invented:
        rows.append({"name": rng.choice(_ABSENT), "at_least": 1, "sure": 0.8})
    return json.dumps({"categories": rows})


def look(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns the attributes of the crops that are recognised."""
    offered = dict(re.findall(r"^(\w+): (.+)$", asked.prompt.partition("Keys and values on offer:")[2], re.M))
    rows = []
    for number, seen in enumerate(asked.pictures, 1):
        attributes = []
        if seen is not None and seen.box_xyxy is not None:
            instance = max(seen.scene.instances, key=lambda one: _overlap(one.box_xyxy, seen.box_xyxy or one.box_xyxy))
            for attribute in instance.attributes:
                values = offered.get(attribute.key, "").split(", ")
                if attribute.value in values:
                    value = attribute.value
                    if rng.random() < rates.colour_errors:
                        value = rng.choice([one for one in values if one != value])
                    attributes.append({"key": attribute.key, "value": value, "confidence": 0.9})
            if "state" in offered:
                attributes.append({"key": "state", "value": offered["state"].split(", ")[0], "confidence": 0.85})
        rows.append({"number": number, "attributes": attributes})
    return json.dumps({"instances": rows})


def caption(rates: Rates, scene: Scene | None, asked: Asked, rng: random.Random) -> str:
    """Returns a description."""
    counts = Counter(instance.category for instance in scene.instances) if scene else Counter()
    listed = ", ".join(plural_of(name) for name in sorted(counts)) or "nothing in particular"
    return json.dumps({"caption": f"A picture of {listed}."})


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (union - shared)
