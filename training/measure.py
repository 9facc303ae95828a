"""Held-out quality of the segmenter with prompts: IoU against the exact masks, at the size of the scene's picture."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training import augment
from training.batches import box_of
from training.encoder import IMAGE_SIZE
from training.model import TinySam
from training.pool import Pool, PoolScene
from training.scoring import innermost


class Quality(NamedTuple):
    """Means over the things of the scenes."""

    box: float
    """IoU of the first mask with the true box as prompt."""
    point: float
    """IoU of the mask of best predicted quality with the innermost pixel as prompt."""
    first: float
    """The same of the first mask."""
    error: float
    """Absolute error of the predicted IoU, over both prompts and all masks."""
    things: int


@torch.inference_mode()
def measure(model: TinySam, pool: Pool, count: int) -> Quality:
    """Returns the quality over the first `count` scenes of a pool."""
    model.eval()
    rows: list[tuple[float, float, float, float]] = []
    for index in range(min(count, len(pool))):
        rows += _measure_scene(model, pool[index])
    means = np.mean(rows, axis=0)
    return Quality(*(round(float(value), 4) for value in means), len(rows))


def _measure_scene(model: TinySam, scene: PoolScene) -> list[tuple[float, float, float, float]]:
    ids = np.asarray(scene.ids)
    height, width = ids.shape
    true = [ids == number for number in range(1, len(scene.things) + 1)]
    scale = np.array([IMAGE_SIZE / width, IMAGE_SIZE / height])
    picture = augment.to_model_size(np.asarray(scene.image))
    points = np.array([innermost(mask) for mask in true]) * scale
    boxes = np.array([box_of(mask) for mask in true]) * np.tile(scale, 2)
    n = len(true)
    prompts = [np.concatenate([points, points]), np.concatenate([boxes, boxes]), np.repeat([1.0, 0.0], n)]
    device = next(model.parameters()).device
    tensors = [torch.from_numpy(part).float()[None].to(device) for part in prompts]
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float().to(device)
    masks, told, _ = (part.cpu() for part in model(pixels, *tensors))
    full = upscale(masks, height, width)
    exact = torch.from_numpy(np.stack([*true, *true]))[:, None]
    real = ((full & exact).sum((2, 3)) / (full | exact).sum((2, 3)).clamp(min=1)).numpy()
    wrong = np.abs(real - told.numpy()).mean(1)
    best = told.numpy().argmax(1)
    return [(real[i, 0], real[n + i, best[n + i]], real[n + i, 0], (wrong[i] + wrong[n + i]) / 2) for i in range(n)]


def upscale(masks: Tensor, height: int, width: int) -> Tensor:
    """Returns boolean masks of a picture's size from logits ``(n, m, 128, 128)`` of its squeezed form."""
    return functional.interpolate(masks, (height, width), mode="bilinear", align_corners=False) > 0
