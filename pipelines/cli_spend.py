"""The commands about model calls: `forecast` before a run, `spend` after it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.visible import visible

if TYPE_CHECKING:
    from pipelines.forecast import Forecast

_NAMES = {
    "calls": "model calls",
    "tokens": "tokens",
    "money": "money",
    "server_seconds": "server seconds (GPU)",
    "labels": "answers of people",
    "accepted": "accepted questions",
}


def forecast(
    sample: Annotated[Path, typer.Argument(metavar="SAMPLE", help="A finished dataset over some of the files.")],
    files: Annotated[int, typer.Option(min=2, help="Files that the run will have.")],
    save: Annotated[Path | None, typer.Option(help="Write the forecast there, for `hopyard spend --forecast`.")] = None,
) -> None:
    """Estimates what a run will take, from a sample made with the same profile and models.

    First `hopyard run PHOTOS --limit 20 --out sample ...`, then `hopyard forecast sample --files 5000`.
    """
    from pipelines.forecast import forecast as make_forecast
    from pipelines.forecast import save_forecast
    from pipelines.store import Dataset

    made = make_forecast(Dataset.open(sample), files)
    table = Table("quantity", "estimate", "95% between", title=f"{files} files, from a sample of {made.sample_files}")
    for name, estimate in made.estimates.items():
        table.add_row(_NAMES[name], _number(estimate.value), f"{_number(estimate.low)} and {_number(estimate.high)}")
    Console().print(table)
    if save is not None:
        save_forecast(made, save)


def spend(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")],
    forecast: Annotated[
        Path | None, typer.Option(help="A saved forecast of this run: shows how far off it was.")
    ] = None,
) -> None:
    """Says what the model calls of a dataset took, per job and model and per accepted question."""
    from pipelines.forecast import load_forecast, measure
    from pipelines.models.spend import spend_of, total
    from pipelines.store import Dataset

    dataset = Dataset.open(folder)
    rows = spend_of(folder)
    table = Table("job", "model", "answers", "attempts", "input tokens", "output tokens", "unknown", "money", "seconds")
    for row in (*rows, total(rows)):
        cells = [row.answers, row.attempts, row.input_tokens, row.output_tokens, row.unknown]
        table.add_row(row.job, Text(visible(row.model)), *map(str, cells), f"{row.money:.4f}", f"{row.seconds:.1f}")
    Console().print(table)
    actual = measure(dataset)
    accepted = actual.quantities["accepted"]
    if accepted:
        each = {name: actual.quantities[name] / accepted for name in ("calls", "tokens", "money")}
        typer.echo(
            f"per accepted question: {each['calls']:.1f} calls, {each['tokens']:.0f} tokens, {each['money']:.5f} money"
        )
    if forecast is not None:
        _print_errors(load_forecast(forecast), dataset.root)


def _print_errors(made: "Forecast", root: Path) -> None:
    from pipelines.forecast import errors_of, measure
    from pipelines.store import Dataset

    actual = measure(Dataset.open(root))
    table = Table("quantity", "forecast", "actual", "error", title="forecast and what came of it")
    for name, error in errors_of(made, actual).items():
        text = "-" if error is None else f"{error:+.1%}"
        table.add_row(_NAMES[name], _number(made.estimates[name].value), _number(actual.quantities[name]), text)
    Console().print(table)
    if actual.files != made.files:
        typer.echo(f"the forecast was for {made.files} files, the dataset has {actual.files}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
