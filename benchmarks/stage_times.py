"""Stages: milliseconds per rendered image, and what the factory around them costs."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

from benchmarks.plan import Plan
from benchmarks.rendered import painted_options, painted_source
from benchmarks.table import Table
from benchmarks.timing import cpu_seconds, settled_collector, wall_seconds
from pipelines.ledger import Ledger
from pipelines.produce import RunResult, produce_plain

STAGES = ("ingest", "segment", "describe", "synthesize", "judge", "route")


class _Costs(NamedTuple):
    """Milliseconds per image of one run."""

    functions: dict[str, float]
    """Processor time in the stage functions, by stage."""
    steps: dict[str, float]
    """Wall time of the steps around them, which read and write tables, by step."""
    total_cpu: float
    total_wall: float


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of the stages."""
    rendering, (_, _, count) = cpu_seconds(lambda: painted_source(plan))
    _produce(plan, 0, count)  # fills caches
    with settled_collector():
        runs = [_produce(plan, number, count) for number in range(1, 2 if plan.quick else 4)]
    rows: list[tuple[str, ...]] = [("render (not a stage)", f"{rendering * 1e3 / count:.1f}", "")]
    for stage in STAGES:
        function = median(costs.functions[stage] for costs in runs)
        rows.append((stage, f"{function:.1f}", f"{median(costs.steps[stage] for costs in runs):.1f}"))
    inside = median(sum(costs.functions.values()) for costs in runs)
    stepping = median(sum(costs.steps.values()) for costs in runs)
    total_cpu, total_wall = median(c.total_cpu for c in runs), median(c.total_wall for c in runs)
    rows += [
        ("all stages", f"{inside:.1f}", f"{stepping:.1f}"),
        ("produce_plain", f"{total_cpu:.1f}", f"{total_wall:.1f}"),
        ("overhead: all but the stage functions", f"{total_cpu - inside:.1f}", ""),
        ("overhead: outside the steps", "", f"{total_wall - stepping:.1f}"),
    ]
    notes = (
        f"{count} rendered scenes of 512x384, default profile (4 questions per image from 16 candidate families with "
        "their variants), 1 worker, no Prefect.",
        "stage function: processor time in it alone; step: wall time, with the reading and writing of its tables; "
        f"median of {len(runs)} run(s).",
        "The second overhead is listing, planning, locking, checking the balances.",
    )
    yield Table("Stages: milliseconds per image", ("stage", "stage function", "step"), rows, notes)


def _produce(plan: Plan, number: int, count: int) -> _Costs:
    options = painted_options(plan, plan.scratch / f"stages-{number}")
    spent: Counter[str] = Counter()
    with _timed_attempts(spent):
        total_wall, (total_cpu, result) = wall_seconds(lambda: cpu_seconds(lambda: produce_plain(options)))
    per_image = 1e3 / count
    return _Costs(
        {stage: spent[stage] * per_image for stage in STAGES},
        _step_seconds(result, per_image),
        total_cpu * per_image,
        total_wall * per_image,
    )


def _step_seconds(result: RunResult, factor: float) -> dict[str, float]:
    steps: Counter[str] = Counter()
    for manifest in result.manifests:
        steps[manifest.stage] += manifest.seconds * factor
    return dict(steps)


@contextmanager
def _timed_attempts(spent: Counter[str]) -> Iterator[None]:
    """Adds up the processor time of stage functions by stage: every step calls them through `Ledger.attempt`."""
    attempt = Ledger.attempt

    def timed(ledger: Ledger, record_id: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - as attempt
        started = time.process_time()
        try:
            return attempt(ledger, record_id, work)
        finally:
            spent[ledger._stage] += time.process_time() - started

    Ledger.attempt = timed
    try:
        yield
    finally:
        Ledger.attempt = attempt
