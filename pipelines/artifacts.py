"""What a run shows in Prefect's pages: progress while it works, then funnel, yield and cost per stage; and events.

Pages are for people: nothing here is read back, and a server that refuses an artifact does not fail the run. One that
is gone is told nothing: each request would be repeated for a minute, and a run tells thousands of things.
"""

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Crashed

from pipelines.bucket import BucketPath
from pipelines.funnel import HEADINGS, funnel_rows, yield_lines
from pipelines.produce import RunResult
from pipelines.run_log import crash_text
from pipelines.server_watch import server_is_there
from pipelines.settings import settings
from pipelines.steps import STEPS
from schemas.manifest import ShardManifest
from schemas.run import RunRecord, RunState

REPORT_FILES = ("report/index.html", "report.html")
"""Where `hopyard report` writes, below the dataset."""
_UPDATE_SECONDS = 2.0
_RESTART_SECONDS = 30.0
"""How long a run that is done waits at most for a server that is being restarted."""
_HASTY = {PREFECT_CLIENT_MAX_RETRIES: 1, PREFECT_API_REQUEST_TIMEOUT: 20.0}
_LOG = logging.getLogger(__name__)


def slug(root: Path) -> str:
    """Returns a dataset's name as Prefect's keys allow it: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-") or "dataset"


class ProgressArtifact:
    """A `Watcher` that moves a progress bar: one step of the factory after the other, by shards."""

    def __init__(self, root: Path) -> None:
        self._key = f"progress-{slug(root)}"
        self._id: UUID | None = None
        self._begun, self._total, self._done, self._last = -1, 1, 0, 0.0

    def say(self, text: str) -> None:
        return

    def begin(self, stage: str, total: int, done: int) -> None:
        self._begun, self._total, self._done = self._begun + 1, max(total, 1), done
        self._show(stage)

    def advance(self, manifest: ShardManifest) -> None:
        self._done += 1
        if time.monotonic() - self._last > _UPDATE_SECONDS:
            self._show(manifest.stage)

    def end(self) -> None:
        if self._begun == len(STEPS) - 1:
            self._show("done")

    def _show(self, stage: str) -> None:
        self._last = time.monotonic()
        share = round(100 * (self._begun + min(self._done / self._total, 1)) / len(STEPS), 1)
        if self._id is None:
            self._id = _tell(
                "progress", partial(create_progress_artifact, share, self._key, description="Steps of the factory")
            )
        else:
            _tell("progress", partial(update_progress_artifact, self._id, share, description=f"now: {stage}"))


def tell_result(result: RunResult) -> None:
    """Shows the funnel, the yields and the costs of a run, links its report, and emits an event."""
    if not server_is_there(_patience()):
        return
    name = slug(result.root)
    rows = [dict(zip(HEADINGS, row, strict=True)) for row in funnel_rows(result.manifests)]
    title = f"{result.root}: what went in, was kept, dropped and why"
    makers: list[Callable[[], Any]] = [
        partial(create_table_artifact, rows, key=f"funnel-{name}", description=title),
        partial(create_markdown_artifact, yield_text(result), key=f"yield-{name}", description="Yield and cost"),
    ]
    report = _report_of(result.root)
    if report is not None:
        makers.append(partial(create_link_artifact, report, link_text="report", key=f"report-{name}"))
    for make in makers:
        _tell("artifact", make)
    facts = {"new": result.new, "failed": result.failed, "seconds": round(result.seconds, 1)}
    emit("finished", result.root, facts)


def yield_text(result: RunResult) -> str:
    """Returns yields in words and the worker seconds of each stage, as Markdown."""
    lines = [f"- {line}" for line in yield_lines(result.manifests)]
    lines += ["", "| stage | shards | worker seconds | records in | seconds per 1,000 |", "|---|---:|---:|---:|---:|"]
    stages: dict[str, list[ShardManifest]] = {}
    for manifest in result.manifests:
        stages.setdefault(manifest.stage, []).append(manifest)
    for stage, manifests in stages.items():
        seconds = sum(manifest.seconds for manifest in manifests)
        taken = sum(manifest.counts[0].taken for manifest in manifests if manifest.counts)
        each = f"{1000 * seconds / taken:.2f}" if taken else ""
        lines.append(f"| {stage} | {len(manifests)} | {seconds:.1f} | {taken:,} | {each} |")
    lines += ["", f"{result.new} shards of work in {result.seconds:.1f} s; {result.failed} records failed."]
    return "\n".join(lines)


def tell_crash(root: Path, record: RunRecord) -> None:
    """Explains a run that vanished: on its own page if the server still thinks that it runs, and as an event.

    For who holds the dataset: a record that says running is then of a run that vanished; others are passed over.
    """
    if record.state is not RunState.RUNNING:
        return
    text = crash_text(record)
    description = f"{root}: a run crashed"
    _tell("crash", partial(create_markdown_artifact, text, key=f"crash-{slug(root)}", description=description))
    if record.flow_run is not None:
        _tell("crash", partial(_set_crashed, UUID(record.flow_run), text))
    emit("crashed", root, {"run": record.run_id, "stage": record.stage or "", "explanation": text})


def tell_link(root: Path, report: Path) -> None:
    """Links a report that was just written."""
    if not server_is_there(_patience()):
        return
    address = report.resolve().as_uri()
    _tell("link", partial(create_link_artifact, address, link_text="report", key=f"report-{slug(root)}"))
    emit("reported", root, {"report": str(report)})


def emit(what: str, root: Path, facts: dict[str, Any]) -> None:
    """Emits the event ``hopyard.run.WHAT`` about a dataset; automations of Prefect can act on it."""
    resource = {"prefect.resource.id": f"hopyard.dataset.{slug(root)}", "prefect.resource.name": str(root)}
    _tell("event", partial(emit_event, f"hopyard.run.{what}", resource, payload={"dataset": str(root), **facts}))


def _report_of(root: Path) -> str | None:
    if isinstance(root, BucketPath):
        return None
    found = (root / name for name in REPORT_FILES if (root / name).is_file())
    return next((path.resolve().as_uri() for path in found), None)


def _patience() -> float:
    return min(_RESTART_SECONDS, settings().server_patience)


def _set_crashed(flow_run: UUID, text: str) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run, Crashed(message=text), force=True)


def _tell(what: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever Prefect returns
    """Returns what telling the server something gives; None where it is gone or does not take it."""
    if not server_is_there():
        return None
    try:
        with temporary_settings(_HASTY):
            return act()
    except Exception as error:  # noqa: BLE001 - the run's rows matter, its pages do not
        _LOG.warning("Prefect did not take the %s: %s", what, error)
        return None
