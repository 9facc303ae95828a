"""`python -m benchmarks [--only NAME] [--quick] [--dataset DIR]`: runs the benchmarks and prints a table for each."""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    blind,
    cascade,
    engine,
    eyes,
    memory,
    model_calls,
    people,
    people_restarts,
    people_sync,
    perception,
    publishing,
    report,
    scale,
    segmenters,
    sql,
    stage_times,
    store,
)
from benchmarks.plan import Plan
from benchmarks.table import Table, print_table

BENCHMARKS: dict[str, Callable[[Plan], Iterator[Table]]] = {
    "engine": engine.run,
    "blind": blind.run,
    "stages": stage_times.run,
    "store": store.run,
    "sql": sql.run,
    "report": report.run,
    "publish": publishing.run,
    "memory": memory.run,
    "scale": scale.run,
    "people": people.run,
    "people-sync": people_sync.run,
    "people-restarts": people_restarts.run,
    "calls": model_calls.run,
    "eyes": eyes.run,
    "cascade": cascade.run,
    "perception": perception.run,
    "segmenters": segmenters.run,
}


def main() -> None:
    """Runs what the command line asks for."""
    options = _parse()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}{', quick: rough figures' * options.quick}")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="hopyard-bench-") as scratch:
        plan = Plan(options.quick, Path(scratch), options.scenes, options.dataset)
        for name in options.only or BENCHMARKS:
            begun = time.perf_counter()
            for table in BENCHMARKS[name](plan):
                print_table(table)
            print(f"({name}: {time.perf_counter() - begun:.0f} s)", flush=True)
    print(f"all done in {time.perf_counter() - started:.0f} s")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=tuple(BENCHMARKS), help="run this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--scenes", type=int, default=0, help="scenes of the eyes and the cascade (default: 500; 640)")
    parser.add_argument("--dataset", type=Path, help="a finished dataset whose questions the blind benchmark reads too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
