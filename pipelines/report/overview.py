"""The first numbers: how many pictures went in and how many questions came out."""

import duckdb

from pipelines.report.rows import count_of, duration, percent, rows_of
from pipelines.report.section import Figure, Figures, Section


def overview(connection: duckdb.DuckDBPyConnection) -> Section | None:
    """Returns the key numbers of the dataset."""
    images, asked = count_of(connection, "images"), count_of(connection, "questions")
    kept = count_of(connection, "outcomes WHERE ended IN ('accepted', 'published')")
    published = count_of(connection, "samples")
    pictures = count_of(connection, "(SELECT DISTINCT image_id FROM outcomes WHERE ended IN ('accepted', 'published'))")
    people = count_of(connection, "outcomes WHERE ended = 'people'")
    ((seconds,),) = rows_of(connection, "SELECT coalesce(sum(seconds), 0) FROM work")
    figures = [
        Figure("pictures admitted", f"{images:,}"),
        Figure("certified questions", f"{asked:,}", f"{asked / images:.1f} per picture" if images else ""),
        Figure("accepted", f"{kept:,}", f"{percent(kept, asked)} of the certified" if asked else ""),
        Figure("published", f"{published:,}", _splits(connection)),
        Figure("pictures with a question", f"{pictures:,}", f"{percent(pictures, images)} of the admitted"),
        Figure("work", duration(seconds), f"{duration(seconds / kept)} per accepted question" if kept else ""),
    ]
    if people:
        figures.insert(3, Figure("with people", f"{people:,}"))
    lead = "Every number on this page is counted from the dataset's own tables and manifests."
    return Section("overview", "At a glance", lead, (Figures(tuple(figures)),))


def _splits(connection: duckdb.DuckDBPyConnection) -> str:
    found = rows_of(connection, "SELECT split, count(*) FROM samples GROUP BY split ORDER BY 2 DESC, 1")
    return ", ".join(f"{split} {count:,}" for split, count in found)
