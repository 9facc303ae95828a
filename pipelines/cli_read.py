"""The commands that only read a dataset: `verify`, `query`, `why`, `show`."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.visible import visible

if TYPE_CHECKING:
    from pipelines.catalog import Answer

TABLE_ROWS = 200
"""A table shows this many rows; csv and json show all."""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def verify(
    folder: Folder,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> int:
    """Recomputes everything from the stored tables and compares: exit code 1 on any mismatch.

    Every part against the digest and row count of its manifest, every balance, and every question's answer,
    evidence and certificates with the second executor.
    """
    from pipelines.store import Dataset
    from pipelines.verify import verify_dataset

    report = verify_dataset(Dataset.open(folder), workers)
    for line in report.lines():
        typer.echo(line)
    for problem in report.problems[:20]:
        typer.echo(f"mismatch: {visible(problem)}", err=True)
    if report.problems:
        typer.echo(f"hopyard: {folder} does not verify: {len(report.problems)} mismatches", err=True)
    return 1 if report.problems else 0


def query(
    folder: Folder,
    sql: Annotated[str, typer.Argument(help="One reading SQL statement (DuckDB).")],
    format: Annotated[
        Format, typer.Option(help="A table for people; csv or json (one object per line) for programs.")
    ] = (Format.TABLE),
) -> None:
    """Read-only SQL over all tables of a dataset, also while a run goes on.

    Views: images, categories, instances, questions, verdicts, rollouts, decisions, annotations, samples, drops.

    hopyard query output/scenes "select stage, reason, count(*) from drops group by all order by 3 desc"
    """
    from pipelines.catalog import ask
    from pipelines.store import Dataset

    with ask(Dataset.open(folder), sql) as answer:
        if format is Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(answer.columns)
            writer.writerows(answer.rows)
        elif format is Format.JSON:
            names = _told_apart(answer.columns)
            for row in answer.rows:
                record = _with_texts_as_keys(dict(zip(names, row, strict=True)))
                sys.stdout.write(json.dumps(record, default=_to_json, ensure_ascii=False) + "\n")
        else:
            _print_table(answer)


def why(
    folder: Folder,
    id: Annotated[str, typer.Argument(metavar="ID", help="Any id of any table, the start of one, or a file's path.")],
) -> None:
    """The life of one file, image, instance, category, question, family or sample: parents, stages, verdicts, end."""
    from pipelines.store import Dataset
    from pipelines.why import explain

    for line in explain(Dataset.open(folder), id):
        typer.echo(visible(line))


def show(
    folder: Folder,
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A question; one of the best if not given.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .png or .html; DIR/shown if not given.", show_default=False)
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Without the outlines, program and answer.")] = False,
) -> None:
    """One question as a picture: the image, outlines of what each hop lands on, the program, the answer."""
    from pipelines.show import show_question

    typer.echo(show_question(folder, id, out, blind))


def _print_table(answer: "Answer") -> None:
    console = Console(highlight=False)
    shown = list(_first(answer.rows, TABLE_ROWS + 1))
    if console.is_terminal:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in answer.columns:
            table.add_column(Text(_text(name)))
        for row in shown[:TABLE_ROWS]:
            table.add_row(*(Text(_text(value)) for value in row))
        console.print(table)
    else:
        for cells in (answer.columns, *([_text(value) for value in row] for row in shown[:TABLE_ROWS])):
            sys.stdout.write("\t".join(cells) + "\n")
    if len(shown) > TABLE_ROWS:
        typer.echo(f"hopyard: the first {TABLE_ROWS} rows; --format csv or json shows all", err=True)


def _first(rows: Iterator[tuple[object, ...]], count: int) -> Iterator[tuple[object, ...]]:
    for _, row in zip(range(count), rows, strict=False):
        yield row


def _text(value: object) -> str:
    if isinstance(value, (dict, list)):
        value = json.dumps(_with_texts_as_keys(value), default=str)
    return "" if value is None else visible(" ".join(str(value).split()))


def _told_apart(columns: Sequence[str]) -> list[str]:
    """Returns names of which no two are equal, as keys of an object must be: ``a`` and ``a`` are ``a`` and ``a_1``."""
    found: list[str] = []
    for name in columns:
        others = (f"{name}_{number}" for number in range(1, len(columns) + 1))
        free = (other for other in others if other not in found and other not in columns)
        found.append(next(free) if name in found else name)
    return found


def _with_texts_as_keys(value: Any) -> Any:  # noqa: ANN401 - whatever a query gives
    """Returns the value with keys of maps as JSON has them: a date or a list can be one in SQL."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _with_texts_as_keys(one) for key, one in value.items()}
    return [_with_texts_as_keys(one) for one in value] if isinstance(value, list | tuple) else value


def _to_json(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)
