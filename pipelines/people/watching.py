"""Watching: syncs whenever a webhook rings, and by the clock. A server that is away is tried again later."""

import time
from collections.abc import Iterator
from pathlib import Path

from annotation.errors import ServerUnreachable
from annotation.wake import Bell, hang, listen
from annotation.workplace import Workplace
from pipelines.people.sync import open_session, pull_step, push_step

SETTLE = 1.0
"""Seconds between the bell and the pull: answers come in twos and threes."""


def watch(root: Path, workplace: Workplace, every: float, passes: int | None = None) -> Iterator[str]:
    """Yields what each pass did, for ever or for so many passes.

    Raises:
        LabelStudioError: something that waiting does not cure, such as a wrong token.
    """
    with listen() as bell:
        hung: set[int] = set()
        done = 0
        while passes is None or done < passes:
            bell.event.clear()
            yield _pass(root, workplace, bell, hung)
            done += 1
            if (passes is None or done < passes) and bell.event.wait(every):
                time.sleep(SETTLE)


def _pass(root: Path, workplace: Workplace, bell: Bell, hung: set[int]) -> str:
    try:
        with open_session(root, workplace) as session:
            pulled, pushed = pull_step(session), push_step(session, {})
            for project in session.journal.projects().values():
                if project.project_id not in hung:
                    hang(session.client, project.project_id, bell)
                    hung.add(project.project_id)
    except ServerUnreachable as error:
        return str(error)
    return f"{pulled.pulled.versions} new answers, {pushed.pushed.sent} tasks sent"
