"""The training loop of the segmenter, on CPU or one GPU: resumable, and the same from the same seed, pool and steps."""

import copy
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.batches import Batch, make_batch
from training.losses import loss_of
from training.measure import measure
from training.model import TinySam
from training.pool import Pool


@dataclass(frozen=True)
class TrainConfig:
    """Everything that affects the weights, but for the pool."""

    seed: int = 0
    steps: int = 20_000
    """Steps in all; the learning rate falls to zero over the last of them."""
    batch: int = 4
    """Pictures per step."""
    rate: float = 1.2e-3
    warm_up: int = 100
    """Steps over which the learning rate rises."""
    cool_down: float = 0.3
    """Share of the steps over which it falls."""
    decay: float = 0.02
    """Weight decay, of matrices and kernels only."""
    average: float = 0.998
    """Weight of the past in the moving average that is evaluated and exported."""
    varied: float = 0.4
    """Share of scenes with things of another scene pasted in."""


@dataclass(eq=False)
class State:
    """A model in training."""

    model: TinySam
    average: TinySam
    optimiser: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    """Time spent in steps, wall clock, over all runs."""


class _Steps(Dataset[Batch]):
    """The batch of each step; one item is one batch."""

    def __init__(self, folder: Path, config: TrainConfig, device: str) -> None:
        self._folder, self._config = folder, config
        self._pool: Pool | None = None

    def __len__(self) -> int:
        return self._config.steps

    def __getitem__(self, step: int) -> Batch:
        if self._pool is None:
            torch.set_num_threads(1)
            self._pool = Pool(self._folder, "train")
        return make_batch(self._pool, self._config.seed, step, self._config.batch, self._config.varied)


def new_state(config: TrainConfig, device: str) -> State:
    """Returns fresh weights, drawn from the seed."""
    torch.manual_seed(config.seed)
    model = TinySam().to(device).to(memory_format=torch.channels_last)  # a tenth faster on CPU
    return State(model, copy.deepcopy(model).eval(), _optimiser(model, config))


def save_state(state: State, config: TrainConfig, path: Path) -> None:
    """Writes a checkpoint by rename: weights, average, optimiser, step."""
    content = {
        "model": state.model.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "config": asdict(config),
    }
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(content, unfinished)
    os.replace(unfinished, path)


def load_state(path: Path, config: TrainConfig, device: str) -> State:
    """Returns a state from a checkpoint; the number of steps and the rate may differ from those it was made with."""
    content = torch.load(path, map_location=device, weights_only=True)
    state = new_state(config, device)
    state.model.load_state_dict(content["model"])
    state.average.load_state_dict(content["average"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.step, state.seconds = int(content["step"]), float(content["seconds"])
    return state


def from_weights(weights: dict[str, Tensor], config: TrainConfig, device: str) -> State:
    """Returns a state that starts from published weights: a fresh optimiser, step 0."""
    state = new_state(config, device)
    state.model.load_state_dict(weights)
    state.average.load_state_dict(weights)
    return state


def take_step(state: State, batch: Batch, config: TrainConfig, device: str) -> dict[str, float]:
    """Learns from one batch and returns the parts of its loss."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate_at(state.step, config)
    state.model.train()
    moved = Batch(*(part.to(device) for part in batch))
    masks, iou, dense = state.model(moved.pictures, moved.points, moved.boxes, moved.is_box)
    loss, told = loss_of(masks, iou, dense, moved)
    if not torch.isfinite(loss):
        raise FloatingPointError(f"the loss at step {state.step} is {float(loss.detach())}")
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimiser.step()
    state.step += 1
    _average(state, config)
    return told | {"loss": float(loss.detach())}


def rate_at(step: int, config: TrainConfig) -> float:
    """Returns the learning rate: a rise, a plateau, a fall to one fiftieth."""
    rise = min(1.0, (step + 1) / config.warm_up)
    left = (config.steps - step) / max(1.0, config.cool_down * config.steps)
    return config.rate * rise * max(0.02, min(1.0, left))


def train(folder: Path, run: Path, config: TrainConfig, state: State, times: "Times") -> State:
    """Trains until the last step or the time limit, with a checkpoint and a line in `curve.jsonl` now and then."""
    run.mkdir(parents=True, exist_ok=True)
    device = next(state.model.parameters()).device.type
    held_out = Pool(folder, "calibrate")
    started = saved = evaluated = time.monotonic()
    recent: list[dict[str, float]] = []
    for batch in _batches(folder, config, state.step, device):
        began = time.monotonic()
        recent.append(take_step(state, batch, config, device))
        now = time.monotonic()
        state.seconds += now - began
        over = state.step >= config.steps or now - started > times.limit
        if over or now - evaluated > times.evaluate:
            _log(run, state, recent, config, measure(state.average, held_out, times.scenes)._asdict())
            recent, evaluated = [], time.monotonic()
        if over or now - saved > times.save:
            save_state(state, config, run / "checkpoint.pt")
            saved = time.monotonic()
        if over:
            break
    return state


@dataclass(frozen=True)
class Times:
    """When to do what besides learning, seconds; nothing here affects the weights but `limit`."""

    limit: float = 1e9
    evaluate: float = 300.0
    save: float = 180.0
    scenes: int = 30
    """Held-out scenes per evaluation."""


def _batches(folder: Path, config: TrainConfig, first: int, device: str) -> Iterator[Batch]:
    workers = 1 if device == "cpu" else 8
    steps = _Steps(folder, config, device)
    loader = DataLoader(
        steps, batch_size=None, sampler=range(first, config.steps), num_workers=workers, prefetch_factor=4
    )
    return iter(loader)


def _log(run: Path, state: State, recent: list[dict[str, float]], config: TrainConfig, quality: dict[str, Any]) -> None:
    means = {f"train_{key}": round(sum(row[key] for row in recent) / len(recent), 4) for key in recent[0]}
    line = {"step": state.step, "pictures": state.step * config.batch, "minutes": round(state.seconds / 60, 1)}
    line |= {"rate": round(rate_at(state.step, config), 6)} | means | quality
    with (run / "curve.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


@torch.no_grad()
def _average(state: State, config: TrainConfig) -> None:
    keep = min(config.average, (1 + state.step) / (10 + state.step))
    current = state.model.state_dict()
    for name, value in state.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - keep)
        else:
            value.copy_(current[name])


def _optimiser(model: TinySam, config: TrainConfig) -> torch.optim.AdamW:
    embeddings = ("position", "point_embeddings", "not_a_point", "no_mask", "iou_token", "mask_tokens")
    decayed, free = [], []
    for name, weight in model.named_parameters():
        plain = weight.ndim < 2 or any(part in name for part in embeddings)
        (free if plain else decayed).append(weight)
    groups = [{"params": decayed, "weight_decay": config.decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.98))
