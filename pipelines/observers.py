"""Who watches a run: people, log collectors, Prometheus, a trace collector. Each is a `Watcher`; none changes a row.

What happened in a worker is told by the manifest that it committed, so nothing needs a connection to the workers, and
the same is told whether they are processes here or actors on Ray.
"""

import datetime
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from pipelines.errors import UserError
from pipelines.progress import Bars, Lines, Several, Watcher
from pipelines.run_kinds import LogKind
from schemas.manifest import ShardManifest

if TYPE_CHECKING:
    pass

TRACE_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|API_KEY|APIKEY|ACCESS_KEY|CREDENTIAL", re.IGNORECASE)
_HIDDEN = "[secret]"
_SHORTEST_SECRET = 6
"""Shorter values would be found in innocent words."""


@contextmanager
def watching(root: Path, log: LogKind = LogKind.AUTO, metrics_port: int | None = None) -> Iterator[Watcher]:
    """Gives everybody who is to watch a run of the dataset, as one.

    Raises:
        UserError: the metrics' port is taken, or traces are asked for and their library is not installed.
    """
    with ExitStack() as stack:
        watchers: list[Watcher] = [_teller(log, root, stack)]
        if metrics_port is not None:
            watchers.append(stack.enter_context(serve_metrics(root.name, metrics_port)))
        if any(os.environ.get(name) for name in TRACE_VARIABLES):
            watchers.append(stack.enter_context(send_spans(root.name)))
        yield Several(watchers) if len(watchers) > 1 else watchers[0]


def _teller(log: LogKind, root: Path, stack: ExitStack) -> Watcher:
    console = Console(stderr=True)
    if log is LogKind.JSON:
        return JsonLines(root.name, sys.stderr)
    if log is LogKind.AUTO and console.is_terminal:
        return stack.enter_context(Bars(console))
    return Lines(sys.stderr)


