"""The commands that keep it going: `schedule`, `runs`, `doctor`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_read import Folder

Every = Annotated[str | None, typer.Option(help="Cron expression, UTC; '' leaves it out.")]


def doctor(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Dataset, or where datasets are to land.", show_default=False)
    ] = None,
    profile: Annotated[str, typer.Option(help="Profile whose model servers are asked.")] = "default",
    label_studio: Annotated[str | None, typer.Option(help="Address of Label Studio.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object per line.")] = False,
) -> int:
    """Looks at everything a run leans on: exit code 1 if something is broken, with the command that mends it."""
    from pipelines.doctor.check import State
    from pipelines.doctor.examine import default_patient, examine

    broken = 0
    for check in examine(default_patient(folder, profile, label_studio)):
        broken += check.state is State.BROKEN
        if as_json:
            typer.echo(json.dumps(check._asdict()))
            continue
        typer.echo(f"{check.state.value:7} {check.name}: {check.found}")
        if check.state is State.BROKEN:
            typer.echo(f"        mend: {check.mend}")
    return 1 if broken else 0


def runs(folder: Folder) -> None:
    """The runs of a dataset, the last one last: when, where, how each ended, and what to do about it."""
    from pipelines.run_log import next_step, read_runs
    from pipelines.store import Dataset
    from schemas.run import RunState

    found = read_runs(Dataset.open(folder).root)
    for record in found:
        where = f"process {record.process} on {record.host}"
        facts = [f"{record.shards_done} shards", *([f"{record.failed} records failed"] if record.failed else [])]
        typer.echo(f"{record.started}  {record.state.value:8}  {', '.join(facts)}, last in {record.stage}, {where}")
        if record.error:
            typer.echo(f"    {record.error}")
    if found and found[-1].state is not RunState.FINISHED:
        typer.echo(f"to go on: {next_step(found[-1])}")


def schedule(  # noqa: PLR0913 - options of a command
    source: Annotated[Path, typer.Argument(help="Folder or s3:// place that is watched for images.")],
    out: Annotated[Path | None, typer.Option(help="Dataset; output/NAME-OF-SOURCE if not given.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="COCO file; it may grow with the images.")] = None,
    profile: Annotated[str, typer.Option(help="Name of a profile, or the path of a TOML file.")] = "default",
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    settle: Annotated[float, typer.Option(min=0, help="Seconds that a file must be old before it is read.")] = 30.0,
    watch: Every = "*/10 * * * *",
    sync: Every = "*/15 * * * *",
    publish: Every = "0 6 * * 1",
    report: Every = "0 5 * * *",
    port: Annotated[int, typer.Option(help="Of the Prefect server on 127.0.0.1 that is started if none runs.")] = 4200,
) -> None:
    """Keeps a dataset going on this machine until it is stopped: watches, asks people, publishes, reports.

    Runs, artifacts and events show at the Prefect server that PREFECT_API_URL names, or at one that this starts.
    """
    from pipelines.bucket import place
    from pipelines.schedule import Clock, Plan, serve
    from pipelines.settings import settings

    source, annotations = place(source), None if annotations is None else place(annotations)
    target = place(out) if out else settings().output / source.resolve().name
    clock = Clock(watch or None, sync or None, publish or None, report or None)
    serve(Plan(source, target, annotations, profile, workers, settle), clock, port, typer.echo)
