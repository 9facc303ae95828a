"""The balance of one stage on one shard: what went in, was kept, dropped, failed. It must add up, or the run fails.

What goes in is counted when it is read, what comes out when it is written: neither is derived from the other.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from pipelines.errors import ConservationError
from schemas.drop import Drop, DropReason
from schemas.manifest import DropCount, Failure, ShardManifest, UnitCount

Result = TypeVar("Result")


class Ledger:
    """Counts per unit, with the drops and failures themselves. One per stage and shard."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._taken: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._dropped: dict[str, Counter[DropReason]] = {}
        self.drops: list[Drop] = []
        self.failures: list[Failure] = []

    def take(self, unit: str, count: int = 1) -> None:
        self._taken[unit] += count

    def keep(self, unit: str, count: int = 1) -> None:
        self._kept[unit] += count

    def drop(self, unit: str, drops: Iterable[Drop]) -> None:
        counter = self._dropped.setdefault(unit, Counter())
        for drop in drops:
            counter[drop.reason] += 1
            self.drops.append(drop)

    def count_drops(self, unit: str, reason: DropReason, count: int) -> None:
        """Counts drops whose rows the caller writes itself."""
        if count:
            self._dropped.setdefault(unit, Counter())[reason] += count

    def fail(self, unit: str, count: int = 1) -> None:
        self._failed[unit] += count

    def attempt(self, record_id: str, work: Callable[[], Result]) -> Result | None:
        """Returns what the work returns; on an unexpected exception records a failure and returns None.

        One bad record never ends a run. This is the only place that catches everything.
        """
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the one boundary between a record and its shard
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self.failures.append(Failure(stage=self._stage, id=record_id, error=text[:500]))
            return None

    def close(self) -> tuple[UnitCount, ...]:
        """Returns the balance of every unit, in the order they were first taken.

        Raises:
            ConservationError: a unit does not add up.
        """
        stray = (self._kept.keys() | self._dropped.keys() | self._failed.keys()) - self._taken.keys()
        if stray:
            raise ConservationError(f"{self._stage} counts {', '.join(sorted(stray))} that it never took")
        counts = tuple(self._balance(unit) for unit in self._taken)
        for count in counts:
            if count.missing:
                raise ConservationError(f"{self._stage}: {balance_text(count)}")
        return counts

    def _balance(self, unit: str) -> UnitCount:
        reasons = self._dropped.get(unit, Counter())
        dropped = tuple(DropCount(reason=reason, count=reasons[reason]) for reason in sorted(reasons))
        return UnitCount(
            unit=unit, taken=self._taken[unit], kept=self._kept[unit], dropped=dropped, failed=self._failed[unit]
        )


def balance_text(count: UnitCount) -> str:
    """Returns a balance that does not add up, in words."""
    return (
        f"{count.taken} {count.unit} in, but {count.kept} kept + {count.dropped_total} dropped + {count.failed} failed "
        f"leave {count.missing} unaccounted for"
    )


FOR_PEOPLE = "of them for people"
"""Unit of `route`: the kept questions that people decide about."""

Unit = tuple[str, str]
"""Stage and unit."""

_CASCADE = (("rubric", "questions"), ("solve", "questions"), ("blind", "questions"), ("check", "questions"))

CHAIN: tuple[tuple[Unit, tuple[tuple[Unit, ...], ...]], ...] = (
    (("ingest", "files"), ((("list", "files"),),)),
    (("admit", "files"), ((("ingest", "files"),),)),
    (("screen", "images"), ((("admit", "files"),),)),
    (("segment", "images"), ((("screen", "images"),), (("admit", "files"),))),
    (("describe", "images"), ((("segment", "images"),),)),
    (("describe", "instances"), ((("segment", "annotations"), ("segment", "masks")),)),
    (("identify", "images"), ((("segment", "images"),),)),
    (("synthesize", "images"), ((("describe", "images"),),)),
    (("draft", "images"), ((("describe", "images"),),)),
    (("compose", "images"), ((("describe", "images"),),)),
    (("judge", "questions"), ((("synthesize", "proposals"),),)),
    (("paraphrase", "questions"), ((("draft", "proposals"),),)),
    (("check", "questions"), ((("paraphrase", "questions"), ("compose", "written")),)),
    (("blind", "questions"), tuple((one,) for one in _CASCADE[3:])),
    (("solve", "questions"), tuple((one,) for one in _CASCADE[2:])),
    (("rubric", "questions"), tuple((one,) for one in _CASCADE[1:])),
    (("route", "questions"), (*((one,) for one in _CASCADE), (("judge", "questions"),))),
)
"""What a stage takes, and what earlier stages keep for it: the first group of them that ran, all together.

Nothing gets lost between stages either.
"""

