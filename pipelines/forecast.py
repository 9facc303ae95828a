"""What a run will take, estimated from a sample: calls, tokens, money, server seconds and answers of people.

The sample is a finished dataset over some of the files, made with the same profile and models. Every quantity is
scaled by files; what does not grow with them (probing the servers) is added once. The range is a normal one for a mean
over files drawn at random, so a sample of the first files by name deserves less trust than it says.
"""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from pipelines.errors import UserError
from pipelines.models.capabilities import PROBE_JOB
from pipelines.models.spend import busy_seconds, spend_by_subject, spend_of
from pipelines.parts import write_atomically
from pipelines.people.standing import accepted_questions
from pipelines.store import Dataset
from schemas.decision import Route
from schemas.record import Record

Z = 1.96
"""Of a normal distribution: 95% lie inside."""
QUANTITIES = ("calls", "tokens", "money", "server_seconds", "labels", "accepted")
LABELS_PER_QUESTION = 4
"""Answers of people per question sent to them, at most: labelling stops as soon as the outcome is decided."""


class Estimate(Record):
    """One quantity of a whole run."""

    value: float
    low: float
    high: float
    """Between low and high in 95 of 100 random samples."""


class Forecast(Record):
    """What a run over so many files will take."""

    files: int = Field(gt=0)
    sample_files: int = Field(gt=1)
    estimates: Mapping[str, Estimate]
    """By the names of `QUANTITIES`."""
    calls_by_job: Mapping[str, float]


class Actual(Record):
    """What a run took."""

    files: int
    quantities: Mapping[str, float]
    calls_by_job: Mapping[str, float]


def forecast(sample: Dataset, files: int) -> Forecast:
    """Returns what a run over ``files`` files will take.

    Raises:
        UserError: the sample has fewer than two files, or there are fewer files than it has.
    """
    per_file, fixed = _per_file(sample)
    count = len(per_file)
    if count < 2:
        raise UserError(f"{sample.root} has {count} files; a forecast needs at least 2")
    if files < count:
        raise UserError(f"a run over {files} files is smaller than the sample of {count}")
    estimates = {}
    for quantity in QUANTITIES:
        values = [each[quantity] for each in per_file.values()]
        estimates[quantity] = _scaled(values, files, fixed.get(quantity, 0.0))
    calls = Counter[str]()
    for row in spend_of(sample.root):
        calls[row.job] += row.answers
    scale = files / count
    by_job = {job: float(number if job == PROBE_JOB else number * scale) for job, number in sorted(calls.items())}
    return Forecast(files=files, sample_files=count, estimates=estimates, calls_by_job=by_job)


def measure(dataset: Dataset) -> Actual:
    """Returns what a run took, in the quantities of a forecast."""
    per_file, fixed = _per_file(dataset)
    sums = {name: fixed.get(name, 0.0) + sum(each[name] for each in per_file.values()) for name in QUANTITIES}
    calls = Counter[str]()
    for row in spend_of(dataset.root):
        calls[row.job] += row.answers
    return Actual(files=len(per_file), quantities=sums, calls_by_job={job: float(n) for job, n in calls.items()})


def errors_of(made: Forecast, actual: Actual) -> dict[str, float | None]:
    """Returns (forecast - actual) / actual per quantity; None where the actual value is 0."""
    return {
        name: (made.estimates[name].value - actual.quantities[name]) / actual.quantities[name]
        if actual.quantities[name]
        else None
        for name in QUANTITIES
    }


def save_forecast(made: Forecast, path: Path) -> None:
    """Writes the forecast as JSON."""
    try:
        write_atomically(path, (made.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def load_forecast(path: Path) -> Forecast:
    """Returns a saved forecast.

    Raises:
        UserError: the file is missing or no forecast.
    """
    try:
        return Forecast.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValidationError, ValueError) as error:
        raise UserError(f"{path} is no forecast") from error


def _per_file(dataset: Dataset) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Returns the quantities per file of the source, and what belongs to none of them."""
    uris = dataset.read("sources", columns=["uri"])["uri"].to_pylist()
    per_file = {uri: dict.fromkeys(QUANTITIES, 0.0) for uri in uris}
    image_of = _images_by_subject(dataset)
    uri_of = {row["image_id"]: row["uri"] for row in dataset.read("images", columns=["image_id", "uri"]).to_pylist()}
    fixed = dict.fromkeys(QUANTITIES, 0.0)
    shared = dict.fromkeys(QUANTITIES, 0.0)
    for row in spend_by_subject(dataset.root):
        uri = uri_of.get(image_of.get(row.subject_id, row.subject_id), "")
        place = per_file.get(uri, fixed if row.job == PROBE_JOB else shared)
        place["calls"] += row.answers
        place["tokens"] += row.tokens
        place["money"] += row.money
    shared["server_seconds"] += busy_seconds(dataset.root)
    decisions = dataset.read("decisions")
    accepted = accepted_questions(decisions, dataset.read("people"))
    for row in decisions.to_pylist():
        place = per_file.get(uri_of.get(row["image_id"], ""), shared)
        place["labels"] += LABELS_PER_QUESTION * (row["route"] == Route.PEOPLE)
        place["accepted"] += row["question_id"] in accepted
    for values in per_file.values():  # what cannot be told apart is spread evenly
        for name in QUANTITIES:
            values[name] += shared[name] / max(1, len(per_file))
    return per_file, fixed


def _images_by_subject(dataset: Dataset) -> dict[str, str]:
    """Returns the image of every question and instance."""
    found: dict[str, str] = {}
    for table, column in (("questions", "question_id"), ("instances", "instance_id")):
        rows = dataset.read(table, columns=[column, "image_id"]).to_pylist()
        found.update((row[column], row["image_id"]) for row in rows)
    return found


def _scaled(values: list[float], files: int, fixed: float) -> Estimate:
    count = len(values)
    mean = sum(values) / count
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    rest = files - count
    half = Z * math.sqrt(variance * rest * (rest / count + 1)) if rest else 0.0
    value = fixed + files * mean
    return Estimate(value=value, low=max(0.0, value - half), high=value + half)
