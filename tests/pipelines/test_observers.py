"""What a run tells to log collectors, Prometheus and a trace collector; and that no secret is told to anybody."""

import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.observers import JsonLines, Spans, redact, send_spans, serve_metrics, watching
from pipelines.options import RunOptions
from pipelines.prefect_server import _free_port
from pipelines.produce import produce_plain
from pipelines.progress import Several
from pipelines.publish import publish_dataset
from pipelines.run_kinds import LogKind
from pipelines.show import show_question
from pipelines.store import Dataset

SECRETS = {
    "HOPYARD_API_KEY": "planted-model-key-1f6a",
    "AWS_SECRET_ACCESS_KEY": "planted-storage-key-77c0",
    "HOPYARD_LABEL_STUDIO_TOKEN": "planted-people-token-9d2e",
    "PREFECT_API_KEY": "planted-server-key-53bb",
}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def test_json_lines_name_run_stage_shard_and_id(tiny_options: RunOptions, tmp_path: Path) -> None:
    source = tmp_path / "with-a-dangling-link"
    source.mkdir()
    for path in tiny_options.source.iterdir():
        (source / path.name).symlink_to(path)
    (source / "dangling.png").symlink_to(tmp_path / "nothing")
    stream = io.StringIO()
    result = produce_plain(tiny_options._replace(source=source), JsonLines("out", stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {event["dataset"] for event in events} == {"out"}
    assert len({event["run"] for event in events}) == 1
    shards = [event for event in events if event["event"] == "shard_done"]
    assert {(event["stage"], event["shard"]) for event in shards} == {
        (manifest.stage, manifest.shard) for manifest in result.manifests if manifest.stage != "list"
    }
    ingested = sum(event["counts"]["files"]["kept"] for event in shards if event["stage"] == "ingest")
    assert ingested == 12
    (failed,) = [event for event in events if event["event"] == "record_failed"]
    assert (failed["id"], failed["stage"], failed["level"]) == ("dangling.png", "ingest", "error")


def test_metrics_are_served_on_loopback_while_a_run_goes_on(tiny_options: RunOptions, finished: Dataset) -> None:
    port = _free_port()
    with serve_metrics("out", port) as metrics:
        produce_plain(tiny_options, metrics)
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        with pytest.raises(UserError, match=f"--metrics-port {port} cannot be used"):
            serve_metrics("other", port).__enter__()
    assert 'hopyard_records_total{dataset="out",outcome="kept",stage="ingest",unit="files"} 12.0' in text
    assert 'hopyard_shards{dataset="out",stage="ingest",state="done"} 3.0' in text
    questions = finished.read("questions").num_rows
    assert f'outcome="kept",stage="synthesize",unit="proposals"}} {questions}.0' in text
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A trace collector on loopback that keeps what it is sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield bodies
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.filterwarnings("ignore")
def test_spans_of_run_stages_and_shards_reach_the_collector(
    collector: list[bytes], tiny_options: RunOptions, planted: None
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with watching(tiny_options.out, LogKind.TEXT) as watcher:
        watcher.say(f"a line with {SECRETS['HOPYARD_API_KEY']}")
        result = produce_plain(tiny_options, watcher)
    spans = [
        span
        for body in collector
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    (whole,) = [span for span in spans if span.name == "hopyard run"]
    stages = {span.span_id: span for span in spans if span.parent_span_id == whole.span_id}
    assert {"ingest", "synthesize", "route"} <= {span.name for span in stages.values()}
    shards = [span for span in spans if span.name == "shard"]
    assert len(shards) == result.new
    assert all(
        span.parent_span_id in stages and span.end_time_unix_nano >= span.start_time_unix_nano for span in shards
    )
    assert SECRETS["HOPYARD_API_KEY"].encode() not in b"".join(collector)


@pytest.mark.filterwarnings("ignore")
def test_a_collector_that_is_away_stops_nothing(tiny_options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with send_spans("out") as spans:
        assert isinstance(spans, Spans)
        assert produce_plain(tiny_options, spans).failed == 0


def test_planted_secrets_are_in_no_artefact(
    planted: None, tiny_options: RunOptions, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Logs, tables, manifests, run records, release and pages of a run whose environment holds secrets."""
    stream = io.StringIO()
    log = JsonLines("out", stream)
    with watching(tiny_options.out, LogKind.TEXT) as text:
        watcher = Several((log, text))
        log.say(f"the server said: bad key {SECRETS['HOPYARD_API_KEY']}")
        produce_plain(tiny_options, watcher)
    publish_dataset(tiny_options.out)
    show_question(tiny_options.out, out=tmp_path / "page.html")
    told = (stream.getvalue() + "".join(capfd.readouterr())).encode()
    files = [path for folder in (tiny_options.out, tmp_path) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    for name, value in SECRETS.items():
        assert value.encode() not in told
        assert not [path for path in files if value.encode() in path.read_bytes()], name
    assert b"[secret]" in told


def test_short_values_and_plain_variables_are_not_taken_for_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "abc")
    monkeypatch.setenv("MY_FOLDER", "photographs")
    assert redact("abc photographs") == "abc photographs"
    monkeypatch.setenv("MY_TOKEN", "abcdefgh")
    assert redact("x abcdefgh y") == "x [secret] y"
