"""The gate before release: a corpus that can be answered without its pictures is not published by accident.

What is judged is what would go out, people's verdicts included, by the attempts without the picture that were made
while it was produced. A corpus that no model has tried, like that of `make run`, has nothing to judge by and says so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb

from pipelines.errors import UserError
from pipelines.store import Dataset
from schemas.audit import Audit
from schemas.rollout import Scored, View
from stages.shortcut import Attempted, Gate, ShortcutConfig, audit, audit_text, gate_of, questions_needed, release_fault

_SHIPS = "FROM questions q JOIN decisions_in_effect d USING (question_id) WHERE d.route = 'accept'"
_ATTEMPTS = f"""
SELECT q.question_id, q.style, q.hop_count, q.answer, r.view, r.outcome
FROM rollouts r JOIN (SELECT q.* {_SHIPS}) q USING (question_id) WHERE r.view <> '{View.FULL.value}' ORDER BY ALL
"""


class GateRow(NamedTuple):
    """One group of questions that would go out, as the dataset card tells it."""

    style: str
    hops: str
    shown: str
    """What was shown instead of the picture."""
    questions: int
    right: str
    chance: str
    gate: str


class Judged(NamedTuple):
    """What the gate makes of a corpus."""

    rows: tuple[GateRow, ...]
    remarks: tuple[str, ...]
    """What somebody who publishes should hear: what was not judged, or was overlooked."""


def check_gate(dataset: Dataset, connection: duckdb.DuckDBPyConnection, allow_shortcuts: bool) -> Judged:
    """Passes where no group fails, and none that is large enough to be told has no verdict.

    Raises:
        UserError: one does, and nobody said that this is all right.
    """
    config = ShortcutConfig.model_validate(dataset.info.config.get("shortcut", {}))
    found = connection.execute(_ATTEMPTS).fetchall()
    audits = audit((Attempted(a, b, c, d, View(view), Scored(said)) for a, b, c, d, view, said in found), config)
    if not allow_shortcuts and (fault := release_fault(audits, config)):
        raise UserError(
            f"its words may tell the answers: {fault}; --allow-shortcuts publishes all the same, and the card says so"
        )
    styles = connection.execute(f"SELECT q.style, count(*) {_SHIPS} GROUP BY ALL ORDER BY ALL").fetchall()
    tried = {row.style for row in audits}
    untried = [
        GateRow(style, "all", "nothing", count, "", "", "not judged, no model has tried them without the picture")
        for style, count in styles
        if style not in tried
    ]
    rows = [*(_row(one, config) for one in audits), *untried]
    return Judged(tuple(rows), tuple(_remarks(audits, config)))


def _row(found: Audit, config: ShortcutConfig) -> GateRow:
    return GateRow(
        found.style,
        str(found.hop_count or "all"),
        "nothing" if found.view is View.BLIND else found.view.value,
        found.questions,
        f"{found.accuracy:.2f} ({found.low:.2f} to {found.high:.2f})",
        f"{found.chance:.2f}",
        _said(found, config),
    )


def _said(found: Audit, config: ShortcutConfig) -> str:
    gate = gate_of(found, config)
    if gate is Gate.TOO_FEW:
        return f"{gate.value} (about {questions_needed(found.chance, config):,} are needed)"
    return gate.value if gate is Gate.PASSED else f"{gate.value}, published all the same"


def _remarks(audits: Sequence[Audit], config: ShortcutConfig) -> list[str]:
    """Returns a line per style's group of all hop counts that did not pass."""
    return [
        f"shortcut gate: {_said(row, config)}; {audit_text(row)}"
        for row in audits
        if not row.hop_count and gate_of(row, config) is not Gate.PASSED
    ]
