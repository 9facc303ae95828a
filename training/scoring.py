"""How good the shipped graphs are on rendered scenes, through the runtime that a dataset uses. Needs no torch.

Everything is measured at the size of the scene's picture against the exact visible masks: the IoU of a mask prompted
with the true box or with the innermost pixel, what automatic segmentation finds, and what the crop classifier says of
the masks found. A mask found belongs to a thing when their IoU is at least one half; each belongs to one at most.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.masks import box_xyxy_of
from stages.rendering.config import RenderConfig
from stages.segmenters.crops import ABSENT, SIZE_HEAD, cut_crops, read_heads, read_size
from stages.segmenters.embedded import Embedded, EmbeddedConfig, open_embedded
from stages.segmenters.one_mask import OneMaskConfig, things_of
from stages.segmenters.onnx_graphs import as_input
from stages.segmenters.protocol import EVERYTHING, Found, Prompts, to_pixels
from training.pool import PoolScene, draw_scene

MATCH = 0.5
"""IoU from which a mask is a thing's."""
HEADS = ("category", "colour", "material", "digit", "points", "pips", SIZE_HEAD)

BoolMasks = list[NDArray[np.bool_]]


class Said(NamedTuple):
    """What the classifier says of one attribute of one thing."""

    head: str
    is_right: bool
    confidence: float


class SceneScore(NamedTuple):
    """What was measured on one scene."""

    box: tuple[float, ...]
    """IoU per thing with its true box as prompt."""
    point: tuple[float, ...]
    """IoU per thing with its innermost pixel as prompt."""
    areas: tuple[int, ...]
    """Visible pixels per thing."""
    found: tuple[float, ...]
    """Per thing the IoU of the automatic mask that belongs to it, 0 where none does."""
    masks: int
    """Automatic masks."""
    said: tuple[tuple[Said, ...], ...]
    """Readings per thing that was found, on its predicted mask."""


def score_scene(scene: PoolScene, eyes: Embedded, one_mask: OneMaskConfig) -> SceneScore:
    """Returns the scores of one scene."""
    picture, ids = np.asarray(scene.image), np.asarray(scene.ids)
    true = [ids == number for number in range(1, len(scene.things) + 1)]
    boxes = np.array([box_xyxy_of(mask) for mask in true], dtype=np.float64)
    points = np.array([innermost(mask) for mask in true])
    by_box, by_point = eyes.find([picture, picture], [Prompts(boxes=boxes), Prompts(points=points)])
    automatic = [thing.mask for thing in things_of(eyes.find([picture], [EVERYTHING])[0], *ids.shape, one_mask)[0]]
    pairs = match(true, automatic)
    found = tuple(next((iou for t, _, iou in pairs if t == i), 0.0) for i in range(len(true)))
    said = _read(eyes, picture, scene.things, [(t, automatic[k]) for t, k, _ in pairs])
    areas = tuple(int(np.count_nonzero(mask)) for mask in true)
    return SceneScore(_ious(by_box, true), _ious(by_point, true), areas, found, len(automatic), said)


def score_scenes(split: str, numbers: Iterable[int], weights: str = "") -> list[SceneScore]:
    """Returns the scores of freshly drawn scenes of a split."""
    eyes, one_mask = open_embedded(EmbeddedConfig(weights=weights)), OneMaskConfig()
    return [score_scene(draw_scene(split, number, RenderConfig()), eyes, one_mask) for number in numbers]


def match(true: BoolMasks, found: BoolMasks) -> list[tuple[int, int, float]]:
    """Returns pairs (thing, mask, IoU) with an IoU of at least one half, best first, each used once."""
    if not true or not found:
        return []
    one, other = (np.stack(masks).reshape(len(masks), -1).astype(np.float32) for masks in (true, found))
    shared = one @ other.T
    iou = shared / (one.sum(1)[:, None] + other.sum(1)[None] - shared)
    pairs: list[tuple[int, int, float]] = []
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        t, k = divmod(int(flat), len(found))
        if iou[t, k] < MATCH:
            break
        if all(t != pair[0] and k != pair[1] for pair in pairs):
            pairs.append((t, k, float(iou[t, k])))
    return pairs


def innermost(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Returns x, y of the centre of a pixel that is about as far from the mask's edge as any."""
    inner, last = mask, mask
    while inner.any():
        last = inner
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rows, columns = np.nonzero(last)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return float(columns[middle]) + 0.5, float(rows[middle]) + 0.5


def summarise(scores: Sequence[SceneScore]) -> dict[str, Any]:
    """Returns the means: things weigh equally, except in precision, where masks do."""
    box, point, areas = (np.concatenate([getattr(s, name) for s in scores]) for name in ("box", "point", "areas"))
    found = np.concatenate([s.found for s in scores])
    hits, masks = int(np.count_nonzero(found)), sum(s.masks for s in scores)
    small = areas < 1500
    rows = [row for s in scores for row in s.said]
    named = {head: [one for row in rows for one in row if one.head == head] for head in HEADS}
    return {
        "scenes": len(scores),
        "things": len(box),
        "box_miou": _mean(box),
        "box_miou_small": _mean(box[small]),
        "point_miou": _mean(point),
        "recall_50": round(hits / max(len(found), 1), 4),
        "precision_50": round(hits / max(masks, 1), 4),
        "recall_75": _mean(found >= 0.75),
        "exact_count": _mean(np.array([s.masks == len(s.found) == np.count_nonzero(s.found) for s in scores])),
        "crops_least": min(
            (_mean(np.array([one.is_right for one in said])) for said in named.values() if said), default=None
        ),
        "crops": {head: _mean(np.array([one.is_right for one in said])) for head, said in named.items() if said},
        "crops_all": _mean(np.array([all(one.is_right for one in row) for row in rows])) if rows else None,
    }


def reliability(said: Sequence[Said], edges: Sequence[float]) -> list[dict[str, float]]:
    """Returns per bin of confidence how many readings, their mean confidence and the share that is right."""
    table = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = [one for one in said if low <= one.confidence < high or one.confidence == high == edges[-1]]
        if inside:
            told, right = ([getattr(one, name) for one in inside] for name in ("confidence", "is_right"))
            row = {"from": low, "to": high, "readings": len(inside)}
            table.append(row | {"confidence": _mean(np.array(told)), "right": _mean(np.array(right))})
    return table


def _ious(found: list[Found], true: BoolMasks) -> tuple[float, ...]:
    masks = [to_pixels(one, *mask.shape) for one, mask in zip(found, true, strict=True)]
    return tuple(
        float(np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1)) for a, b in zip(masks, true, strict=True)
    )


def _read(
    eyes: Embedded, picture: NDArray[np.uint8], things: Sequence[dict[str, Any]], pairs: list[tuple[int, Any]]
) -> tuple[tuple[Said, ...], ...]:
    graphs = eyes.graphs
    if graphs.crops is None or not pairs:
        return ()
    masks = [mask for _, mask in pairs]
    rows = read_heads(graphs.crops.run({"crops": as_input(cut_crops(picture, masks))}), graphs.card)
    out = []
    for (index, mask), row in zip(pairs, rows, strict=True):
        size = read_size(row["category"].value, mask, graphs.card)
        readings = row | ({SIZE_HEAD: size} if size is not None else {})
        thing = things[index]
        out.append(tuple(Said(head, one.value == _true(thing[head]), one.confidence) for head, one in readings.items()))
    return tuple(out)


def _true(value: object) -> str:
    return ABSENT if value is None else str(value)


def _mean(values: NDArray[Any]) -> float:
    return round(float(np.mean(values)), 4) if len(values) else float("nan")
