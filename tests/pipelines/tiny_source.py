"""A source folder small enough for hundreds of runs: pictures of coloured boxes with an exact COCO file."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

CATEGORIES = ("cup", "ball", "box")
COLOURS = {"red": (200, 30, 30), "blue": (30, 60, 200), "green": (30, 160, 60), "yellow": (230, 210, 40)}
SIDE = 192
CELLS = 4
"""Objects stand on a grid of CELLS x CELLS, moved a little, so that positions differ clearly."""


def write_source(folder: Path, count: int, seed: int = 0) -> tuple[Path, Path]:
    """Writes ``count`` pictures and their annotations; returns the image folder and the COCO file."""
    images = folder / "images"
    images.mkdir(parents=True)
    coco: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, 1)],
    }
    for number in range(count):
        name = f"picture-{number:04d}.png"
        pixels = np.full((SIDE, SIDE, 3), 235, dtype=np.uint8)
        coco["images"].append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        for annotation, (x, y, width, height), colour in _objects(random.Random(f"{seed}:{number}")):
            pixels[y : y + height, x : x + width] = COLOURS[colour]
            coco["annotations"].append(annotation | {"id": len(coco["annotations"]), "image_id": number})
        pixels[0, :8] = np.frombuffer(number.to_bytes(24, "big"), dtype=np.uint8).reshape(8, 3)  # no two are equal
        PIL.Image.fromarray(pixels).save(images / name, compress_level=1)
    annotations = folder / "instances.json"
    annotations.write_text(json.dumps(coco))
    return images, annotations


def _objects(rng: random.Random) -> Iterator[tuple[dict[str, Any], tuple[int, int, int, int], str]]:
    cells = rng.sample([(row, column) for row in range(CELLS) for column in range(CELLS)], rng.randint(6, 9))
    step = SIDE // CELLS
    for row, column in cells:
        width, height = rng.randint(18, 30), rng.randint(18, 30)
        x = column * step + 2 + rng.randint(0, step - width - 4)
        y = row * step + 2 + rng.randint(0, step - height - 4)
        colour, category = rng.choice(sorted(COLOURS)), rng.randint(1, len(CATEGORIES))
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotation = {
            "category_id": category,
            "segmentation": [corners],
            "bbox": [x, y, width, height],
            "area": width * height,
            "iscrowd": 0,
            "attributes": {"colour": colour},
            "visible_fraction": 1.0,
        }
        yield annotation, (x, y, width, height), colour
