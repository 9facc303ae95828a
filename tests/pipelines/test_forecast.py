"""Forecasts from a sample, and what a run took."""

import asyncio
import random

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.dataset_info import DatasetInfo
from pipelines.errors import UserError
from pipelines.forecast import LABELS_PER_QUESTION, errors_of, forecast, load_forecast, measure, save_forecast
from pipelines.models.reply_store import ReplyStore
from pipelines.models.spend import busy_seconds, spend_of, total
from pipelines.store import Dataset, ShardWriter
from pipelines.tables import SOURCE_SCHEMA
from schemas.decision import Decision, Route
from schemas.manifest import ShardManifest
from schemas.model_attempt import ModelAttempt
from schemas.model_reply import ErrorKind
from schemas.model_request import ModelRole
from tests.makers import make_image

import pyarrow as pa  # isort: skip


def make_dataset(root, names):
    """A dataset over files of these names, with decisions and model calls that differ from file to file."""
    root.mkdir()
    (root / "dataset.json").write_text(DatasetInfo(source=str(root)).to_json())
    dataset = Dataset(root)
    writer = ShardWriter(dataset, "key")
    images = [make_image(name) for name in names]
    sources = [{"uri": image.uri, "file_bytes": 1} for image in images]
    writer.add_rows("sources", pa.Table.from_pylist(sources, schema=SOURCE_SCHEMA), 0)
    writer.add_records("images", images, 0)
    writer.add_records("decisions", [each for image in images for each in decisions_of(image)], 0)
    manifest = ShardManifest(
        stage="list", shard=0, key="key", version=1, config_hash="", input_digest="", counts=(), seconds=0.0,
        parts=writer.parts,
    )  # fmt: skip
    dataset.commit(manifest)
    asyncio.run(write_attempts(root, images))
    return dataset


def decisions_of(image):
    rng = random.Random(image.uri)
    for number in range(rng.randint(0, 8)):
        route = rng.choice((Route.ACCEPT, Route.PEOPLE, Route.DROP))
        yield Decision(question_id=f"{image.uri} {number}", image_id=image.image_id, route=route, reason="")


async def write_attempts(root, images):
    attempts = [make_attempt("probe", "server", f"probe {number}", number) for number in range(8)]
    for place, image in enumerate(images):
        rng = random.Random(f"{image.uri} calls")
        keys = [f"{image.uri} {number}" for number in range(rng.randint(1, 9))]
        attempts += [make_attempt("judge", image.image_id, key, 100 + place) for key in keys]
    attempts.append(make_attempt("judge", "unknown", "late", 50, error=ErrorKind.TIMEOUT, usage_known=False))
    store = ReplyStore(root)
    await asyncio.gather(*(store.put(None, attempt) for attempt in attempts))
    store.close()


def make_attempt(job, subject, key, started, **changes):
    fields = {
        "request_key": key, "job": job, "role": ModelRole.JUDGE, "subject_id": subject, "model": "m", "endpoint": "e",
        "attempt": 1, "started": float(started), "seconds": 0.5, "usage_known": True,
    }  # fmt: skip
    if "error" not in changes:
        fields |= {"input_tokens": 1000, "output_tokens": 50, "money": 0.01}
    return ModelAttempt.model_validate(fields | changes)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    names = [f"{number:04d}" for number in range(300)]
    sample = random.Random(0).sample(names, 60)
    return make_dataset(folder / "sample", sample), make_dataset(folder / "full", names)


def test_a_forecast_from_a_random_fifth_is_within_15_percent_and_its_range_holds(datasets):
    sample, full = datasets
    made, actual = forecast(sample, 300), measure(full)
    for name, error in errors_of(made, actual).items():
        assert abs(error) < 0.15, name
    for name in ("calls", "tokens", "money", "labels", "accepted"):
        estimate = made.estimates[name]
        assert estimate.low <= actual.quantities[name] <= estimate.high
        assert estimate.low < estimate.value < estimate.high
    assert made.calls_by_job["probe"] == 8, "probing does not grow with the files"


def test_what_a_run_took_is_counted_from_its_attempts(datasets):
    _, full = datasets
    rows, actual = spend_of(full.root), measure(full)
    judge = next(row for row in rows if row.job == "judge")
    assert (judge.attempts, judge.unknown) == (judge.answers + 1, 1)
    assert judge.input_tokens == 1000 * judge.answers
    assert actual.quantities["calls"] == total(rows).answers
    assert actual.quantities["money"] == pytest.approx(total(rows).money)
    people = sum(row["route"] == "people" for row in full.read("decisions").to_pylist())
    assert actual.quantities["labels"] == LABELS_PER_QUESTION * people > 0
    assert busy_seconds(full.root) == pytest.approx(0.5 * (8 + 300 + 1)), "calls at the same time count once"


def test_a_forecast_over_the_sample_itself_is_what_it_took(datasets):
    sample, _ = datasets
    errors = errors_of(forecast(sample, 60), measure(sample))
    assert all(error == pytest.approx(0, abs=1e-9) for error in errors.values())


def test_what_cannot_be_forecast_is_said(datasets, tmp_path):
    sample, _ = datasets
    with pytest.raises(UserError, match="smaller than the sample"):
        forecast(sample, 10)
    with pytest.raises(UserError, match="needs at least 2"):
        forecast(make_dataset(tmp_path / "one", ["a"]), 10)
    (tmp_path / "bad.json").write_text("{}")
    for path in (tmp_path / "bad.json", tmp_path / "none.json"):
        with pytest.raises(UserError, match=str(path)):
            load_forecast(path)


def test_the_commands_forecast_save_and_compare(datasets, tmp_path):
    sample, full = datasets
    path = tmp_path / "forecast.json"
    run = CliRunner().invoke
    told = run(app, ["forecast", str(sample.root), "--files", "300", "--save", str(path)])
    assert told.exit_code == 0 and "model calls" in told.output
    compared = run(app, ["spend", str(full.root), "--forecast", str(path)])
    assert compared.exit_code == 0 and "judge" in compared.output and "%" in compared.output
    assert "per accepted question" in compared.output
    save_forecast(load_forecast(path), path)
