"""What it took: seconds per stage, tokens and money per job, in all and per accepted question."""

import duckdb

from pipelines.report.rows import rows_of
from pipelines.report.section import Block, Chart, ChartKind, Grid, Point, Section


def cost(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns the time of every stage; None where nothing has run yet."""
    found = rows_of(connection, "SELECT stage, seconds, ms_per_kept FROM cost_per_kept()")
    if not any(seconds for _, seconds, _ in found):
        return None
    grid = Grid("By stage", ("stage", "seconds", "ms per accepted question"), found)
    points = [Point(stage, seconds) for stage, seconds, _ in found]
    chart = Chart("Seconds by stage", "stage", "seconds", points, ChartKind.STRIPS)
    blocks: list[Block] = [chart, grid]
    spent = rows_of(connection, "FROM spent_per_kept()")
    if spent:
        headings = (
            "job",
            "role",
            "model",
            "replies",
            "without answer",
            "tokens in",
            "tokens out",
            "money",
            "per accepted",
        )
        blocks.append(Grid("What models were asked", headings, spent))
    lead = "Wall clock of each stage, summed over its shards and workers, without waiting for a worker."
    return Section("cost", "Time and cost", lead, tuple(blocks))
