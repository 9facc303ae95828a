"""Does a mask hold one thing, or two taken for one? A head on the crop classifier's features: its data and training.

What a segmenter merges it is sure of: every view of the picture shows the same merger. The crop of a mask, at the
picture's own resolution, tells. The classifier's own weights stay as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.rendering.config import RenderConfig
from stages.segmenters.crops import SIDE, cut_crops
from stages.segmenters.embedded import Embedded, EmbeddedConfig, open_embedded
from stages.segmenters.one_mask import OneMaskConfig, things_of
from stages.segmenters.protocol import EVERYTHING
from training.augment import Generator
from training.batches import generator_of
from training.card import digests, read_card, update_card
from training.crops import FEATURES, VOCABULARIES, CropNet, as_bytes, as_floats, roughen
from training.export import export_graph
from training.pool import Pool, PoolScene, draw_scene
from training.signs import MERGED, second_share

_SINGLE = 0.12
"""Up to this share of any second thing a mask holds one; what lies between this and `MERGED` is not learnt from."""
_TOUCH = 6
"""Pixels that two things must share as a border to be taken for one."""


class Wholes(NamedTuple):
    """Crops ``(n, 4, 48, 48)`` uint8 (the mask as 0..255), and whether each mask holds one thing only ``(n,)``."""

    pixels: NDArray[np.uint8]
    single: NDArray[np.bool_]


class SingleHead(nn.Module):
    """Features ``(n, 960)`` of the crop classifier to the log odds ``(n, 1)`` that a mask holds a single thing."""

    def __init__(self) -> None:
        """Builds it with fresh weights."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.layers = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(FEATURES, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns the log odds."""
        out: Tensor = self.layers((features - self.mean) / self.spread)
        return out


class NetWithSingle(nn.Module):
    """The crop classifier with one output more: its body is shared, and its own outputs stay what they were."""

    def __init__(self, net: CropNet, head: SingleHead) -> None:
        """Joins the two."""
        super().__init__()
        self.net, self.head = net, head

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Returns the logits in the order of `VOCABULARIES`, then those of a single thing."""
        features = self.net.features(crops)
        return (*self.net.read(features), self.head(features))


@dataclass(frozen=True)
class SingleConfig:
    """Everything that affects the head's weights, but for the pool and the classifier."""

    seed: int = 0
    epochs: int = 16
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.1
    fresh: int = 60
    """Scenes drawn for this alone, whose masks are the segmenter's: it has not learnt from them."""
    first_fresh: int = 100_000
    """Number of the first of them in the split ``train``."""


def make_single(folder: Path, weights: Path, scenes: int, config: SingleConfig) -> None:
    """Trains the head on the classifier's features and writes ``crops.onnx`` again, with it."""
    pool, net = Pool(folder, "train"), CropNet()
    net.load_state_dict(torch.load(folder / "crops.pt", weights_only=True))
    parts = [drawn_wholes(pool[index], generator_of(2, "singles", index)) for index in range(min(scenes, len(pool)))]
    parts += list(found_wholes(weights, range(config.first_fresh, config.first_fresh + config.fresh)))
    wholes = Wholes(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    print(f"{len(wholes.single)} crops, {np.count_nonzero(~wholes.single)} of them mergers", flush=True)
    head = train_single(features_of(net.eval(), wholes.pixels), torch.from_numpy(wholes.single), config)
    names = ("crops",), (*VOCABULARIES, "single"), ("crops", *VOCABULARIES, "single")
    joined = NetWithSingle(net, head).eval()
    export_graph(joined, (torch.zeros(2, 4, SIDE, SIDE),), weights / "crops.onnx", names)
    about = {"crops": len(wholes.single), "mergers": int(np.count_nonzero(~wholes.single))}
    update_card(weights, "crops", read_card(weights)["crops"] | {"single": about})
    update_card(weights, "files", digests(weights))


def drawn_wholes(scene: PoolScene, rng: Generator) -> Wholes:
    """Returns the crops of a scene's things with roughened masks, and of pairs that touch as one mask."""
    ids = np.asarray(scene.ids)
    masks = [ids == number for number in range(1, len(scene.things) + 1)]
    made = [(roughen(rng, mask), True) for mask in masks if rng.random() < 0.5]
    for one, other in touching(masks):
        made.append((roughen(rng, masks[one] | masks[other]), False))
        first, second = (one, other) if rng.random() < 0.5 else (other, one)
        made.append((roughen(rng, masks[first] | part_of(rng, masks[second])), False))
        made.append((roughen(rng, masks[first]), True))
    return _cropped(np.asarray(scene.image), made)


def found_wholes(weights: Path, numbers: range) -> Iterator[Wholes]:
    """Yields the crops of the masks that the segmenter finds in freshly drawn scenes."""
    eyes, one_mask = open_embedded(EmbeddedConfig(weights=str(weights))), OneMaskConfig()
    for number in numbers:
        scene = draw_scene("train", number, RenderConfig())
        yield labelled(scene, eyes, one_mask)


def labelled(scene: PoolScene, eyes: Embedded, one_mask: OneMaskConfig) -> Wholes:
    """Returns the crops of the masks found in a scene, without those that are neither clearly one thing nor two."""
    picture, ids = np.asarray(scene.image), np.asarray(scene.ids)
    found = [thing.mask for thing in things_of(eyes.find([picture], [EVERYTHING])[0], *ids.shape, one_mask)[0]]
    made = [(mask, second < _SINGLE) for mask in found if not _SINGLE <= (second := second_share(mask, ids)) < MERGED]
    return _cropped(picture, made)


def touching(masks: list[NDArray[np.bool_]]) -> Iterator[tuple[int, int]]:
    """Yields the pairs of masks that share a border."""
    for one, mask in enumerate(masks):
        for other in range(one + 1, len(masks)):
            across = np.count_nonzero(mask[:, 1:] & masks[other][:, :-1]) + np.count_nonzero(
                mask[:, :-1] & masks[other][:, 1:]
            )
            down = np.count_nonzero(mask[1:] & masks[other][:-1]) + np.count_nonzero(mask[:-1] & masks[other][1:])
            if across + down >= _TOUCH:
                yield one, other


def part_of(rng: Generator, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns what of a mask lies on one side of a line: half of it or more."""
    y, x = np.nonzero(mask)
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    part = np.zeros_like(mask)
    chosen = along <= np.quantile(along, rng.uniform(0.5, 1.0))
    part[y[chosen], x[chosen]] = True
    return part


@torch.inference_mode()
def features_of(net: CropNet, pixels: NDArray[np.uint8]) -> Tensor:
    """Returns the features ``(n, 960)`` of many crops."""
    parts = [net.features(as_floats(pixels[start : start + 256])) for start in range(0, len(pixels), 256)]
    return torch.cat(parts)


def train_single(features: Tensor, single: Tensor, config: SingleConfig) -> SingleHead:
    """Returns the trained head."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    head, truth = SingleHead(), single.float()[:, None]
    head.mean, head.spread = features.mean(0), features.std(0) + 1e-3
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.decay)
    for epoch in range(config.epochs):
        order, losses = torch.from_numpy(rng.permutation(len(single))), []
        for rows in order.split(config.batch):
            loss = functional.binary_cross_entropy_with_logits(head(features[rows]), truth[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)
    return head.eval()


def _cropped(picture: NDArray[np.uint8], made: list[tuple[NDArray[np.bool_], bool]]) -> Wholes:
    crops = as_bytes(cut_crops(picture, [mask for mask, _ in made]))
    return Wholes(crops, np.array([single for _, single in made], dtype=np.bool_))
