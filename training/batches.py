"""Training batches: pictures, prompts on them, and the right answers. Batch ``s`` of a seed is always the same."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training import augment
from training.augment import Generator, Pixels, View
from training.decoder import MASK_SIZE
from training.encoder import IMAGE_SIZE
from training.pool import Pool

PROMPTS = 8
"""Prompts per picture: one point on the ground, five points and two boxes on things."""
_DENSE = 64
_LEAST_PIXELS = 24
"""Cells of a thing on the 128 x 128 grid below which it is not asked for."""


class Batch(NamedTuple):
    """Pictures ``(n, 3, 256, 256)`` 0..255; per picture ``p`` prompts and their masks; and the dense outputs."""

    pictures: Tensor
    points: Tensor
    """``(n, p, 2)``, pixels of the model's picture, x before y."""
    boxes: Tensor
    """``(n, p, 4)``."""
    is_box: Tensor
    """``(n, p)``, 0 or 1."""
    masks: Tensor
    """``(n, p, 128, 128)``, share of each cell that belongs to the thing; nothing for a prompt on the ground."""
    dense: Tensor
    """``(n, 4, 64, 64)``: thing, edge, and the way to its centre in units of 64 pixels (x, y)."""


class Sample(NamedTuple):
    """One picture of a batch, as arrays."""

    picture: Pixels
    points: NDArray[np.float32]
    boxes: NDArray[np.float32]
    is_box: NDArray[np.float32]
    masks: NDArray[np.float32]
    dense: NDArray[np.float32]


def generator_of(*name: object) -> Generator:
    """Returns the random generator of a name."""
    text = ":".join(map(str, name))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def make_batch(pool: Pool, seed: int, step: int, size: int, varied: float) -> Batch:
    """Returns the batch of a step; `varied` is the share of scenes with other things or another ground."""
    samples = [make_sample(pool, generator_of(seed, "batch", step, row), varied) for row in range(size)]
    pictures = np.stack([sample.picture for sample in samples]).transpose(0, 3, 1, 2)
    stacked = [torch.from_numpy(np.stack(part)) for part in list(zip(*samples, strict=True))[1:]]
    return Batch(torch.from_numpy(np.ascontiguousarray(pictures)).float(), *stacked)


def make_sample(pool: Pool, rng: Generator, varied: float) -> Sample:
    """Returns one picture with prompts; scenes whose window shows nothing are drawn again."""
    while True:
        scene = pool[int(rng.integers(len(pool)))]
        image, ids = np.asarray(scene.image), np.asarray(scene.ids)
        if rng.random() < varied:
            other = pool[int(rng.integers(len(pool)))]
            image, ids = augment.paste_things(rng, image, ids, (np.asarray(other.image), np.asarray(other.ids)))
        if rng.random() < varied * 0.4:
            image = augment.swap_ground(rng, image, ids)
        view = augment.draw_view(rng, *ids.shape)
        window = augment.cut(ids, view, 0)
        grid = _nearest(window, MASK_SIZE)
        counts = np.bincount(grid.ravel(), minlength=2)
        shown = [int(number) for number in np.flatnonzero(counts >= _LEAST_PIXELS) if number]
        if shown:
            picture = augment.to_model_size(augment.cut(image, view, augment.MEAN))
            return Sample(augment.damage(rng, picture), *_ask(rng, window, shown, view), _dense(window))


def box_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the half-open box xyxy of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def _nearest(ids: Pixels, side: int) -> Pixels:
    """Returns ids at the centres of a square grid."""
    rows = ((np.arange(side) + 0.5) * ids.shape[0] / side).astype(np.int64)
    columns = ((np.arange(side) + 0.5) * ids.shape[1] / side).astype(np.int64)
    return ids[rows[:, None], columns[None, :]]


def _ask(rng: Generator, window: Pixels, shown: list[int], view: View) -> tuple[NDArray[np.float32], ...]:
    scale = np.array([IMAGE_SIZE / view.width, IMAGE_SIZE / view.height])
    points, boxes = np.zeros((PROMPTS, 2), np.float32), np.zeros((PROMPTS, 4), np.float32)
    is_box = np.array([0, 0, 1, 0, 0, 1, 0, 0], dtype=np.float32)
    masks = np.zeros((PROMPTS, MASK_SIZE, MASK_SIZE), np.float32)
    points[0] = _ground_point(rng, window, scale)
    weights = np.where(np.isin(shown, _touching(_nearest(window, MASK_SIZE))), 3.0, 1.0)
    order = list(rng.choice(shown, len(shown), replace=False, p=weights / weights.sum()))
    targets: dict[int, NDArray[np.float32]] = {}
    for row in range(1, PROMPTS):
        number = int(order[(row - 1) % len(order)])
        mask = window == number
        if number not in targets:
            small = Image.fromarray(mask.astype(np.uint8) * 255).resize((MASK_SIZE, MASK_SIZE), Image.Resampling.BOX)
            targets[number] = np.asarray(small, dtype=np.float32) / 255
        masks[row] = targets[number]
        if is_box[row]:
            boxes[row] = _jitter(rng, box_of(mask) * np.tile(scale, 2))
        else:
            y, x = np.unravel_index(rng.choice(np.flatnonzero(mask)), mask.shape)
            points[row] = (np.array([x, y]) + rng.random(2)) * scale
    return points, boxes, is_box, masks


def _touching(ids: Pixels) -> NDArray[np.uint8]:
    """Returns the things that meet another thing: the hard ones, asked for first."""
    pairs = [(ids[:, 1:], ids[:, :-1]), (ids[1:], ids[:-1])]
    met = [np.concatenate([a[both], b[both]]) for a, b in pairs for both in [(a != b) & (a > 0) & (b > 0)]]
    return np.unique(np.concatenate(met))


def _ground_point(rng: Generator, window: Pixels, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    for _ in range(50):
        y, x = (int(rng.integers(side)) for side in window.shape)
        if window[y, x] == 0:
            break
    return (np.array([x, y]) + 0.5) * scale


def _jitter(rng: Generator, box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the box with each side moved by up to 8 % of its length, at most 8 pixels; a third stay as they are."""
    if rng.random() < 0.34:
        return box
    reach = np.minimum(np.tile(box[2:] - box[:2], 2) * 0.08, 8)
    moved = np.clip(box + rng.uniform(-1, 1, 4) * reach, 0, IMAGE_SIZE)
    return moved if (moved[2:] - moved[:2] > 2).all() else box


def _dense(window: Pixels) -> NDArray[np.float32]:
    fine = _nearest(window, 2 * _DENSE)
    edge = np.zeros(fine.shape, dtype=np.bool_)
    across, down = fine[:, 1:] != fine[:, :-1], fine[1:] != fine[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    small = _nearest(window, _DENSE)
    counts = np.maximum(np.bincount(small.ravel(), minlength=256), 1)
    rows, columns = np.indices(small.shape)
    centre_x = np.bincount(small.ravel(), columns.ravel(), 256) / counts
    centre_y = np.bincount(small.ravel(), rows.ravel(), 256) / counts
    reach = 64 / (IMAGE_SIZE / _DENSE)
    thing = small > 0
    planes = [thing, edge.reshape(_DENSE, 2, _DENSE, 2).any(axis=(1, 3))]
    planes += [thing * (centre_x[small] - columns) / reach, thing * (centre_y[small] - rows) / reach]
    return np.stack(planes).astype(np.float32)
