"""The funnel: for every stage what went in, was kept, dropped and why, failed."""

from collections import defaultdict

import duckdb

from pipelines.report.rows import rows_of
from pipelines.report.section import Flow, Funnel, Section


def funnel(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns the balances of all stages; None where nothing has run yet."""
    balances = rows_of(connection, "SELECT stage, unit, taken, kept, dropped, failed FROM yield_by_stage()")
    if not balances:
        return None
    reasons: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for stage, unit, reason, count in rows_of(
        connection, "SELECT stage, unit, reason, sum(count) FROM losses GROUP BY ALL ORDER BY 4 DESC, 3"
    ):
        reasons[stage, unit].append((reason, int(count)))
    flows = tuple(
        Flow(stage, unit, int(taken), int(kept), tuple(reasons[stage, unit]), int(failed))
        for stage, unit, taken, kept, _, failed in balances
    )
    lead = "In = kept + dropped + failed, for every stage; a run that cannot show it fails. A bar is what went in."
    return Section("funnel", "The funnel", lead, (Funnel(flows),))
