"""The funnel of a run: per stage and unit what went in, was kept, dropped for which reason, failed; and the yields."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from pipelines.ledger import FOR_PEOPLE, total_counts
from schemas.manifest import ShardManifest, UnitCount

HEADINGS = ("stage", "unit", "in", "kept", "dropped", "failed", "seconds", "why dropped")


class Row(NamedTuple):
    """One balance as texts, in the order of the headings."""

    stage: str
    unit: str
    taken: str
    kept: str
    dropped: str
    failed: str
    seconds: str
    """Of the stage, over all workers; empty after its first unit."""
    why: str


def funnel_rows(manifests: Sequence[ShardManifest]) -> list[Row]:
    """Returns one row per stage and unit, in the order the steps ran."""
    seconds: dict[str, float] = {}
    for manifest in manifests:
        seconds[manifest.stage] = seconds.get(manifest.stage, 0.0) + manifest.seconds
    rows, seen = [], set()
    for (stage, unit), count in total_counts(manifests).items():
        spent = "" if stage in seen else f"{seconds[stage]:.1f}"
        seen.add(stage)
        taken, kept, dropped, failed = (
            f"{number:,}" for number in (count.taken, count.kept, count.dropped_total, count.failed)
        )
        rows.append(Row(stage, unit, taken, kept, dropped, failed, spent, why_text(count)))
    return rows


def why_text(count: UnitCount) -> str:
    """Returns the drop reasons of a balance, the most frequent first."""
    ordered = sorted(count.dropped, key=lambda drop: (-drop.count, drop.reason))
    return ", ".join(f"{drop.count:,} {drop.reason.value}" for drop in ordered)


def print_funnel(console: Console, manifests: Sequence[ShardManifest]) -> None:
    """Prints the funnel: a table on a terminal, aligned columns otherwise."""
    rows = funnel_rows(manifests)
    if console.is_terminal:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in HEADINGS:
            right = heading in ("in", "kept", "dropped", "failed", "seconds")
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    widths = [max(len(row[column]) for row in (*rows, HEADINGS)) for column in range(len(HEADINGS) - 1)]
    for cells in (HEADINGS, *rows):
        left = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(cells[2:7], widths[2:], strict=True)]
        console.file.write("  ".join((*left, *numbers, cells[7])).rstrip() + "\n")


def yield_lines(manifests: Sequence[ShardManifest]) -> list[str]:
    """Returns what came out of what, in words."""
    totals = total_counts(manifests)

    def kept(stage: str, unit: str) -> int:
        count = totals.get((stage, unit))
        return 0 if count is None else count.kept

    files, images = kept("list", "files"), kept("admit", "files")
    makers = (("synthesize", "proposals"), ("paraphrase", "questions"), ("compose", "written"))
    asked = max(kept("synthesize", "images"), kept("draft", "images"), kept("compose", "images"))
    proposed, accepted = sum(kept(*maker) for maker in makers), kept("route", "questions") - kept("route", FOR_PEOPLE)
    share = f" ({asked / images:.0%})" if images else ""
    each = f", {accepted / images:.1f} per image" if images else ""
    waiting = kept("route", FOR_PEOPLE)
    what = "questions" if ("compose", "written") in totals else "certified questions"
    return [
        f"{files:,} files -> {images:,} images -> {asked:,} with {what}{share}",
        f"{proposed:,} {what} -> {accepted:,} accepted{each}" + (f"; {waiting:,} for people" if waiting else ""),
        f"in = kept + dropped + failed holds for all {len(totals)} balances",
    ]
