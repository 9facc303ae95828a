"""The commands about people: `hopyard annotate serve | team | push | pull | status | sync | learn | ...`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from annotation.workplace import Workplace
    from pipelines.people.sync import PullReport, PushReport

app = typer.Typer(
    name="annotate",
    help="People solve questions blind, in a real Label Studio.\n\nStart with `hopyard annotate serve`, then "
    "`team add`, then `sync DIR` as often as you like.",
    rich_markup_mode="markdown",
    no_args_is_help=True,
)
team = typer.Typer(name="team", help="The annotators of a server.", no_args_is_help=True)
app.add_typer(team)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder with the server's address, logins and files; output/label-studio if not given."
    ),
]
Question = Annotated[str, typer.Argument(metavar="QUESTION", help="Id of a question, or its beginning.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]


@app.command()
def serve(  # noqa: PLR0913 - options of a command
    data_dir: Data = None,
    port: Annotated[int | None, typer.Option(help="Port; the last one or 8089 if not given.", min=0)] = None,
    url: Annotated[
        str | None, typer.Option(help="Use this running server instead; its token is in HOPYARD_LABEL_STUDIO_TOKEN.")
    ] = None,
    environment: Annotated[
        Path | None, typer.Option(help="Folder with Label Studio's environment, made on first use.", show_default=False)
    ] = None,
    gate: Annotated[bool, typer.Option(help="Keep annotators to their own tasks and answers.")] = True,
    wake: Annotated[bool, typer.Option(help="Let webhooks reach this machine.")] = False,
) -> None:
    """Starts a Label Studio server on this machine and serves until it is stopped (Ctrl-C, or SIGTERM)."""
    from annotation.client import require_sdk
    from annotation.environment import default_folder, ensure_environment
    from annotation.server import Serving
    from annotation.server import serve as serve_label_studio

    with _plainly():
        require_sdk()
        workplace = _workplace(data_dir)
        if url is not None:
            _use(workplace, url)
            return
        found = ensure_environment(environment or default_folder(), _say)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with serve_label_studio(workplace, Serving(found, port, gate, wake), _say) as running:
                typer.echo(
                    f"ready: {running.credentials.url} (logins in {workplace.folder}/credentials.json, team.json)"
                )
                running.process.wait()
        except KeyboardInterrupt:
            _say("stopped; everything is kept")
            return
        raise_ended(workplace)


def raise_ended(workplace: "Workplace") -> None:
    """Raises UserError: the server ended by itself."""
    from pipelines.errors import UserError

    raise UserError(f"Label Studio ended by itself (see {workplace.log}); the same command starts it again")


@team.command("add")
def team_add(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Lower-case names.")], data_dir: Data = None
) -> None:
    """Creates annotators who can log in; those that are there already are left alone."""
    from annotation.client import Client, check_identity
    from annotation.team import add_annotator, check_name

    with _plainly():
        workplace = _workplace(data_dir)
        for name in names:
            check_name(name)
        with Client(workplace.connection()) as client:
            check_identity(client)
            for name in names:
                annotator, new = add_annotator(client, workplace, name)
                typer.echo(f"{annotator.name}: {annotator.email} {'added' if new else 'was there'}")
        typer.echo(f"passwords in {workplace.team_file}")


@team.command("list")
def team_list(data_dir: Data = None) -> None:
    """Lists the annotators."""
    with _plainly():
        for annotator in _workplace(data_dir).read_team():
            typer.echo(f"{annotator.name}: {annotator.email}")


Rule = Annotated[
    str | None, typer.Option(help="unanimous-4, unanimous-2, first-to-k or posterior.", show_default=False)
]
Audit = Annotated[
    float | None, typer.Option(help="Share of the accepted questions that people check too.", show_default=False)
]
Queue = Annotated[int | None, typer.Option(help="Most open tasks per annotator.", show_default=False)]
Ahead = Annotated[int | None, typer.Option(help="Labels of a question asked for at once.", show_default=False)]
K = Annotated[int | None, typer.Option("--k", help="first-to-k: equal answers that decide.", show_default=False)]
P = Annotated[float | None, typer.Option("--p", help="posterior: probability that decides.", show_default=False)]
Gold = Annotated[
    Path | None, typer.Option(help="Dataset of rendered scenes to take gold tasks from.", show_default=False)
]
Pictures = Annotated[
    str | None,
    typer.Option(
        help="s3://BUCKET/FOLDER for annotators' pictures, where the server is elsewhere.", show_default=False
    ),
]


@app.command()
def push(  # noqa: PLR0913 - the options of the rule
    folder: Folder,
    data_dir: Data = None,
    rule: Rule = None,
    k: K = None,
    p: P = None,
    audit: Audit = None,
    queue: Queue = None,
    ahead: Ahead = None,
    gold: Gold = None,
    pictures: Pictures = None,
) -> None:
    """Puts questions in front of annotators: new ones, and the next label of those that are open."""
    from pipelines.people.sync import open_session, push_step

    changes = _changes(rule, k, p, audit, queue, ahead, gold, pictures)
    with _plainly(), open_session(folder, _workplace(data_dir)) as session:
        _tell_push(push_step(session, changes))


@app.command()
def pull(
    folder: Folder,
    data_dir: Data = None,
    full: Annotated[bool, typer.Option(help="Read everything again, not only what changed.")] = False,
) -> None:
    """Reads what annotators said, decides what is decided, and keeps both as tables."""
    from pipelines.people.sync import open_session, pull_step

    with _plainly(), open_session(folder, _workplace(data_dir)) as session:
        _tell_pull(pull_step(session, full))


@app.command()
def sync(  # noqa: PLR0913 - the options of the rule
    folder: Folder,
    data_dir: Data = None,
    rule: Rule = None,
    k: K = None,
    p: P = None,
    audit: Audit = None,
    queue: Queue = None,
    ahead: Ahead = None,
    gold: Gold = None,
    pictures: Pictures = None,
) -> None:
    """Pulls, then pushes: what a schedule calls. Any number of times, killed at any moment, it asks nothing twice."""
    from pipelines.people.sync import open_session, pull_step, push_step

    changes = _changes(rule, k, p, audit, queue, ahead, gold, pictures)
    with _plainly(), open_session(folder, _workplace(data_dir)) as session:
        _tell_pull(pull_step(session))
        _tell_push(push_step(session, changes))


@app.command()
def watch(
    folder: Folder,
    data_dir: Data = None,
    every: Annotated[float, typer.Option(help="Seconds after which it looks without being woken.", min=1)] = 300.0,
    passes: Annotated[int | None, typer.Option(help="Ends after so many passes.", show_default=False)] = None,
) -> None:
    """Syncs whenever an answer arrives, and every few minutes; until it is stopped. For a team at work."""
    from pipelines.people.watching import watch as keep_watching

    with _plainly():
        for line in keep_watching(folder, _workplace(data_dir), every, passes):
            typer.echo(line)


@app.command()
def status(folder: Folder) -> None:
    """Tells where everything stands: questions, annotators, agreement, problems. Needs no server."""
    from pipelines.people.status import status_lines

    with _plainly():
        for line in status_lines(folder):
            typer.echo(line)


@app.command()
def learn(
    folder: Folder,
    target_error: Annotated[float, typer.Option(help="Most wrong questions among those accepted unseen.")] = 0.01,
    lost: Annotated[float, typer.Option(help="Most good questions that may be dropped unseen.")] = 0.02,
) -> None:
    """Fits the reward model to what people decided; the next push asks by it."""
    from pipelines.errors import UserError
    from pipelines.people.fit import Targets
    from pipelines.people.learn import learn as fit
    from pipelines.people.status import model_lines

    for name, value in (("--target-error", target_error), ("--lost", lost)):
        if not 0 < value < 1:
            raise UserError(f"{name} is {value}; it must be between 0 and 1")
    with _plainly():
        for line in model_lines(fit(folder, Targets(target_error, lost))):
            typer.echo(line)


@app.command()
def adjudicate(
    folder: Folder,
    question: Question,
    answer: Annotated[int | None, typer.Option(help="The right number; without it the question is rejected.")] = None,
    reason: Reason = "adjudicated",
) -> None:
    """Decides a question over the rule. The votes stay."""
    from pipelines.people.acts import adjudicate as act

    with _plainly():
        typer.echo(act(folder, question, answer, reason))


@app.command()
def reopen(folder: Folder, question: Question, reason: Reason = "reopened") -> None:
    """Asks a question anew: another round, in which everybody may be asked again. Earlier votes stay in the history."""
    from pipelines.people.acts import reopen as act

    with _plainly():
        typer.echo(act(folder, question, reason))


@contextmanager
def _plainly() -> Iterator[None]:
    """Tells what is wrong with a server in one line, as any mistake that a person can put right."""
    from annotation.errors import LabelStudioError
    from pipelines.errors import UserError

    try:
        yield
    except LabelStudioError as error:
        raise UserError(str(error)) from error


def _workplace(data_dir: Path | None) -> "Workplace":
    from annotation.workplace import Workplace
    from pipelines.settings import settings

    return Workplace(data_dir or settings().output / "label-studio")


def _use(workplace: "Workplace", url: str) -> None:
    from annotation.client import Client, check_identity
    from annotation.workplace import Credentials

    known = workplace.read_credentials()
    if known is None or not known.password:
        workplace.write_credentials(Credentials(url=url.rstrip("/")))
    with Client(workplace.connection()) as client:
        email = check_identity(client)
    typer.echo(f"ready: {url}, as {email}")


def _changes(  # noqa: PLR0913 - one per option
    rule: str | None,
    k: int | None,
    p: float | None,
    audit: float | None,
    queue: int | None,
    ahead: int | None,
    gold: Path | None,
    pictures: str | None,
) -> dict[str, object]:
    return {
        "decide.rule": rule,
        "decide.k": k,
        "decide.p": p,
        "audit": audit,
        "dispatch.queue": queue,
        "dispatch.ahead": ahead,
        "gold": None if gold is None else str(gold.resolve()),
        "pictures": pictures,
    }


def _tell_push(report: "PushReport") -> None:
    again = f", {report.pushed.found} were there already" if report.pushed.found else ""
    typer.echo(f"pushed: {report.added} new questions, {report.pushed.sent} tasks sent{again}")
    if report.unable:
        typer.echo(f"  {report.unable} questions are not asked: their picture cannot be read (annotate status)")


def _tell_pull(report: "PullReport") -> None:
    from pipelines.people.tables import standings

    counts = standings(report.decisions)
    states = ", ".join(f"{count} {purpose} {standing}" for (purpose, standing), count in sorted(counts.items()))
    typer.echo(
        f"pulled: {report.pulled.versions} new answers from {report.pulled.tasks} tasks; {states or 'nothing yet'}"
    )
    if report.pulled.problems:
        typer.echo(f"  {report.pulled.problems} new problems (annotate status)")


def _say(text: str) -> None:
    typer.echo(text, err=True)
