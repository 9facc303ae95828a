"""Making the crop classifier: its crops, its training, its graph, and the proportions by which sizes are read."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.rendering.layout import _PERSPECTIVE
from stages.rendering.palette import SIZE_PIXELS
from stages.segmenters.crops import SIDE, SIZE_HEAD, cut_crops, extent_of
from stages.segmenters.embedded import EmbeddedConfig, open_embedded
from stages.segmenters.one_mask import OneMaskConfig, things_of
from stages.segmenters.protocol import EVERYTHING
from training.batches import generator_of
from training.card import digests, update_card
from training.close_ups import draw_close_up
from training.crops import (
    VOCABULARIES,
    CropConfig,
    CropNet,
    Crops,
    as_bytes,
    collect,
    logits_of,
    train_crops,
    true_crops,
    truths,
)
from training.export import export_graph
from training.pool import Pool, PoolScene
from training.scoring import match

_LEVEL = 0.65
"""Height in the picture, from its top, at which the layout draws things at scale one."""
_FULL = 0.999
"""Visible share from which a thing's extent is its own."""


def make_classifier(folder: Path, weights: Path, scenes: int, config: CropConfig) -> None:
    """Trains the classifier and writes ``crops.onnx`` and the card's section ``crops`` into the folder of weights."""
    pool, held_out = Pool(folder, "train"), Pool(folder, "calibrate")
    more = range(scenes, scenes + scenes // 4)
    parts = [
        _kept(folder, f"crops-scenes-{scenes}", lambda: collect(pool, scenes, generator_of(0, "crops"))),
        _kept(folder, f"crops-close-{3 * scenes}", lambda: _close_ups(3 * scenes)),
        _kept(folder, f"crops-found-{len(more)}", lambda: _predicted(pool, more, weights)),
    ]
    crops = Crops(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    held = collect(held_out, 100, generator_of(1, "crops"))
    print(f"{len(crops.pixels)} crops", flush=True)
    for epoch, net in train_crops(crops, config):
        right = _accuracy(net, held)
        print(f"epoch {epoch}: {right}", flush=True)
        torch.save(net.state_dict(), folder / "crops.pt")
    export_classifier(net, weights)
    about = {"side": SIDE, "crops": len(crops.pixels), "epochs": config.epochs}
    about["heads"] = {name: {"values": values, "temperature": 1.0} for name, values in VOCABULARIES.items()}
    update_card(weights, "crops", about | {SIZE_HEAD: size_table(pool, scenes)})
    update_card(weights, "files", digests(weights))


def export_classifier(net: CropNet, weights: Path) -> None:
    """Writes ``crops.onnx``: ``crops (n, 4, 48, 48)`` to one output of logits per attribute."""
    names = ("crops",), tuple(VOCABULARIES), ("crops", *VOCABULARIES)
    export_graph(net.eval(), (torch.zeros(2, 4, SIDE, SIDE),), weights / "crops.onnx", names)


def size_table(pool: Pool, scenes: int) -> dict[str, Any]:
    """Returns what sizes are read by: each category's median width, height and root of the area at scale one.

    A thing's scale is in heights of the picture, corrected for the layout's weak perspective by where it stands.
    """
    extents: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    scales = {size: value / 384 for size, value in SIZE_PIXELS.items()}
    for index in range(min(scenes, len(pool))):
        scene = pool[index]
        ids = np.asarray(scene.ids)
        for number, thing in enumerate(scene.things, start=1):
            if thing["visible_fraction"] >= _FULL:
                *sides, bottom = extent_of(ids == number)
                unit = scales[thing["size"]] * (1 + _PERSPECTIVE * (bottom - _LEVEL))
                extents[thing["category"]].append(np.array(sides) / unit)
    medians = {name: np.median(rows, axis=0) for name, rows in sorted(extents.items())}
    proportions = {name: [round(float(value), 4) for value in pair] for name, pair in medians.items()}
    about = {"proportions": proportions, "scales": {name: round(value, 5) for name, value in scales.items()}}
    return about | {"perspective": _PERSPECTIVE, "level": _LEVEL, "sharpness": 12.0}


def predicted_crops(scene: PoolScene, eyes: Any, one_mask: OneMaskConfig) -> Crops:  # noqa: ANN401 - an open back-end
    """Returns the crops of the masks found in a scene that are a thing's."""
    picture, ids = np.asarray(scene.image), np.asarray(scene.ids)
    true = [ids == number for number in range(1, len(scene.things) + 1)]
    found = [thing.mask for thing in things_of(eyes.find([picture], [EVERYTHING])[0], *ids.shape, one_mask)[0]]
    pairs = match(true, found)
    facts = truths([scene.things[index] for index, _, _ in pairs])
    return Crops(as_bytes(cut_crops(picture, [found[k] for _, k, _ in pairs])), facts)


def _predicted(pool: Pool, numbers: range, weights: Path) -> Crops:
    eyes, one_mask = open_embedded(EmbeddedConfig(weights=str(weights))), OneMaskConfig()
    parts = [predicted_crops(pool[index], eyes, one_mask) for index in numbers if index < len(pool)]
    return Crops(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _close_ups(count: int) -> Crops:
    rng = generator_of(0, "close-ups")
    scenes = (draw_close_up(f"train:close-up:{number}") for number in range(count))
    parts = [true_crops(scene, rng) for scene in scenes if scene.things]
    return Crops(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _kept(folder: Path, name: str, make: Callable[[], Crops]) -> Crops:
    """Returns crops from the pool's folder, made there the first time."""
    path = folder / f"{name}.npz"
    if not path.exists():
        made = make()
        unfinished = path.with_name(f".{path.stem}.unfinished.npz")
        np.savez(unfinished, pixels=made.pixels, truth=made.truth)
        unfinished.rename(path)
    with np.load(path, allow_pickle=False) as stored:
        return Crops(stored["pixels"], stored["truth"])


def _accuracy(net: CropNet, crops: Crops) -> dict[str, float]:
    right = [part.argmax(1).numpy() == crops.truth[:, i] for i, part in enumerate(logits_of(net, crops.pixels))]
    told = {name: round(float(np.mean(one)), 4) for name, one in zip(VOCABULARIES, right, strict=True)}
    return told | {"all": round(float(np.mean(np.all(right, axis=0))), 4)}
