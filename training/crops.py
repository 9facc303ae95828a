"""The crop classifier: a small CNN on RGB and mask, one head per attribute; its data, training and calibration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.rendering.catalogue import CATEGORIES, MEASURES
from stages.rendering.palette import COLOURS, MATERIALS
from stages.segmenters.crops import ABSENT, SIDE, cut_crops
from training.augment import Generator
from training.pool import Pool, PoolScene

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "category": tuple(sorted(CATEGORIES)),
    "colour": tuple(COLOURS),
    "material": tuple(MATERIALS),
    "digit": (ABSENT, *map(str, range(10))),
    "points": (ABSENT, *map(str, MEASURES["points"])),
    "pips": (ABSENT, *map(str, MEASURES["pips"])),
}
"""Values of each head, in the order of its logits."""


FEATURES = 96 * 9 + 96
"""What the classifier's body says of a crop."""


class Crops(NamedTuple):
    """Crops ``(n, 4, 48, 48)`` uint8 (the mask as 0..255) and the true index per head ``(n, heads)``."""

    pixels: NDArray[np.uint8]
    truth: NDArray[np.int64]


class CropNet(nn.Module):
    """Crops ``(n, 4, 48, 48)``, RGB 0..255 and mask 0..1, to logits per head."""

    def __init__(self) -> None:
        """Builds it with fresh weights."""
        super().__init__()
        self.body = nn.Sequential(
            _conv(4, 16), _conv(16, 32, 2), _conv(32, 32), _conv(32, 64, 2), _conv(64, 64), _conv(64, 96, 2)
        )
        self.pool = nn.AvgPool2d(2)
        self.hidden = nn.Linear(FEATURES, 160)
        self.drop = nn.Dropout(0.15)
        self.heads = nn.ModuleDict({name: nn.Linear(160, len(values)) for name, values in VOCABULARIES.items()})

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Returns the logits in the order of `VOCABULARIES`."""
        return self.read(self.features(crops))

    def features(self, crops: Tensor) -> Tensor:
        """Returns what the body sees, ``(n, 960)``."""
        maps = self.body(torch.cat([(crops[:, :3] - 128) / 64, crops[:, 3:] * 2 - 1], dim=1))
        return torch.cat([self.pool(maps).flatten(1), maps.flatten(2).amax(2)], dim=1)

    def read(self, features: Tensor) -> tuple[Tensor, ...]:
        """Returns the logits of what the body sees."""
        dropped = self.drop(functional.relu(self.hidden(features)))
        return tuple(head(dropped) for head in self.heads.values())


@dataclass(frozen=True)
class CropConfig:
    """Everything that affects the classifier's weights, but for the crops."""

    seed: int = 0
    epochs: int = 6
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.02


def true_crops(scene: PoolScene, rng: Generator | None) -> Crops:
    """Returns the crops of a scene's things with their exact masks, roughened where a generator is given."""
    ids = np.asarray(scene.ids)
    masks = [ids == number for number in range(1, len(scene.things) + 1)]
    if rng is not None:
        masks = [roughen(rng, mask) for mask in masks]
    return Crops(as_bytes(cut_crops(np.asarray(scene.image), masks)), truths(scene.things))


def truths(things: Any) -> NDArray[np.int64]:  # noqa: ANN401 - a sequence of fact tables
    """Returns the true index per head, ``(n, heads)``."""
    rows = [
        [values.index(ABSENT if thing[name] is None else str(thing[name])) for name, values in VOCABULARIES.items()]
        for thing in things
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, len(VOCABULARIES))


