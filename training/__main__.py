"""`python -m training COMMAND`: makes the weights of the embedded eyes, step by step. `training/README.md` explains."""

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from training.card import digests, read_card, update_card
from training.card_text import card_text, write_card
from training.pool import SHARD, SPLITS, fill_pool

SHIPPED = Path("stages/segmenters/weights")


def main() -> None:
    """Runs the command of the command line."""
    options = _parser().parse_args()
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "pool": draw_pool,
        "train": train_segmenter,
        "export": export,
        "crops": train_classifier,
        "singles": train_single,
        "calibrate": calibrate,
        "signs": calibrate_signs,
        "evaluate": evaluate,
    }
    commands[options.command](options)


def draw_pool(options: argparse.Namespace) -> None:
    """Draws the scenes of a split; those already there stay."""
    shards = -(-options.scenes // SHARD)
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as processes:
        tasks = [
            processes.submit(fill_pool, options.pool, options.split, first, shards, options.workers)
            for first in range(options.workers)
        ]
        for task in tasks:
            task.result()
    print(f"{options.pool}: {shards * SHARD} scenes of {options.split}")


def train_segmenter(options: argparse.Namespace) -> None:
    """Trains the segmenter, from its own checkpoint where there is one."""
    import torch

    from training.train import Times, TrainConfig, from_weights, load_state, new_state, train
    from training.weights import read_weights

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    config = TrainConfig(seed=options.seed, steps=options.steps, batch=options.batch)
    checkpoint = options.run / "checkpoint.pt"
    if checkpoint.exists():
        state = load_state(checkpoint, config, device)
    elif options.weights:
        state = from_weights(read_weights(options.weights), config, device)
    else:
        state = new_state(config, device)
    print(f"step {state.step} of {config.steps} on {device}")
    state = train(options.pool, options.run, config, state, Times(limit=options.minutes * 60))
    print(f"step {state.step} of {config.steps}; the learning curve is {options.run / 'curve.jsonl'}")


def export(options: argparse.Namespace) -> None:
    """Writes the graphs and the weights of a checkpoint's moving average, and what they were trained with."""
    import torch

    from training.export import export_segmenter
    from training.model import parameters_of
    from training.train import TrainConfig, load_state
    from training.weights import open_model, save_weights

    torch.set_num_threads(1)
    content = torch.load(options.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    config = TrainConfig(**content["config"])
    state = load_state(options.run / "checkpoint.pt", config, "cpu")
    options.weights.mkdir(parents=True, exist_ok=True)
    save_weights(state.average, options.weights)
    export_segmenter(open_model(options.weights), options.weights)
    lines = (options.run / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    trained = asdict(config) | {
        "step": state.step,
        "pictures": state.step * config.batch,
        "minutes": round(state.seconds / 60, 1),
        "parameters": parameters_of(state.average),
        "curve": [json.loads(line) for line in lines],
    }
    update_card(options.weights, "segmenter", trained)
    update_card(options.weights, "files", digests(options.weights))
    print(f"{options.weights}: step {state.step}")


def train_classifier(options: argparse.Namespace) -> None:
    """Trains the crop classifier on exact, roughened and predicted masks, and exports it."""
    import torch

    from training.classifier import make_classifier
    from training.crops import CropConfig

    torch.set_num_threads(1)
    make_classifier(options.pool, options.weights, options.scenes, CropConfig(epochs=options.epochs))


def train_single(options: argparse.Namespace) -> None:
    """Trains what tells one thing from two taken for one, on the classifier's features, and exports both."""
    import torch

    from training.singles import SingleConfig, make_single

    torch.set_num_threads(1)
    make_single(options.pool, options.weights, options.scenes, SingleConfig(fresh=options.fresh))


def calibrate(options: argparse.Namespace) -> None:
    """Chooses thresholds and temperatures on scenes that no number is reported on."""
    from training.calibrate import calibrate_crops, calibrate_masks

    calibrate_masks(options.weights, options.scenes)
    calibrate_crops(options.weights, options.scenes)


def calibrate_signs(options: argparse.Namespace) -> None:
    """Fits how much each sign of a merged mask counts, on scenes that no number is reported on."""
    from training.signs import calibrate_signs

    calibrate_signs(options.weights, options.scenes)


def evaluate(options: argparse.Namespace) -> None:
    """Measures the shipped graphs on the scenes for reporting and writes the numbers into the card."""
    from benchmarks.eyes import measure_eyes

    result = measure_eyes(options.scenes, options.workers, str(options.weights))
    update_card(options.weights, "report", result)
    if options.weights == SHIPPED:
        write_card(read_card(options.weights))
    print(card_text(read_card(options.weights)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pool, run, weights, scenes, workers = (_option(*one) for one in _SHARED)
    about = {
        "pool": (draw_pool, (pool, scenes, workers)),
        "train": (train_segmenter, (pool, run)),
        "export": (export, (run, weights)),
        "crops": (train_classifier, (pool, weights, scenes)),
        "singles": (train_single, (pool, weights, scenes)),
        "calibrate": (calibrate, (weights, scenes)),
        "signs": (calibrate_signs, (weights, scenes)),
        "evaluate": (evaluate, (weights, scenes, workers)),
    }
    own = {
        name: commands.add_parser(name, help=function.__doc__, description=function.__doc__, parents=parents)
        for name, (function, parents) in about.items()
    }
    own["pool"].add_argument("--split", choices=SPLITS, default="train")
    own["crops"].add_argument("--epochs", type=int, default=10)
    own["singles"].add_argument("--fresh", type=int, default=60, help="scenes drawn for predicted masks")
    for option, kind, default, meaning in _TRAINING:
        own["train"].add_argument(option, type=kind, default=default, help=meaning)
    return parser


_SHARED = (
    ("--pool", Path, Path("output/training/pool"), "folder of drawn scenes"),
    ("--run", Path, Path("output/training/run"), "folder of the checkpoint and the learning curve"),
    ("--weights", Path, SHIPPED, "folder of the published weights"),
    ("--scenes", int, 500, "number of scenes"),
    ("--workers", int, 2, "processes"),
)
_TRAINING = (
    ("--steps", int, 20_000, "steps in all; may be changed when a run is continued"),
    ("--batch", int, 4, "pictures per step"),
    ("--minutes", float, 1e6, "stop after so long, with a checkpoint"),
    ("--seed", int, 0, "of the first weights and of every batch"),
    ("--threads", int, 1, "threads of the processor"),
    ("--weights", Path, None, "folder of published weights to start from where the run has no checkpoint"),
)


def _option(name: str, kind: type, default: object, meaning: str) -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(name, type=kind, default=default, help=f"{meaning} (default: {default})")
    return parent


if __name__ == "__main__":
    main()
