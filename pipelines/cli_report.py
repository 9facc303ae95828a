"""The commands that make a dataset easy to look into: `report` and `catalog`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; DIR/report.html if not given.", show_default=False)
    ] = None,
    questions: Annotated[int, typer.Option(min=0, help="Most questions in the gallery.")] = 5_000,
) -> None:
    """One HTML file to look at: funnel with reasons, distributions, judges, people, cost, and a gallery to hover.

    It needs no network and no server: send it to whom you like. Pictures are small copies of your own.
    """
    from pipelines.errors import UserError

    try:
        from pipelines.report.write import write_report
    except ModuleNotFoundError as error:
        if error.name not in ("contourpy", "vl_convert"):
            raise
        raise UserError(f"the report needs {error.name}: pip install 'hopyard[report]'") from error
    written = write_report(folder, out, questions)
    size = f"{written.file_bytes / 1e6:.1f} MB"
    typer.echo(f"report    {written.path}  ({written.questions:,} questions, {written.pictures:,} pictures, {size})")
    if written.unreadable:
        typer.echo(f"  {written.unreadable:,} pictures are gone or changed since they were ingested")


def catalog(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")]) -> None:
    """A file catalog.duckdb in the dataset, with all views and macros, for any DuckDB client.

    Its paths are relative: open it from the dataset's folder, or say SET file_search_path = 'DIR'.
    """
    from pipelines.catalog_file import write_catalog
    from pipelines.store import Dataset

    typer.echo(write_catalog(Dataset.open(folder)))
