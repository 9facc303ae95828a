"""What runs by the clock: follow a source, ask people, publish, report. Flows of `prefect.yaml` and `hopyard schedule`.

Each may be started at any time and any number of times: what is done already is not done again, and a tick that finds
another run at work on the dataset ends as `Skipped` and leaves it alone.
"""

from collections.abc import Callable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from pipelines.artifacts import emit, tell_link
from pipelines.bucket import place
from pipelines.config import DEFAULT_PROFILE
from pipelines.dataset_info import FILE_NAME
from pipelines.errors import BusyError, NothingToDoError, UserError
from pipelines.flow import produce
from pipelines.publish import publish_dataset
from pipelines.server_watch import working
from pipelines.settings import settings


@flow(name="watch", flow_run_name="watch {source}", persist_result=False)
def watch(  # noqa: PLR0913 - the parameters of a deployment
    source: str,
    out: str,
    annotations: str | None = None,
    profile: str = DEFAULT_PROFILE,
    workers: int = 1,
    settle: float = 30.0,
    runner: str | None = None,
    address: str | None = None,
    gpus: float = 0.0,
) -> Any:  # noqa: ANN401 - a state, or what was done
    """Works on what is new in a folder or bucket since the last tick; nothing else is done again."""
    where: dict[str, Any] = {"runner": runner, "address": address, "gpus": gpus}
    return _unless_busy(
        out,
        lambda: produce(
            out, source, annotations, profile, workers=workers, publish=False, follow=True, settle=settle, **where
        ),
    )


@flow(name="publish", flow_run_name="publish {out}", persist_result=False)
def publish(out: str) -> Any:  # noqa: ANN401 - a state, or what was done
    """Writes the release of everything that is accepted by now."""

    def work() -> dict[str, Any]:
        _check_begun(out)
        with working():
            report = publish_dataset(place(out))
        facts = {"rows": dict(report.rows), "up_to_date": report.up_to_date}
        emit("published", place(out), facts)
        return {"release": str(report.folder), **facts}

    return _unless_busy(out, work)


@flow(name="report", flow_run_name="report {out}", persist_result=False)
def report(out: str) -> Any:  # noqa: ANN401 - a state, or what was done
    """Writes the report of a dataset and links it."""

    def work() -> dict[str, Any]:
        _check_begun(out)
        try:
            from pipelines.report.write import write_report
        except ModuleNotFoundError as error:
            raise UserError(f"the report needs {error.name}: pip install 'hopyard[report]'") from error
        with working():
            path = write_report(place(out)).path
        tell_link(place(out), path)
        return {"report": str(path)}

    return _unless_busy(out, work)


@flow(name="sync", flow_run_name="sync {out}", persist_result=False)
def sync(out: str) -> Any:  # noqa: ANN401 - a state, or what was done
    """Takes people's answers in and puts the next questions in front of them, at the server of `hopyard annotate`."""
    from annotation.workplace import Workplace
    from pipelines.people.flow import verify

    def work() -> dict[str, Any]:
        _check_begun(out)
        folder = settings().output / "label-studio"
        if Workplace(folder).read_credentials() is None:
            raise NothingToDoError("there is no Label Studio yet: hopyard annotate serve")
        done = verify(out, str(folder), publish=False)
        emit("synced", place(out), done)
        return done

    return _unless_busy(out, work)


FLOWS: dict[str, Any] = {"watch": watch, "publish": publish, "report": report, "sync": sync}


def _unless_busy(out: str, work: Callable[[], dict[str, Any]]) -> "dict[str, Any] | State[Any]":
    try:
        return work()
    except BusyError as error:
        return Completed(name="Skipped", message=str(error))
    except NothingToDoError as error:
        return Completed(name="NothingToDo", message=str(error))


def _check_begun(out: str) -> None:
    if not (place(out) / FILE_NAME).is_file():
        raise NothingToDoError(f"{out} is not there yet")
