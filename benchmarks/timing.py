"""Measuring: processor seconds, wall seconds, and a garbage collector that stays out of the way."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")


@contextmanager
def settled_collector() -> Iterator[None]:
    """Keeps the collector, as a long-lived worker would, from walking again and again over what stays loaded."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def cpu_seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Returns the processor seconds of this process that the work took, over all its threads, and its result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def wall_seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Returns the seconds that passed while the work was done, and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result
