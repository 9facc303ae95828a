"""A pool of rendered scenes on disk, in shards that are complete or absent, for training and for held-out measures.

A shard is three files: ``NAME.images.npy`` ``(N, H, W, 3)`` uint8 RGB, ``NAME.ids.npy`` ``(N, H, W)`` uint8 (0 is the
ground, ``k`` is thing ``k - 1`` of the scene) and ``NAME.things.json`` (what each thing is), written last. Scene ``i``
of a split is drawn from the name ``SPLIT:scene:i``; datasets draw from names that begin with a number, so that no
dataset shares a scene with any split.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.rendering.config import RenderConfig
from stages.rendering.scene import RenderedThing, render_scene

SHARD = 100
"""Scenes in a shard."""
SPLITS = ("train", "calibrate", "report")
"""Scenes to learn from, to choose thresholds on, and to report numbers on; disjoint by name."""


@dataclass(frozen=True, eq=False)
class PoolScene:
    """One scene: picture ``(H, W, 3)`` uint8, ids ``(H, W)`` uint8, and per thing its attributes by name."""

    image: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    things: Sequence[dict[str, Any]]


def fill_pool(folder: Path, split: str, first: int, last: int, step: int = 1) -> None:
    """Draws the shards ``first, first + step, ... < last`` of a split unless they are there."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(first, last, step):
        if not _things_path(folder, split, shard).exists():
            numbers = range(shard * SHARD, (shard + 1) * SHARD)
            write_shard(folder, split, shard, [draw_scene(split, number, RenderConfig()) for number in numbers])


def draw_scene(split: str, number: int, config: RenderConfig) -> PoolScene:
    """Returns one scene of a split."""
    scene = render_scene(f"{split}:scene:{number}", config)
    ids = np.zeros(scene.image.shape[:2], dtype=np.uint8)
    for index, thing in enumerate(scene.things, start=1):
        ids[thing.mask] = index
    return PoolScene(scene.image, ids, [_facts(thing) for thing in scene.things])


class Pool:
    """The complete shards of a split, memory-mapped; `refresh` takes in those finished since."""

    def __init__(self, folder: Path, split: str) -> None:
        """Opens what is there."""
        self._folder, self._split = folder, split
        self._shards: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8], list[list[dict[str, Any]]]]] = {}
        self._index: list[tuple[str, int]] = []
        self.refresh()

    def __len__(self) -> int:
        """Returns the number of scenes."""
        return len(self._index)

    def __getitem__(self, index: int) -> PoolScene:
        """Returns one scene; its arrays are read from disk when used."""
        name, row = self._index[index]
        images, ids, things = self._shards[name]
        return PoolScene(images[row], ids[row], things[row])

    def refresh(self) -> None:
        """Takes in the shards finished since."""
        for path in sorted(self._folder.glob(f"{self._split}-*.things.json")):
            stem = path.name.removesuffix(".things.json")
            if stem not in self._shards:
                images = np.load(path.with_name(f"{stem}.images.npy"), mmap_mode="r")
                ids = np.load(path.with_name(f"{stem}.ids.npy"), mmap_mode="r")
                self._shards[stem] = images, ids, json.loads(path.read_text(encoding="utf-8"))
        self._index = [(name, row) for name in sorted(self._shards) for row in range(len(self._shards[name][2]))]


def write_shard(folder: Path, split: str, shard: int, scenes: Sequence[PoolScene]) -> None:
    """Writes scenes of one size as a shard; what each thing is comes last, and with it the shard is complete."""
    done = _things_path(folder, split, shard)
    stem = done.name.removesuffix(".things.json")
    _save(done.with_name(f"{stem}.images.npy"), np.stack([scene.image for scene in scenes]))
    _save(done.with_name(f"{stem}.ids.npy"), np.stack([scene.ids for scene in scenes]))
    unfinished = done.with_name(f".{done.name}.{os.getpid()}")
    unfinished.write_text(json.dumps([list(scene.things) for scene in scenes]), encoding="utf-8")
    os.replace(unfinished, done)


def _save(path: Path, array: NDArray[np.uint8]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        np.save(file, array)
    os.replace(unfinished, path)


def _things_path(folder: Path, split: str, shard: int) -> Path:
    return folder / f"{split}-{shard:05d}.things.json"


def _facts(thing: RenderedThing) -> dict[str, Any]:
    facts: dict[str, Any] = {"category": thing.category, "colour": thing.colour, "size": thing.size}
    facts |= {"material": thing.material, "digit": thing.digit, "visible_fraction": round(thing.visible_fraction, 6)}
    return facts | {name: thing.measures.get(name) for name in ("points", "pips")}