def redact(text: str) -> str:
    """Returns the text without the values of environment variables that are named like secrets."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            text = text.replace(value, _HIDDEN)
    return text


class JsonLines:
    """One JSON object per event: time, dataset, run, stage, shard, id."""

    def __init__(self, dataset: str, stream: TextIO) -> None:
        self._dataset, self._stream = dataset, stream
        self._run = f"{os.getpid()}-{os.urandom(3).hex()}"
        self._stage = ""

    def say(self, text: str) -> None:
        self._tell("message", text=text)

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage = stage
        self._tell("stage_begins", shards=total, done_before=done)

    def advance(self, manifest: ShardManifest) -> None:
        counts = {
            count.unit: {
                "taken": count.taken,
                "kept": count.kept,
                "dropped": {drop.reason.value: drop.count for drop in count.dropped},
                "failed": count.failed,
            }
            for count in manifest.counts
        }
        self._tell("shard_done", shard=manifest.shard, seconds=round(manifest.seconds, 4), counts=counts)
        for failure in manifest.failures:
            self._tell("record_failed", level="error", shard=manifest.shard, id=failure.id, error=failure.error)

    def end(self) -> None:
        self._tell("stage_ends")

    def _tell(self, event: str, level: str = "info", **fields: Any) -> None:  # noqa: ANN401 - JSON
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        common = {"time": now, "level": level, "event": event, "dataset": self._dataset, "run": self._run}
        line = json.dumps({**common, "stage": self._stage, **fields}, ensure_ascii=False)
        self._stream.write(f"{redact(line)}\n")
        self._stream.flush()


class Metrics:
    """Counters and gauges of a run in Prometheus' terms."""

    def __init__(self, dataset: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self.registry: CollectorRegistry = CollectorRegistry()
        place: dict[str, Any] = {"registry": self.registry}
        self._records = Counter(
            "hopyard_records", "Records by what became of them", ("dataset", "stage", "unit", "outcome"), **place
        )
        self._drops = Counter("hopyard_drops", "Dropped records by reason", ("dataset", "stage", "reason"), **place)
        self._seconds = Counter("hopyard_stage_seconds", "Worker seconds", ("dataset", "stage"), **place)
        self._shards = Gauge("hopyard_shards", "Shards of the stage at work", ("dataset", "stage", "state"), **place)
        self._last = Gauge("hopyard_last_progress_time_seconds", "When a shard was last committed", **place)
        self._dataset, self._stage = dataset, ""

    def say(self, text: str) -> None:
        return

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage = stage
        self._shards.labels(self._dataset, stage, "all").set(total)
        self._shards.labels(self._dataset, stage, "done").set(done)

    def advance(self, manifest: ShardManifest) -> None:
        stage = manifest.stage
        self._seconds.labels(self._dataset, stage).inc(manifest.seconds)
        self._shards.labels(self._dataset, stage, "done").inc()
        self._last.set(time.time())
        for count in manifest.counts:
            outcomes = {"taken": count.taken, "kept": count.kept, "failed": count.failed}
            for outcome, number in (outcomes | {"dropped": count.dropped_total}).items():
                self._records.labels(self._dataset, stage, count.unit, outcome).inc(number)
            for drop in count.dropped:
                self._drops.labels(self._dataset, stage, drop.reason.value).inc(drop.count)

    def end(self) -> None:
        return


@contextmanager
def serve_metrics(dataset: str, port: int) -> Iterator[Metrics]:
    """Gives a watcher whose numbers are served at ``http://127.0.0.1:PORT/metrics`` meanwhile.

    Raises:
        UserError: the port is taken.
    """
    from prometheus_client import start_http_server

    metrics = Metrics(dataset)
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
    except OSError as error:
        raise UserError(f"--metrics-port {port} cannot be used: {error.strerror or error}") from error
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Spans:
    """A trace of a run: a span for the run, one per stage, one per shard with its counts."""

    def __init__(self, dataset: str, tracer: Any) -> None:  # noqa: ANN401 - an extra
        self._tracer = tracer
        self._run = tracer.start_span("hopyard run", attributes={"hopyard.dataset": dataset})
        self._stage: Any = None

    def say(self, text: str) -> None:
        self._run.add_event(redact(text))

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage = self._under(self._run, stage, {"hopyard.shards": total, "hopyard.shards_done_before": done})

    def advance(self, manifest: ShardManifest) -> None:
        ended = time.time_ns()
        facts = {"hopyard.shard": manifest.shard, "hopyard.stage": manifest.stage, "hopyard.failed": manifest.failed}
        for count in manifest.counts:
            facts[f"hopyard.{count.unit}.taken"] = count.taken
            facts[f"hopyard.{count.unit}.kept"] = count.kept
        span = self._under(self._stage or self._run, "shard", facts, ended - int(manifest.seconds * 1e9))
        for failure in manifest.failures:
            span.add_event("record failed", {"id": failure.id, "error": redact(failure.error)})
        span.end(ended)

    def end(self) -> None:
        if self._stage is not None:
            self._stage.end()
            self._stage = None

    def close(self) -> None:
        """Ends what is still open."""
        self.end()
        self._run.end()

    def _under(self, parent: Any, name: str, facts: dict[str, Any], start: int | None = None) -> Any:  # noqa: ANN401
        from opentelemetry import trace

        return self._tracer.start_span(name, trace.set_span_in_context(parent), attributes=facts, start_time=start)


@contextmanager
def send_spans(dataset: str) -> Iterator[Spans]:
    """Gives a watcher whose spans go to the collector that the environment names (`OTEL_EXPORTER_OTLP_ENDPOINT`).

    Raises:
        UserError: the library is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(
            f"{TRACE_VARIABLES[0]} asks for traces, which need the extra traces: pip install 'hopyard[traces]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "hopyard"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    spans = Spans(dataset, provider.get_tracer("hopyard"))
    try:
        yield spans
    finally:
        spans.close()
        provider.shutdown()
