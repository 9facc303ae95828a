"""What the accepted questions are like: answers, hops, categories, shapes, margins."""

import duckdb

from pipelines.report.rows import rows_of
from pipelines.report.section import Chart, ChartKind, Point, Section

_KEPT = "outcomes WHERE ended IN ('accepted', 'published')"
_MOST_BARS = 18


def distributions(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns how accepted questions spread; None where there are none."""
    answers = _points(connection, f"SELECT answer, count(*), '' FROM {_KEPT} GROUP BY answer ORDER BY answer")
    if not answers:
        return None
    hops = _points(
        connection, f"SELECT hop_count, count(*), variant FROM {_KEPT} GROUP BY ALL ORDER BY hop_count, variant"
    )
    charts = (
        Chart("Answers", "answer", "questions", _grouped(answers)),
        Chart("Hops", "hops", "questions", hops),
        Chart("Categories that questions name", "", "questions", _categories(connection), ChartKind.STRIPS),
        Chart("Form of the question", "", "questions", _forms(connection), ChartKind.STRIPS),
        Chart("Margin of the weakest fact", "margin, in cut-offs", "questions", _margins(connection)),
        Chart("Which fact is the weakest", "", "questions", _weakest(connection), ChartKind.STRIPS),
        Chart("Luck of the luckiest hop", "chance of the answer by one wrong turn", "questions", _luck(connection)),
    )
    lead = "Accepted questions only. A margin of 1 is the cut-off below which a question is dropped."
    return Section("distributions", "What the questions are like", lead, charts)


def _points(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Point]:
    return [Point(x, float(y), series) for x, y, series in rows_of(connection, sql)]


def _grouped(points: list[Point]) -> list[Point]:
    """Large numbers share a bar, so that the small ones stay readable."""
    if len(points) <= _MOST_BARS:
        return points
    shown, rest = points[: _MOST_BARS - 1], points[_MOST_BARS - 1 :]
    return [*shown, Point(f"{rest[0].x} or more", sum(point.y for point in rest))]


def _categories(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    named = f"SELECT unnest(categories) AS name FROM {_KEPT}"
    sql = f"SELECT name, count(*), '' FROM ({named}) GROUP BY name ORDER BY 2 DESC, 1 LIMIT {_MOST_BARS}"
    return _points(connection, sql)


def _forms(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    form = "replace(string_split(cell, '|')[2], '_', ' ')"
    sql = f"SELECT coalesce({form}, cell), count(*), '' FROM {_KEPT} GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT {_MOST_BARS}"
    return _points(connection, sql)


def _margins(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    edges = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
    labels = (
        ["below 1"] + [f"{low:g} to {high:g}" for low, high in zip(edges, edges[1:], strict=False)] + ["10 or more"]
    )
    place = " + ".join(f"(margin >= {edge})::INT" for edge in edges)
    found = rows_of(connection, f"SELECT {place} AS place, count(*) FROM {_KEPT} GROUP BY place")
    counts = {place: count for place, count in found}
    return [Point(label, float(counts.get(place, 0))) for place, label in enumerate(labels) if place or counts.get(0)]


def _weakest(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    sql = f"SELECT replace(weakest_fact, '_', ' '), count(*), '' FROM {_KEPT} GROUP BY ALL ORDER BY 2 DESC, 1"
    return _points(connection, f"{sql} LIMIT {_MOST_BARS}")


def _luck(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    steps = "CASE WHEN luck = 0 THEN 'none' ELSE 'up to ' || printf('%.2f', ceil(luck * 20) / 20) END"
    return _points(connection, f"SELECT {steps}, count(*), '' FROM {_KEPT} GROUP BY 1 ORDER BY min(luck)")