def as_bytes(crops: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns crops as bytes, the mask as 0..255."""
    scaled = crops.copy()
    scaled[:, 3] *= 255
    return np.rint(scaled).astype(np.uint8)


def roughen(rng: Generator, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the mask as a segmenter might draw it: shifted, grown, shrunk, coarse, or with a bite missing."""
    out = mask
    kind = rng.random()
    if kind < 0.25:
        return out
    if kind < 0.6:
        out = np.roll(out, (int(rng.integers(-2, 3)), int(rng.integers(-2, 3))), axis=(0, 1))
        for _ in range(int(rng.integers(0, 3))):
            out = _grown(out) if rng.random() < 0.5 else ~_grown(~out)
    elif kind < 0.85:
        rough = rng.normal(0, 1, (mask.shape[0] // 6 + 1, mask.shape[1] // 6 + 1)) > 0.9
        wide = np.kron(rough, np.ones((6, 6), dtype=np.bool_))[: mask.shape[0], : mask.shape[1]]
        out = np.where(_grown(mask) & ~mask | mask & ~(~_grown(~mask)), mask ^ wide, mask)
    else:
        rows, columns = np.nonzero(mask)
        pick = int(rng.integers(rows.size))
        reach = 0.25 * np.sqrt(rows.size)
        y, x = np.indices(mask.shape)
        out = mask & ((y - rows[pick]) ** 2 + (x - columns[pick]) ** 2 > reach**2)
    return out if np.count_nonzero(out) > 0.3 * np.count_nonzero(mask) else mask


def collect(pool: Pool, count: int, rng: Generator | None) -> Crops:
    """Returns the crops of the first `count` scenes of a pool."""
    parts = [true_crops(pool[index], rng) for index in range(min(count, len(pool)))]
    return Crops(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def train_crops(crops: Crops, config: CropConfig) -> Iterator[tuple[int, CropNet]]:
    """Yields the number of epochs done and the network after each."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    net = CropNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    steps = config.epochs * (len(crops.pixels) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps + 1, pct_start=0.15)
    for epoch in range(config.epochs):
        net.train()
        order = rng.permutation(len(crops.pixels))
        for start in range(0, len(order) - config.batch + 1, config.batch):
            rows = np.sort(order[start : start + config.batch])
            loss = crop_loss(net(jitter(rng, crops.pixels[rows])), torch.from_numpy(crops.truth[rows]))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        yield epoch + 1, net.eval()


def crop_loss(logits: tuple[Tensor, ...], truth: Tensor) -> Tensor:
    """Returns the sum over heads of the cross-entropy, labels smoothed a little."""
    parts = [functional.cross_entropy(part, truth[:, i], label_smoothing=0.01) for i, part in enumerate(logits)]
    return torch.stack(parts).sum()


def jitter(rng: Generator, pixels: NDArray[np.uint8]) -> Tensor:
    """Returns crops as the network takes them, in slightly other light, noise, and place."""
    crops = as_floats(pixels)
    n = len(crops)
    gain, shift = (
        torch.from_numpy(rng.uniform(low, high, (n, 1, 1, 1))).float() for low, high in ((0.9, 1.1), (-9, 9))
    )
    tint = torch.from_numpy(rng.uniform(0.96, 1.04, (n, 3, 1, 1))).float()
    noise = torch.from_numpy(rng.normal(0, 1, (n, 3, SIDE, SIDE)).astype(np.float32)) * float(rng.uniform(0, 5))
    crops[:, :3] = (crops[:, :3] * gain * tint + shift + noise).clamp(0, 255)
    dy, dx = (int(value) for value in rng.integers(-2, 3, 2))
    return torch.roll(crops, (dy, dx), dims=(2, 3))


def as_floats(pixels: NDArray[np.uint8]) -> Tensor:
    """Returns byte crops as the network takes them."""
    crops = torch.from_numpy(pixels).float()
    crops[:, 3] /= 255
    return crops


@torch.inference_mode()
def logits_of(net: CropNet, pixels: NDArray[np.uint8]) -> list[Tensor]:
    """Returns the logits of many crops, per head."""
    parts = [net(as_floats(pixels[start : start + 256])) for start in range(0, len(pixels), 256)]
    return [torch.cat(head) for head in zip(*parts, strict=True)]


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    return mask | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    layers = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after)
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
