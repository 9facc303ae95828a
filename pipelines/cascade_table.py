"""The cascade as a table: per stage, cheapest first, what went in and out, what it asked and what that cost."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipelines.ledger import total_counts
from pipelines.store import Dataset
from schemas.manifest import ShardManifest

JUDGING = ("check", "blind", "solve", "rubric")
"""Stages that judge questions, in the order of their cost."""
_UNITS = {
    "screen": "images",
    "identify": "images",
    "look": "groups",
    "paraphrase": "paraphrases",
    "compose": "written",
    "check": "questions",
    "blind": "questions",
    "solve": "questions",
    "rubric": "questions",
    "trace": "paths",
}
_COLUMNS = ["input_tokens", "output_tokens", "seconds", "money"]


class CascadeRow(NamedTuple):
    """One stage."""

    stage: str
    unit: str
    taken: int
    kept: int
    calls: int
    """Replies it used; one that was stored by an earlier run counts too."""
    input_tokens: int
    output_tokens: int
    seconds: float
    """Of waiting for models, summed over calls."""
    money: float
    saved: int
    """Calls that the same stage would have made more if everything written had come to it."""


def cascade_rows(dataset: Dataset) -> list[CascadeRow]:
    """Returns the stages of a dataset that asked models or judged, in the order they ran."""
    manifests = dataset.manifests()
    totals = total_counts(manifests)
    entered = next((totals[name, "questions"].taken for name in JUDGING if (name, "questions") in totals), 0)
    rows = []
    for stage, unit in _UNITS.items():
        count = totals.get((stage, unit))
        if count is None:
            continue
        calls, spent = _calls(dataset, [manifest for manifest in manifests if manifest.stage == stage])
        each = calls / count.taken if count.taken else 0.0
        saved = round(each * (entered - count.taken)) if stage in JUDGING else 0
        rows.append(CascadeRow(stage, unit, count.taken, count.kept, calls, *spent, saved))
    return rows


def cascade_lines(rows: Sequence[CascadeRow]) -> Iterator[str]:
    """Yields the table in words, one line per stage that asked something, and what the order of the stages saved."""
    asked = [row for row in rows if row.calls]
    for row in asked:
        money = f", {row.money:.2f} spent" if row.money else ""
        yield (
            f"{row.stage}: {row.taken:,} {row.unit} in, {row.kept:,} out; {row.calls:,} calls, "
            f"{row.input_tokens:,} + {row.output_tokens:,} tokens, {row.seconds:,.0f} s of models{money}"
        )
    saved, made = sum(row.saved for row in asked), sum(row.calls for row in asked if row.stage in JUDGING)
    if made:
        yield f"judging cheapest first took {made:,} calls; judging everything would have taken {made + saved:,}"


def _calls(dataset: Dataset, manifests: Sequence[ShardManifest]) -> tuple[int, tuple[int, int, float, float]]:
    parts = [part for manifest in manifests for part in manifest.parts if part.table == "replies"]
    rows = dataset.read("replies", parts, _COLUMNS)
    sums = [float(sum(rows[name].to_pylist())) for name in _COLUMNS]
    return rows.num_rows, (int(sums[0]), int(sums[1]), sums[2], sums[3])