ROWS: tuple[tuple[str, tuple[Unit, ...]], ...] = (
    ("files", (("ingest", "files"),)),
    ("images", (("admit", "files"),)),
    ("rich", (("screen", "images"),)),
    ("segments", (("segment", "annotations"), ("segment", "masks"))),
    ("instances", (("describe", "instances"),)),
    ("named", (("identify", "names"),)),
    ("looks", (("look", "attributes"),)),
    ("drafts", (("draft", "proposals"),)),
    ("questions", (("synthesize", "proposals"), ("paraphrase", "questions"), ("compose", "written"))),
    ("traces", (("trace", "paths"),)),
    ("audits", (("audit", "groups"),)),
    ("samples", (("publish", "questions"),)),
)
"""Table and what its rows are: all that these stages kept."""


def total_counts(manifests: Iterable[ShardManifest]) -> dict[tuple[str, str], UnitCount]:
    """Returns the balance over all shards by (stage, unit), in the order met."""
    totals: dict[tuple[str, str], UnitCount] = {}
    for manifest in manifests:
        for count in manifest.counts:
            key = (manifest.stage, count.unit)
            totals[key] = count if key not in totals else _add(totals[key], count)
    return totals


def check_run(manifests: Iterable[ShardManifest]) -> tuple[str, ...]:
    """Returns every way in which the manifests do not add up, over units, between stages and against the parts."""
    found = tuple(manifests)
    totals = total_counts(found)
    rows: Counter[str] = Counter()
    for manifest in found:
        rows.update(_rows(manifest))
    problems = [f"{stage}: {balance_text(count)}" for (stage, _), count in totals.items() if count.missing]
    for target, groups in CHAIN:
        sources = next((ran for group in groups if (ran := [one for one in group if one in totals])), [])
        kept = sum(totals[source].kept for source in sources)
        if sources and target in totals and kept != totals[target].taken:
            problems.append(f"{_told(totals, sources)}, but {target[0]} took {totals[target].taken} {target[1]}")
    for table, units in ROWS:
        sources = [one for one in units if one in totals]
        kept = sum(totals[source].kept for source in sources)
        if sources and rows[table] != kept:
            problems.append(f"{_told(totals, sources)}, but {table} has {rows[table]} rows")
    dropped = sum(count.dropped_total for count in totals.values())
    if rows["drops"] != dropped:
        problems.append(f"the stages dropped {dropped} records, but drops has {rows['drops']} rows")
    return tuple(problems)


def _told(totals: dict[Unit, UnitCount], sources: list[Unit]) -> str:
    return " and ".join(f"{stage} kept {totals[stage, unit].kept} {unit}" for stage, unit in sources)


def _rows(manifest: ShardManifest) -> Counter[str]:
    rows: Counter[str] = Counter()
    for part in manifest.parts:
        rows[part.table] += part.rows
    return rows


def _add(left: UnitCount, right: UnitCount) -> UnitCount:
    reasons: Counter[DropReason] = Counter()
    for drop in (*left.dropped, *right.dropped):
        reasons[drop.reason] += drop.count
    return UnitCount(
        unit=left.unit,
        taken=left.taken + right.taken,
        kept=left.kept + right.kept,
        dropped=tuple(DropCount(reason=reason, count=reasons[reason]) for reason in sorted(reasons)),
        failed=left.failed + right.failed,
    )
