"""`hopyard doctor` on a broken machine: each broken thing is named, with the command that mends it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.doctor import examine as examining
from pipelines.doctor import machine, services
from pipelines.doctor.check import Check, Patient, State
from pipelines.doctor.examine import examine
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.run_log import RunLog, mark_crashed
from pipelines.store import Dataset


def found(patient: Patient) -> dict[str, Check]:
    return {check.name: check for check in examine(patient)}


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that asks for nothing that is not here. How full the disk of the tests is, is no defect."""
    for name in ("PREFECT_API_URL", "HOPYARD_LABEL_STUDIO_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "LEAST_FREE", 1)


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """Answers 401 to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_sound_machine_has_nothing_broken(healthy: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not [check for check in examine(Patient(tmp_path)) if check.state is State.BROKEN]
    assert cli.run_command(["doctor", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok      python: 3.1") for line in lines)


def test_each_broken_thing_is_named_with_its_cure(
    healthy: None,
    refusing_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    profile = tmp_path / "eyes.toml"
    profile.write_text("[synthesize]\nper_imag = 1\n")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(machine, "LEAST_FREE", 1 << 60)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.1")
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "nvidia-smi").write_text("#!/bin/sh\necho 'driver/library version mismatch' >&2; exit 18\n")
    (broken / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(broken), prepend=":")
    patient = Patient(blocked / "out", str(profile), refusing_server.replace("127.0.0.1", "127.0.0.1"))
    checks = found(patient)
    cures = {
        "versions": "make env",
        "profile": "mend the named option",
        "output": "--out",
        "memory": "--workers 1",
        "prefect": "hopyard schedule",
        "label studio": "hopyard annotate",
        "gpu": "nvidia-smi",
    }
    for name, cure in cures.items():
        assert checks[name].state is State.BROKEN, name
        assert checks[name].found, name
        assert cure in checks[name].mend, name
    assert "per_imag" in checks["profile"].found
    assert "version mismatch" in checks["gpu"].found
    assert cli.run_command(["doctor", str(blocked / "out"), "--profile", str(profile), "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["mend"] for line in told if line["state"] == "broken")


def test_model_servers_that_are_away_or_refuse_the_key(
    healthy: None, refusing_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {"judge": {"urls": [f"{refusing_server}/v1", "http://127.0.0.1:9/v1"], "api_key_env": "JUDGE_KEY"}}
    monkeypatch.setenv("JUDGE_KEY", "planted-secret-key")
    assert list(services._servers({"models": servers})) == [
        (f"{refusing_server}/v1", "JUDGE_KEY"),
        ("http://127.0.0.1:9/v1", "JUDGE_KEY"),
    ]
    monkeypatch.setattr(
        services, "_servers", lambda data: [(f"{refusing_server}/v1", "JUDGE_KEY"), ("http://127.0.0.1:9/v1", "K")]
    )
    refused, away = list(services._models(Patient(tmp_path)))
    assert "refuses the key" in refused.found
    assert refused.mend == "export JUDGE_KEY=..."
    assert "curl http://127.0.0.1:9/v1/models" in away.mend
    assert "planted-secret-key" not in str((refused, away))


def test_a_disk_that_cannot_be_written_and_a_bucket_nobody_answers_for(
    healthy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = {check.name: check for check in machine._disk(Patient(Path("/proc/nowhere")))}
    assert checks["output"].state is State.BROKEN
    assert "chown" in checks["output"].mend
    monkeypatch.setattr("pipelines.bucket_store.RETRIES", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    (check,) = services._bucket(Patient(Path("s3://nobody/there")))
    assert check.state is State.BROKEN
    assert "export AWS_ACCESS_KEY_ID" in check.mend
    assert "planted-secret" not in check.found


def test_a_dataset_whose_last_run_crashed_or_has_failed_records(
    healthy: None, tiny_options: RunOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    produce_plain(tiny_options)
    assert found(Patient(tiny_options.out))["dataset"].state is State.OK
    log = RunLog(tiny_options.out, "run photos --out x")
    log.begin("synthesize", 4, 1)
    assert [record.run_id for record in mark_crashed(Dataset(tiny_options.out))] == [log.record.run_id]
    check = found(Patient(tiny_options.out))["last run"]
    assert "ended in synthesize without a word" in check.found
    assert check.mend == "hopyard run photos --out x"
    assert cli.run_command(["runs", str(tiny_options.out)]) == 0
    said = capsys.readouterr().out
    assert "finished" in said
    assert "crashed" in said
    assert said.rstrip().endswith("to go on: hopyard run photos --out x")


def test_a_check_that_fails_itself_is_a_finding(healthy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _stars(patient: Patient) -> Iterator[Check]:
        raise ZeroDivisionError("no stars")
        yield

    monkeypatch.setattr(examining, "CHECKS", (_stars,))
    (check,) = examine(Patient(tmp_path))
    assert (check.name, check.state) == ("stars", State.BROKEN)
    assert "ZeroDivisionError: no stars" in check.found
