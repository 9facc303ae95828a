"""What there is to publish: accepted questions with their images, by image and question id, one range in memory."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.publish_buckets import Bucket, read_buckets
from pipelines.store import Dataset
from schemas.arrow import RecordType, table_to_records
from schemas.decision import Decision, Route
from schemas.image import Image
from schemas.question import Question
from schemas.verdict import Verdict
from stages.publish import Accepted

STAGE = "publish"
_SOURCES = ("images", "questions", "decisions", "verdicts")
_ORDER = [("image_id", "ascending"), ("question_id", "ascending")]
_STEP = 100


class Funnel(NamedTuple):
    """How many were left at each station, and why the others went."""

    images: int
    questions: int
    accepted: int
    drops: tuple[tuple[str, str, int], ...]
    """Stage, reason, count; without this stage's own."""


def read_funnel(connection: duckdb.DuckDBPyConnection) -> Funnel:
    """Returns the counts that the dataset card tells."""
    images, questions, accepted = (
        int(connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])
        for rows in ("images", "questions", "decisions WHERE route = 'accept'")
    )
    drops = connection.execute(
        f"SELECT stage, reason, count(*) FROM drops WHERE stage <> '{STAGE}' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return Funnel(images, questions, accepted, tuple((str(a), str(b), int(c)) for a, b, c in drops))


def content_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Returns a digest of everything a release is made from, whatever parts it lies in."""
    sums = [
        str(connection.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} t").fetchall())
        for table in _SOURCES
    ]
    return hashlib.sha256(json.dumps([duckdb.__version__, sums, read_funnel(connection)]).encode()).hexdigest()


def accepted_rows(dataset: Dataset, folder: Path) -> Iterator[Accepted]:
    """Yields the accepted questions by image and question id; ``folder`` is for files in between.

    Raises:
        ValueError: a decision names a question or an image that is not there, or something is there twice.
    """
    for bucket in read_buckets(dataset, _SOURCES, folder):
        yield from _accepted_of(bucket)


def _accepted_of(bucket: Bucket) -> Iterator[Accepted]:
    decisions = bucket["decisions"].filter(pc.equal(bucket["decisions"]["route"], Route.ACCEPT.value)).sort_by(_ORDER)
    wanted = pc.is_in(bucket["questions"]["question_id"], value_set=decisions["question_id"].combine_chunks())
    questions = bucket["questions"].filter(wanted).sort_by(_ORDER)
    images = {image.image_id: image for image in table_to_records(bucket["images"], Image)}
    _check_kinship(decisions, questions, images)
    verdicts: dict[str, list[Verdict]] = {}
    judged = pc.is_in(bucket["verdicts"]["question_id"], value_set=decisions["question_id"].combine_chunks())
    for verdict in table_to_records(bucket["verdicts"].filter(judged), Verdict):
        verdicts.setdefault(verdict.question_id, []).append(verdict)
    rows = zip(_records(questions, Question), _records(decisions, Decision), strict=True)
    for question, decision in rows:
        said = tuple(verdicts.get(question.question_id, ()))
        yield Accepted(question, images[decision.image_id], decision, said)


def _check_kinship(decisions: pa.Table, questions: pa.Table, images: Mapping[str, Image]) -> None:
    """Raises ValueError unless each accepted decision has exactly one question, about its image, which is there."""
    accepted, found = _ids(decisions), _ids(questions)
    for ids, what in ((accepted, "accepted"), (found, "in the dataset")):
        twice = next((one for one, other in pairwise(ids) if one == other), None)
        if twice:
            raise ValueError(f"question {twice[1]} is {what} twice")
    if accepted != found:
        image_id, question_id = min(set(accepted) ^ set(found))
        raise ValueError(f"question {question_id} is accepted, but the dataset has none such about image {image_id}")
    missing = next((image_id for image_id, _ in accepted if image_id not in images), None)
    if missing:
        raise ValueError(f"a question about image {missing} is accepted, but that image is not in the dataset")


def _ids(rows: pa.Table) -> list[tuple[str, str]]:
    return list(zip(rows["image_id"].to_pylist(), rows["question_id"].to_pylist(), strict=True))


def _records(rows: pa.Table, record_type: type[RecordType]) -> Iterator[RecordType]:
    """Yields records, of which few are in memory at a time."""
    for start in range(0, rows.num_rows, _STEP):
        yield from table_to_records(rows.slice(start, _STEP), record_type)
