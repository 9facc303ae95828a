"""The commands that make something: `run`, `scenes`, `publish`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.cli_models import (
    Budget,
    DomainName,
    JudgeModel,
    JudgeUrl,
    ParserModel,
    ParserUrl,
    RemoteImages,
    SameFamily,
    SolverModel,
    SolverUrl,
    VlmModel,
    VlmUrl,
    model_flags,
)
from pipelines.run_kinds import LogKind, RunnerKind
from pipelines.visible import visible

if TYPE_CHECKING:
    from pipelines.options import RunOptions
    from pipelines.produce import RunResult
    from pipelines.progress import Watcher
    from schemas.manifest import Failure

FAILED_RECORDS = 1

Source = Annotated[
    Path | None,
    typer.Argument(help="Folder of images, searched below too. Without it scenes are rendered.", show_default=False),
]
Annotations = Annotated[
    Path | None, typer.Option(help="COCO file with the instances; file names relative to SOURCE.", show_default=False)
]
SegmenterName = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        help="Where masks come from: annotations, embedded, segment-anything, sam1, sam2 or sam3; else the profile's.",
        show_default=False,
    ),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(help="Weights of the segmenter: a file, a folder, or a model id of the hub.", show_default=False),
]
Profile = Annotated[str, typer.Option(help="Name of a profile, or the path of a TOML file.")]
Out = Annotated[
    Path | None, typer.Option(help="Dataset folder; output/NAME-OF-SOURCE if not given.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Another seed asks other questions (and renders other scenes).")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", "--count", help="First N files in sorted order; how many scenes.", show_default=False),
]
PerImage = Annotated[
    int | None, typer.Option(help="Families of questions per image, instead of the profile's.", show_default=False)
]
Workers = Annotated[int | None, typer.Option(help="Worker processes; one per core if not given.", show_default=False)]
ShardSize = Annotated[
    int | None, typer.Option(help="Images per shard, the unit of work and of resuming.", show_default=False)
]
Server = Annotated[
    bool, typer.Option("--server/--no-server", help="As a Prefect flow, or the same steps without Prefect.")
]
RunnerOption = Annotated[
    RunnerKind | None,
    typer.Option("--runner", help="Where shards are worked on; by --workers if not given.", show_default=False),
]
Address = Annotated[str | None, typer.Option(help="Ray cluster; one on this machine if not given.", show_default=False)]
Gpus = Annotated[float, typer.Option(min=0, help="GPUs per Ray worker of a stage that holds a model.")]
Follow = Annotated[bool, typer.Option("--follow", help="The source may change: only what is new or other is done.")]
Log = Annotated[LogKind, typer.Option(help="How progress is told; json is one object per line on standard error.")]
MetricsPort = Annotated[
    int | None, typer.Option(help="Prometheus metrics on this port of 127.0.0.1.", show_default=False)
]


def run(  # noqa: PLR0913 - options of the main command
    source: Source = None,
    annotations: Annotations = None,
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    profile: Profile = "default",
    out: Out = None,
    seed: Seed = 0,
    limit: Limit = None,
    per_image: PerImage = None,
    workers: Workers = None,
    shard_size: ShardSize = None,
    server: Server = True,
    runner: RunnerOption = None,
    address: Address = None,
    gpus: Gpus = 0.0,
    follow: Follow = False,
    log: Log = LogKind.AUTO,
    metrics_port: MetricsPort = None,
    vlm_url: VlmUrl = None,
    judge_url: JudgeUrl = None,
    solver_url: SolverUrl = None,
    parser_url: ParserUrl = None,
    vlm_model: VlmModel = None,
    judge_model: JudgeModel = None,
    solver_model: SolverModel = None,
    parser_model: ParserModel = None,
    domain: DomainName = None,
    allow_same_family: SameFamily = False,
    allow_remote_images: RemoteImages = False,
    budget: Budget = None,
) -> int:
    """The whole factory: images to published questions.

    Prints the funnel (what went in, was kept, dropped and why), the yields and where things are. The same command goes
    on after a crash and does nothing on a finished dataset; other options need another --out.

    hopyard run                                      120 rendered scenes, looked at, into output/scenes

    hopyard run photos --annotations instances.json  photos with a COCO file into output/photos

    hopyard run photos --annotations instances.json --profile hopchain --vlm-url URL --judge-url URL
    """
    from pipelines.bucket import place
    from pipelines.config import load_profile, with_per_image
    from pipelines.domains import with_domain
    from pipelines.model_choice import with_models, with_remote_images
    from pipelines.observers import watching
    from pipelines.options import RunOptions
    from pipelines.packages import assert_own_packages
    from pipelines.runners import RunnerChoice
    from pipelines.segmenter_option import with_segmenter
    from pipelines.settings import settings

    assert_own_packages()
    urls = (vlm_url, judge_url, solver_url, parser_url)
    names = (vlm_model, judge_model, solver_model, parser_model)
    flags = model_flags(urls, names, allow_same_family)
    config = with_models(with_domain(with_per_image(load_profile(profile), per_image), domain), flags)
    if allow_remote_images:
        config = with_remote_images(config)
    options = RunOptions(
        out=place(out) if out else settings().output / (source.resolve().name if source else "scenes"),
        config=with_segmenter(config, segmenter, checkpoint, annotations is not None),
        source=source,
        annotations=annotations,
        seed=seed,
        limit=limit,
        workers=os.cpu_count() or 1 if workers is None else workers,
        shard_size=shard_size,
        runner=RunnerChoice(runner, address, gpus),
        follow=follow,
        budget=budget,
    )
    with watching(options.out, log, metrics_port) as watcher:
        result = _produce(options, watcher, server)
    return _report_run(result)


def scenes(
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the COCO file.")],
    count: Annotated[int, typer.Option(help="How many scenes.")] = 120,
    seed: Annotated[int, typer.Option(help="Another seed, other scenes.")] = 0,
    profile: Profile = "default",
    workers: Workers = None,
) -> None:
    """Renders scenes with exact masks: pictures and a COCO file with attributes, to run on or to train with."""
    from pipelines.config import load_profile
    from pipelines.errors import UserError
    from pipelines.scene_source import render_scenes

    if count < 1:
        raise UserError(f"--count is {count}; it must be at least 1")
    render_scenes(out, count, seed, load_profile(profile), workers)
    typer.echo(f"{count} scenes in {out}")


def publish(  # noqa: PLR0913 - options of the command
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Release folder; DIR/release[-VIEW...] if not given.", show_default=False)
    ] = None,
    view: Annotated[
        str, typer.Option(help="rl, sft-reasoning, sft-summary, dpo, process, mcq, box or erasure.")
    ] = "rl",
    layout: Annotated[
        str, typer.Option(help="Pictures in the rows (embedded) or as files beside them (paths).")
    ] = "embedded",
    format_: Annotated[
        str,
        typer.Option("--format", help="Column names: hopyard, verl, trl, easyr1, openrlhf, llamafactory or swift."),
    ] = "hopyard",
    path_prefix: Annotated[
        str, typer.Option(help="In front of every path of the layout paths, e.g. an absolute folder with a slash.")
    ] = "",
    allow_shortcuts: Annotated[
        bool, typer.Option("--allow-shortcuts", help="Also where words tell the answers, or that cannot be told.")
    ] = False,
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(help="File or folder of a benchmark no row may overlap; may be repeated.", show_default=False),
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(help="answer=0.2: no answer has more of a split; also shape, category, hops.", show_default=False),
    ] = None,
    after: Annotated[
        Path | None, typer.Option(help="An earlier release, whose pictures stay in theirs.", show_default=False)
    ] = None,
) -> None:
    """Writes the accepted questions as Parquet that verl, TRL and Hugging Face datasets load unchanged.

    Copies of a picture never stand in two splits, and what is asked twice is asked once.
    """
    from pipelines.publish import publish_dataset
    from pipelines.publish_options import config_of, selecting_of

    selecting = selecting_of(benchmarks or (), share or (), after)
    config = config_of(view, layout, format_, path_prefix)
    report = publish_dataset(folder, out, config, selecting, allow_shortcuts)
    rows = ", ".join(f"{split} {count:,}" for split, count in report.rows.items())
    state = "is up to date" if report.up_to_date else "written"
    typer.echo(f"release {report.folder} {state}: {sum(report.rows.values()):,} rows ({rows})")
    for reason, count in sorted(report.dropped.items()):
        typer.echo(f"  {count:,} dropped: {reason.value}")
    for remark in report.remarks:
        typer.echo(f"  {remark}")


def _produce(options: "RunOptions", watcher: "Watcher", server: bool) -> "RunResult":
    from pipelines.options import check_options
    from pipelines.produce import is_finished, open_run, produce
    from pipelines.runners import open_runner

    asked = check_options(options)
    with (
        open_run(options, asked, watcher) as opened,
        open_runner(options.runner, opened.dataset.root, options.workers) as pool,
    ):
        if not server or is_finished(opened):
            return produce(opened, lambda _, jobs: pool.run_all(jobs), watcher)
        from pipelines.prefect_server import home_for, prefect_api

        pool.warm()
        with prefect_api(home_for(options.out), watcher):
            from pipelines.flow import run_flow

            return run_flow(opened, pool, watcher)


def _report_run(result: "RunResult") -> int:
    from pipelines.cascade_table import cascade_lines, cascade_rows
    from pipelines.errors import UserError
    from pipelines.funnel import print_funnel, yield_lines
    from pipelines.store import Dataset

    console = Console(highlight=False)
    print_funnel(console, result.manifests)
    for line in (*yield_lines(result.manifests), *cascade_lines(cascade_rows(Dataset(result.root)))):
        typer.echo(line)
    if result.new == 0:
        typer.echo(f"nothing to do: {result.root} was finished already")
    else:
        typer.echo(f"done in {result.seconds:.1f} s: {result.new} shards of work")
    typer.echo(f'dataset   {result.root}  (hopyard query {result.root} "from questions limit 5")')
    try:
        _offer(result)
    except UserError as error:
        typer.echo(f"not published: {error}")
    return _report_failures([failure for manifest in result.manifests for failure in manifest.failures])


def _report_failures(failures: "list[Failure]") -> int:
    """Prints each kind of failure once, with one record that met it; returns the exit code."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        kinds.setdefault((failure.stage, failure.error), []).append(failure.id)
    for (stage, error), ids in list(kinds.items())[:10]:
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        typer.echo(f"failed in {stage}: {visible(ids[0])}{more}: {visible(error[:300])}", err=True)
    if failures:
        typer.echo(f"hopyard: {len(failures)} records failed; the same command tries them again", err=True)
    return FAILED_RECORDS if failures else 0


def _offer(result: "RunResult") -> None:
    """Publishes and shows one question, or says where both are."""
    from pipelines.publish import publish_dataset
    from pipelines.show import show_question

    report = publish_dataset(result.root)
    rows = ", ".join(f"{split} {count:,}" for split, count in report.rows.items())
    typer.echo(f"release   {report.folder}  ({sum(report.rows.values()):,} rows: {rows})")
    for remark in report.remarks:
        typer.echo(f"  {remark}")
    pictures = sorted((result.root / "shown").glob("*.png")) if result.new == 0 else []
    typer.echo(f"look at   {pictures[0] if pictures else show_question(result.root)}")
