"""The verify flow: one short pass over what people are asked, as often as a schedule or a webhook says.

It never waits for people. Everything it knows is in the journal and on the server, so it may be killed, Prefect may be
restarted, Label Studio may be away: the next pass goes on. A pass that finds no server is a failed run that says so.
"""

from pathlib import Path
from typing import Any

from prefect import flow

from annotation.errors import LabelStudioError
from annotation.workplace import Workplace
from pipelines.errors import NothingToDoError, UserError
from pipelines.packages import assert_own_packages
from pipelines.people.sync import open_session, pull_step, push_step
from pipelines.people.tables import standings
from pipelines.publish import publish_dataset
from pipelines.server_watch import working


@flow(name="verify", persist_result=False, log_prints=False)
def verify(out: str, data_dir: str, publish: bool = True) -> dict[str, Any]:
    """Pulls, decides, publishes what is decided, and asks the next labels; the entry point of the deployment.

    Raises:
        UserError: the server cannot be reached or refuses; the next pass goes on.
    """
    assert_own_packages()
    try:
        with working(), open_session(Path(out), Workplace(Path(data_dir))) as session:
            pulled = pull_step(session)
            pushed = push_step(session, {})
    except LabelStudioError as error:
        raise UserError(str(error)) from error
    with working():
        rows = _publish(Path(out)) if publish and pulled.changed else None
    states = {f"{purpose} {standing}": count for (purpose, standing), count in standings(pulled.decisions).items()}
    return {"answers": pulled.pulled.versions, "sent": pushed.pushed.sent, "rows": rows, **states}


def _publish(root: Path) -> int:
    """Returns how many rows are out; none while nothing is confirmed."""
    try:
        return sum(publish_dataset(root).rows.values())
    except NothingToDoError:
        return 0
