"""`python -m benchmarks.scripted_server`: the stand-in as a process of its own. Prints its URL, serves until killed.

With `--dataset` it knows the scenes of a dataset. Answers come from an attribute, `--answers package.module:NAME`: a
mapping of jobs to functions (`benchmarks.scripted_server.asked.Answer`).
"""

import argparse
import gc
import importlib
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.scripted_server.scenes import SceneBook
from benchmarks.scripted_server.script import FAULTS, Faults, Manner
from benchmarks.scripted_server.server import ScriptedServer


def main() -> None:
    """Serves as the command line asks."""
    options = _parse()
    manner = Manner(latency=options.latency, seed=options.seed, knows_repeats=options.knows_repeats)
    faults = Faults(**{name: getattr(options, name) for name in FAULTS}, hang_seconds=options.hang_seconds)
    book = SceneBook() if options.dataset is None else book_of(options.dataset)
    gc.freeze()
    with ScriptedServer(_answers(options.answers), book, faults, manner, options.port) as server:
        print(server.url, flush=True)
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


def book_of(root: Path) -> SceneBook:
    """Returns the scenes of a dataset, with the regions of their instances as stages cut them out."""
    from benchmarks.scripted_answers.book import book_of_dataset
    from pipelines.steps import source_folder
    from pipelines.store import Dataset

    dataset = Dataset.open(root)
    return book_of_dataset(dataset, source_folder(root, dataset.info))


def _answers(place: str | None) -> Mapping[str, Any]:
    if place is None:
        return {}
    module, _, name = place.partition(":")
    answers: Mapping[str, Any] = getattr(importlib.import_module(module), name)
    return answers


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scripted_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until an answer is sent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dataset", type=Path, help="whose scenes it knows")
    parser.add_argument("--answers", help="package.module:NAME, a mapping of jobs to answer functions")
    parser.add_argument("--knows-repeats", action="store_true", help="bills a repeated request key once")
    parser.add_argument("--hang-seconds", type=float, default=5.0, help="how long a timeout fault keeps silent")
    for name in FAULTS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=0.0, help="chance per attempt")
    return parser.parse_args()


if __name__ == "__main__":
    main()
