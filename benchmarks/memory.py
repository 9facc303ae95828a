"""Memory: peak of a process that produces a dataset and then publishes it, at two numbers of images.

Every run is a process of its own (`benchmarks.memory_child`), with one worker, so the work is in that process.
"""

from collections.abc import Iterator

from benchmarks.child import figures_of
from benchmarks.plan import Plan
from benchmarks.table import Table, verdict_text
from tests.pipelines.tiny_source import write_source

MOST_GROWTH = 1.2
_MEBI = 1 << 20


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of peaks."""
    few, many = (50, 200) if plan.quick else (1_000, 10_000)
    small, large = _peaks(plan, few), _peaks(plan, many)
    rows = [
        (name, f"{small[name] / _MEBI:.0f}", f"{large[name] / _MEBI:.0f}", *_growth(plan, small[name], large[name]))
        for name in ("produce", "produce, publish")
    ]
    imported = small["after the imports"] / _MEBI
    rows.insert(0, ("after the imports", f"{imported:.0f}", f"{imported:.0f}", "", "", ""))
    notes = (
        "Peak resident memory of one process in MiB: 192x192 pictures of 6-9 things, 2 families per image with their "
        "variants, 1 worker.",
        f"Producing took {small['seconds']:.0f} and {large['seconds']:.0f} processor seconds. "
        "The last line is the same process after publishing too.",
        *(["Growth is not judged at these sizes."] if plan.quick else []),
    )
    headings = ("peak", f"{few:,} images", f"{many:,} images", "growth", "target", "")
    yield Table("Memory: flat in the number of images", headings, rows, notes)


def _growth(plan: Plan, small: float, large: float) -> tuple[str, str, str]:
    growth = large / small
    return f"{growth:.2f}x", f"{MOST_GROWTH}x", verdict_text(None if plan.quick else growth <= MOST_GROWTH)


def _peaks(plan: Plan, count: int) -> dict[str, float]:
    """Returns the child's peaks in bytes, and the seconds it took to produce."""
    folder = plan.scratch / f"memory-{count}"
    images, annotations = write_source(folder, count)
    return figures_of("benchmarks.memory_child", images, annotations, folder / "out")
