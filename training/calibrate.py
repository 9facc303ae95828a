"""Thresholds and temperatures, chosen on the scenes of the split ``calibrate``: no number is reported on those."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.rendering.config import RenderConfig
from stages.segmenters.crops import ABSENT, SIZE_HEAD, cut_crops, read_size
from stages.segmenters.embedded import Embedded, EmbeddedConfig, open_embedded
from stages.segmenters.everything import GridConfig, find_everything
from stages.segmenters.one_mask import OneMaskConfig, things_of
from stages.segmenters.onnx_graphs import as_input
from stages.segmenters.protocol import EVERYTHING, Floats
from training.card import read_card, update_card
from training.pool import PoolScene, draw_scene
from training.scoring import match

QUALITIES = (0.3, 0.4, 0.5, 0.6, 0.7)
STABILITIES = (0.2, 0.3, 0.5)
_SHARPNESSES = np.geomspace(2, 60, 40)

Decode = Callable[[NDArray[np.float64]], tuple[Floats, Floats]]


def calibrate_masks(weights: Path, scenes: int) -> None:
    """Writes into the card the thresholds of automatic masks with the best F1 at an IoU of one half."""
    eyes, one_mask = open_embedded(EmbeddedConfig(weights=str(weights))), OneMaskConfig()
    settings = [
        eyes.grid.model_copy(update={"min_quality": quality, "min_stability": stability})
        for quality, stability in product(QUALITIES, STABILITIES)
    ]
    counts = np.zeros((len(settings), 3), dtype=np.int64)
    for number in range(scenes):
        counts += _count(draw_scene("calibrate", number, RenderConfig()), eyes, settings, one_mask)
    hits, things, masks = counts.T
    scores = 2 * hits / np.maximum(things + masks, 1)
    best = int(np.flatnonzero(scores == scores.max())[-1])  # of equals the strictest
    table = [
        {
            "min_quality": one.min_quality,
            "min_stability": one.min_stability,
            "recall": _share(h, t),
            "precision": _share(h, m),
        }
        for one, (h, t, m) in zip(settings, counts.tolist(), strict=True)
    ]
    chosen = {"scenes": scenes, "chosen": table[best], "table": table}
    update_card(weights, "thresholds", chosen)
    print(f"thresholds: {table[best]}", flush=True)


def calibrate_crops(weights: Path, scenes: int) -> None:
    """Writes into the card each head's temperature, and how sharp the reading of sizes is, on predicted masks."""
    eyes, one_mask = open_embedded(EmbeddedConfig(weights=str(weights))), OneMaskConfig()
    card = read_card(weights)["crops"]
    logits: dict[str, list[Floats]] = {name: [] for name in card["heads"]}
    facts: list[dict[str, Any]] = []
    sizes: list[tuple[str, NDArray[np.bool_]]] = []
    for number in range(scenes):
        scene = draw_scene("calibrate", number, RenderConfig())
        for name, part, things, masks in _said(scene, eyes, one_mask, tuple(card["heads"])):
            logits[name].append(part)
            if name == "category":
                facts += things
                sizes += [(thing["category"], mask) for thing, mask in zip(things, masks, strict=True)]
    for name, about in card["heads"].items():
        truth = [about["values"].index(ABSENT if one[name] is None else str(one[name])) for one in facts]
        about["temperature"] = _temperature(np.concatenate(logits[name]), np.array(truth))
    whole = {"crops": card}
    card[SIZE_HEAD]["sharpness"] = _sharpness([one["size"] for one in facts], sizes, whole)
    update_card(weights, "crops", card)
    print("temperatures:", {name: about["temperature"] for name, about in card["heads"].items()}, flush=True)


def _count(scene: PoolScene, eyes: Embedded, settings: list[GridConfig], one_mask: OneMaskConfig) -> NDArray[np.int64]:
    """Returns ``(settings, 3)``: things found, things, masks. A point is decoded once, whatever the setting."""
    picture, ids = np.asarray(scene.image), np.asarray(scene.ids)
    true = [ids == number for number in range(1, len(scene.things) + 1)]
    maps = eyes.encode(picture)
    probe = eyes.probe(maps)
    probe = probe._replace(decode=_remembering(probe.decode))
    rows = []
    for setting in settings:
        found = find_everything(probe, setting)
        masks = [one.mask for one in things_of(found, *ids.shape, one_mask)[0]]
        rows.append((len(match(true, masks)), len(true), len(masks)))
    return np.array(rows, dtype=np.int64)


def _remembering(decode: Decode) -> Decode:
    """Returns the function with a memory of the points it has answered."""
    known: dict[tuple[float, float], tuple[Floats, Floats]] = {}

    def answer(points: NDArray[np.float64]) -> tuple[Floats, Floats]:
        keys = [(float(x), float(y)) for x, y in points]
        new = [key for key in keys if key not in known]
        if new:
            masks, quality = decode(np.array(new))
            known.update(zip(new, zip(masks, quality, strict=True), strict=True))
        return np.stack([known[key][0] for key in keys]), np.stack([known[key][1] for key in keys])

    return answer


def _said(
    scene: PoolScene, eyes: Embedded, one_mask: OneMaskConfig, heads: tuple[str, ...]
) -> list[tuple[str, Floats, list[dict[str, Any]], list[NDArray[np.bool_]]]]:
    """Returns per head the logits of the things found in a scene, what those are, and their predicted masks."""
    picture, ids = np.asarray(scene.image), np.asarray(scene.ids)
    true = [ids == number for number in range(1, len(scene.things) + 1)]
    found = [one.mask for one in things_of(eyes.find([picture], [EVERYTHING])[0], *ids.shape, one_mask)[0]]
    pairs = match(true, found)
    if not pairs or eyes.graphs.crops is None:
        return []
    masks = [found[k] for _, k, _ in pairs]
    logits = eyes.graphs.crops.run({"crops": as_input(cut_crops(picture, masks))})
    things = [scene.things[index] for index, _, _ in pairs]
    return [(name, logits[name], things, masks) for name in heads]


def _temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Returns the temperature with the least negative log likelihood."""
    candidates = np.geomspace(0.7, 4.0, 73)  # few errors are no reason for boundless trust
    losses = []
    for value in candidates:
        scaled = logits.astype(np.float64) / value
        scaled -= scaled.max(axis=1, keepdims=True)
        likelihood = scaled[np.arange(len(truth)), truth] - np.log(np.exp(scaled).sum(axis=1))
        losses.append(-float(likelihood.mean()))
    return round(float(candidates[int(np.argmin(losses))]), 4)


def _sharpness(truth: list[str], sizes: list[tuple[str, NDArray[np.bool_]]], card: dict[str, Any]) -> float:
    """Returns the sharpness of size readings with the least negative log likelihood of being right."""
    losses = []
    for value in _SHARPNESSES:
        card["crops"][SIZE_HEAD]["sharpness"] = float(value)
        told = [read_size(category, mask, card) for category, mask in sizes]
        pairs = [(one.confidence, one.value == true) for one, true in zip(told, truth, strict=True) if one is not None]
        losses.append(-float(np.mean([np.log(max(p if right else 1 - p, 1e-9)) for p, right in pairs])))
    return round(float(_SHARPNESSES[int(np.argmin(losses))]), 3)


def _share(part: int, whole: int) -> float:
    return round(part / max(whole, 1), 4)
