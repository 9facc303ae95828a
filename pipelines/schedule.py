"""`hopyard schedule`: the deployments of one dataset, served from this machine, with a Prefect server if none runs."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from pipelines.bucket import BucketPath
from pipelines.errors import UserError
from pipelines.prefect_server import full_api
from pipelines.server_watch import answers, comes_back
from pipelines.settings import settings

_WAITS_SECONDS = 3600.0
"""How long for a server that is gone, beyond the minutes after which Prefect gives up."""


class Clock(NamedTuple):
    """When what is done, as cron expressions in UTC; None leaves it out."""

    watch: str | None
    sync: str | None
    publish: str | None
    report: str | None


class Plan(NamedTuple):
    """What is kept going."""

    source: Path
    out: Path
    annotations: Path | None
    profile: str
    workers: int
    settle: float


def serve(plan: Plan, clock: Clock, port: int, say: Callable[[str], Any]) -> None:
    """Serves the deployments until the process is asked to end.

    Raises:
        UserError: a cron expression is none, or the server does not start.
    """
    for name, cron in clock._asdict().items():
        _check_cron(name, cron)
    home = settings().output / ".prefect"
    with full_api(home, port, say) as url, _ending_politely():
        import prefect

        deployments = [made for name, cron in clock._asdict().items() if (made := _deployment(plan, name, cron))]
        if not deployments:
            raise UserError("nothing is left to do by the clock: give at least one of --watch, --publish, --report")
        names = ", ".join(f"{deployment.flow_name}/{deployment.name}" for deployment in deployments)
        say(f"serving {names}; runs show at {url.removesuffix('/api')}")
        while True:
            try:
                prefect.serve(*deployments, pause_on_shutdown=False, print_starting_message=False, limit=4)
                return
            except Exception as error:  # Prefect gives up after some minutes; a night has more of them
                if answers(url):
                    raise
                say(f"the Prefect server at {url} is gone; waiting for it")
                if not comes_back(url, _WAITS_SECONDS):
                    raise UserError(f"the Prefect server at {url} is gone; start it, then this again") from error


def _deployment(plan: Plan, name: str, cron: str | None) -> Any:  # noqa: ANN401
    """Returns the deployment of one flow, or None where it is left out or cannot work here.

    No concurrency limit: the server counts a killed run for ever, and would start nothing again. The dataset's own
    lock is gone with its process.
    """
    if cron is None:
        return None
    from prefect.types.entrypoint import EntrypointType

    from pipelines.scheduled import FLOWS

    return FLOWS[name].to_deployment(
        name=plan.out.name,
        cron=cron,
        parameters=parameters(plan, name),
        description=f"{name} {plan.out}",
        tags=["hopyard", plan.out.name],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def parameters(plan: Plan, name: str) -> dict[str, Any]:
    """Returns the parameters of one flow."""
    out = _absolute(plan.out)
    if name != "watch":
        return {"out": out}
    return {
        "source": _absolute(plan.source),
        "out": out,
        "annotations": None if plan.annotations is None else _absolute(plan.annotations),
        "profile": str(Path(plan.profile).resolve()) if Path(plan.profile).is_file() else plan.profile,
        "workers": plan.workers,
        "settle": plan.settle,
    }


def _absolute(path: Path) -> str:
    """Returns a place as flows get it, which do not run in this folder."""
    return str(path) if isinstance(path, BucketPath) else str(path.resolve())


def _check_cron(name: str, cron: str | None) -> None:
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    try:
        if cron is not None:
            CronSchedule(cron=cron)
    except (ValidationError, ValueError) as error:
        raise UserError(f"--{name} {cron!r} is no cron expression, e.g. '0 6 * * 1'") from error


@contextmanager
def _ending_politely() -> Iterator[None]:
    """Ends on SIGTERM as on Ctrl-C, so that the server of this process ends too."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
