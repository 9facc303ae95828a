"""Rendered scenes on disk: pictures and one COCO file with our extensions (attributes, depth, visible fraction).

Each picture is written with a small file of its annotations (in `.parts`), both by rename, so a killed run loses at
most the scene it was drawing; `instances.json` is put together last. Scene ``i`` of a seed is the same whatever the
count and the number of workers.
"""

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.masks import box_xyxy_of, mask_to_rle
from stages.rendering.catalogue import CATEGORIES
from stages.rendering.config import RenderConfig
from stages.rendering.scene import RENDERER_VERSION, RenderedThing, render_scene

__all__ = ["RenderConfig", "write_scenes"]

SUPPORTS = ("colour", "size", "material", "digit", "points", "pips", "depth")
"""Facts a rendered scene states about every thing."""
_LICENCE = {"id": 1, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}
_CATEGORY_IDS = {name: number for number, name in enumerate(sorted(CATEGORIES), start=1)}


def write_scenes(out: Path, count: int, seed: int, config: RenderConfig, workers: int = 1) -> Path:
    """Writes ``count`` scenes into ``out/images`` and returns the path of ``out/instances.json``.

    A second call with the same arguments changes nothing; an interrupted one goes on where it stopped.

    Raises:
        ValueError: ``count`` is negative.
        OSError: the folder cannot be written.
    """
    if count < 0:
        raise ValueError(f"the number of scenes must not be negative, got {count}")
    out.mkdir(parents=True, exist_ok=True)
    info = _info(seed, config)
    target = out / "instances.json"
    if _is_finished(target, info, count):
        return target
    parts = out / ".parts"
    _forget_other_scenes(parts, info)
    (out / "images").mkdir(exist_ok=True)
    draw = partial(_write_one, out, seed, config)
    if workers <= 1 or count <= 1:
        for number in range(count):
            draw(number)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, count), mp_context=context) as pool:
            list(pool.map(draw, range(count), chunksize=4))
    _write_json(target, _document(info, count, parts))
    return target


def _info(seed: int, config: RenderConfig) -> dict[str, Any]:
    return {
        "description": "Hopyard rendered scenes",
        "version": str(RENDERER_VERSION),
        "renderer_version": RENDERER_VERSION,
        "seed": seed,
        "config": config.model_dump(mode="json"),
        "supports": list(SUPPORTS),
    }


def _is_finished(target: Path, info: dict[str, Any], count: int) -> bool:
    if not target.is_file():
        return False
    document = json.loads(target.read_text(encoding="utf-8"))
    return bool(document.get("info") == info and len(document.get("images", ())) == count)


def _forget_other_scenes(parts: Path, info: dict[str, Any]) -> None:
    """Drops the parts of a run with another seed, configuration or renderer."""
    parts.mkdir(exist_ok=True)
    stamp = parts / "info.json"
    if stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) == info:
        return
    for path in parts.glob("scene-*.json"):
        path.unlink()
    _write_json(stamp, info)


def _write_one(out: Path, seed: int, config: RenderConfig, number: int) -> None:
    name = f"scene-{number:06d}"
    picture, part = out / "images" / f"{name}.png", out / ".parts" / f"{name}.json"
    if part.is_file() and picture.is_file():
        return
    scene = render_scene(f"{seed}:scene:{number}", config)
    unfinished = picture.with_name(f".{picture.name}.{os.getpid()}")
    Image.fromarray(scene.image).save(unfinished, format="PNG", compress_level=6)
    os.replace(unfinished, picture)
    _write_json(part, [_annotation(thing) for thing in scene.things])


def _annotation(thing: RenderedThing) -> dict[str, Any]:
    rle = mask_to_rle(thing.mask)
    x0, y0, x1, y1 = box_xyxy_of(thing.mask)
    attributes: dict[str, str | int] = {"colour": thing.colour, "size": thing.size, "material": thing.material}
    if thing.digit is not None:
        attributes["digit"] = thing.digit
    return {
        "category_id": _CATEGORY_IDS[thing.category],
        "segmentation": {"size": [rle.height, rle.width], "counts": rle.counts},
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": int(np.count_nonzero(thing.mask)),
        "iscrowd": 0,
        "attributes": attributes | thing.measures,
        "depth": round(thing.depth, 6),
        "visible_fraction": round(thing.visible_fraction, 6),
    }


def _document(info: dict[str, Any], count: int, parts: Path) -> dict[str, Any]:
    config = info["config"]
    images = [
        {
            "id": number + 1,
            "file_name": f"scene-{number:06d}.png",
            "width": config["width"],
            "height": config["height"],
            "license": _LICENCE["id"],
        }
        for number in range(count)
    ]
    annotations = [
        {"id": number, **annotation} for number, annotation in enumerate(_read_annotations(count, parts), start=1)
    ]
    categories = [{"id": number, "name": name} for name, number in _CATEGORY_IDS.items()]
    return {
        "info": info,
        "licenses": [_LICENCE],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _read_annotations(count: int, parts: Path) -> Iterator[dict[str, Any]]:
    for number in range(count):
        for annotation in json.loads((parts / f"scene-{number:06d}.json").read_text(encoding="utf-8")):
            yield {"image_id": number + 1, **annotation}


def _write_json(path: Path, content: object) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
