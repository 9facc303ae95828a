"""What there is to publish: accepted questions with their images, by image and question id, one range in memory."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.people.standing import decided_annotations, decisions_in_effect
from pipelines.publish_buckets import Bucket, Wanted, read_buckets
from pipelines.store import Dataset
from schemas.arrow import RecordType, table_to_records
from schemas.category import Category
from schemas.decision import Decision, Route
from schemas.image import Image
from schemas.instance import Instance
from schemas.question import Question
from schemas.release_row import SolveRate, Vote
from schemas.rollout import View
from schemas.scene import Scene
from schemas.trace import Trace
from schemas.verdict import Outcome as Said
from schemas.verdict import Verdict
from stages.publish import Accepted, Tried
from stages.release_columns import AskedRows

STAGE = "publish"
SOURCES = (
    "images", "questions", "decisions", "verdicts", "rollouts", "annotations", "people", "traces", "stabilities",
)  # fmt: skip
_SCENE_SOURCES = ("instances", "categories")
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
        for rows in ("images", "questions", "decisions_in_effect WHERE route = 'accept'")
    )
    drops = connection.execute(
        f"SELECT stage, reason, count(*) FROM drops WHERE stage <> '{STAGE}' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return Funnel(images, questions, accepted, tuple((str(a), str(b), int(c)) for a, b, c in drops))


def content_digest(connection: duckdb.DuckDBPyConnection) -> str:
    """Returns a digest of everything a release is made from, whatever parts it lies in."""
    sums = [
        str(connection.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} t").fetchall())
        for table in SOURCES
    ]
    return hashlib.sha256(json.dumps([duckdb.__version__, sums, read_funnel(connection)]).encode()).hexdigest()


class Found(NamedTuple):
    """An accepted question, with its scene where that was asked for and its image has instances."""

    accepted: Accepted
    scene: Scene | None


def accepted_rows(dataset: Dataset, folder: Path, with_scenes: bool = False) -> Iterator[Found]:
    """Yields the accepted questions by image and question id; ``folder`` is for files in between.

    Raises:
        ValueError: a decision names a question or an image that is not there, or something is there twice.
    """
    tables = (*SOURCES, *_SCENE_SOURCES) if with_scenes else SOURCES
    supports = _supports(dataset) if with_scenes else {}
    for bucket in read_buckets(dataset, tables, folder, wanted=_accepted(dataset)):
        scenes = SceneBuilder(bucket, supports) if with_scenes else None
        for accepted in _accepted_of(bucket):
            yield Found(accepted, None if scenes is None else scenes.scene_of(accepted.image))


class SceneBuilder:
    """Scenes of one image range, made when they are asked for; the last one is kept."""

    def __init__(self, bucket: Bucket, supports: Mapping[str, frozenset[str]]) -> None:
        self._supports = supports
        self._tables = {table: _by_image(bucket[table]) for table in _SCENE_SOURCES}
        self._last: tuple[str, Scene | None] = ("", None)

    def scene_of(self, image: Image) -> Scene | None:
        """Returns everything known of an image; None where it has no instances."""
        if self._last[0] != image.image_id:
            self._last = (image.image_id, self._scene(image))
        return self._last[1]

    def _scene(self, image: Image) -> Scene | None:
        instances = [Instance.model_validate(row) for row in self._rows("instances", image.image_id)]
        categories = [Category.model_validate(row) for row in self._rows("categories", image.image_id)]
        if not instances:
            return None
        return Scene(
            image=image,
            instances=tuple(sorted(instances, key=lambda instance: instance.instance_id)),
            categories=tuple(sorted(categories, key=lambda category: category.category)),
            supports=self._supports.get(image.uri, frozenset()),
        )

    def _rows(self, table: str, image_id: str) -> list[dict[str, Any]]:
        rows, runs = self._tables[table]
        start, length = runs.get(image_id, (0, 0))
        found: list[dict[str, Any]] = rows.slice(start, length).to_pylist()
        return found


def _by_image(rows: pa.Table) -> tuple[pa.Table, dict[str, tuple[int, int]]]:
    """Returns the rows sorted by image, and where each image's rows start and how many they are."""
    ordered = rows.sort_by("image_id")
    runs: dict[str, tuple[int, int]] = {}
    for position, name in enumerate(ordered["image_id"].to_pylist()):
        start, length = runs.get(name, (position, 0))
        runs[name] = (start, length + 1)
    return ordered, runs


def _supports(dataset: Dataset) -> dict[str, frozenset[str]]:
    """Returns by uri the facts that the source states; few different sets, each kept once."""
    known: dict[frozenset[str], frozenset[str]] = {}
    stated = dataset.read("source_annotations", columns=["uri", "supports"]).to_pylist()
    return {row["uri"]: known.setdefault(frozenset(row["supports"]), frozenset(row["supports"])) for row in stated}


def asked_rows(dataset: Dataset, folder: Path) -> Iterator[AskedRows]:
    """Yields the accepted questions as tables, one image range at a time, in the order of `accepted_rows`.

    Raises:
        ValueError: as `accepted_rows`.
    """
    for bucket in read_buckets(dataset, SOURCES, folder, wanted=_accepted(dataset)):
        yield _asked_of(bucket)


def _accepted(dataset: Dataset) -> Wanted:
    """Returns the questions that are accepted in effect, and their images."""
    standing = decisions_in_effect(dataset.read("decisions"), dataset.read("people"))
    accepted = standing.filter(pc.equal(standing["route"], Route.ACCEPT.value))
    return Wanted(*(pc.unique(accepted[name]) for name in ("question_id", "image_id")))


def _asked_of(bucket: Bucket) -> AskedRows:
    standing = decisions_in_effect(bucket["decisions"], bucket["people"])
    decisions = standing.filter(pc.equal(standing["route"], Route.ACCEPT.value)).sort_by(_ORDER)
    questions = _about(decisions, bucket["questions"]).sort_by(_ORDER)
    places = {image_id: place for place, image_id in enumerate(bucket["images"]["image_id"].to_pylist())}
    _check_kinship(decisions, questions, places)
    images = bucket["images"].take(pa.array([places[name] for name in questions["image_id"].to_pylist()], pa.int64()))
    rollouts, annotations = _answers(_with_picture(bucket["rollouts"])), _answers(decided_annotations(bucket))
    asked = zip(questions["question_id"].to_pylist(), questions["answer"].to_pylist(), strict=True)
    rows = bucket["stabilities"]
    stable = dict(zip(rows["question_id"].to_pylist(), rows["stability"].to_pylist(), strict=True))
    tried = [
        tried_of(answer, rollouts.get(name, ()), annotations.get(name, ()))._replace(stability=stable.get(name))
        for name, answer in asked
    ]
    return AskedRows(questions, images, decisions, tried, _passed(_about(decisions, bucket["verdicts"])))


def _about(decisions: pa.Table, rows: pa.Table) -> pa.Table:
    """Returns the rows about the questions of the decisions."""
    return rows.filter(pc.is_in(rows["question_id"], value_set=decisions["question_id"].combine_chunks()))


def _passed(verdicts: pa.Table) -> dict[str, set[str]]:
    """Returns by judge the questions that it passed and never did not pass."""
    passed: dict[str, set[str]] = defaultdict(set)
    refused: dict[str, set[str]] = defaultdict(set)
    rows = (verdicts[name].to_pylist() for name in ("question_id", "judge", "outcome"))
    for question_id, judge, outcome in zip(*rows, strict=True):
        (passed if outcome == Said.PASS.value else refused)[judge].add(question_id)
    return {judge: names - refused[judge] for judge, names in passed.items()}


def _accepted_of(bucket: Bucket) -> Iterator[Accepted]:
    asked = _asked_of(bucket)
    images = {image.image_id: image for image in table_to_records(bucket["images"], Image)}
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in table_to_records(_about(asked.decisions, bucket["verdicts"]), Verdict):
        verdicts.setdefault(verdict.question_id, []).append(verdict)
    paths: dict[str, list[Trace]] = {}
    for path in table_to_records(_about(asked.decisions, bucket["traces"]).sort_by("path"), Trace):
        paths.setdefault(path.question_id, []).append(path)
    rows = zip(_records(asked.questions, Question), _records(asked.decisions, Decision), asked.tried, strict=True)
    for question, decision, tried in rows:
        name = question.question_id
        told = tried._replace(paths=tuple(paths.get(name, ())))
        yield Accepted(question, images[decision.image_id], decision, tuple(verdicts.get(name, ())), told)


def _with_picture(rollouts: pa.Table) -> pa.Table:
    """Returns the attempts that saw the picture: the others say how leaky a question is, not how hard."""
    return rollouts.filter(pc.fill_null(pc.equal(rollouts["view"], View.FULL.value), True))


def _answers(rows: pa.Table) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the rows of a table of answers by question; only what counts is read.

    Of a model's attempts those that saw the picture count: the others measure what words give away.
    """
    if "view" in rows.column_names:
        rows = rows.filter(pc.equal(rows["view"], View.FULL.value))
    columns = [name for name in ("question_id", "model", "answer") if name in rows.column_names]
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows.select(columns).to_pylist():
        found.setdefault(row["question_id"], []).append(row)
    return found


def tried_of(gold: int, rollouts: Sequence[Mapping[str, Any]], annotations: Sequence[Mapping[str, Any]]) -> Tried:
    """Returns solve rates by model and votes by answer; an attempt or a person without a number is not counted."""
    stated: dict[str, list[bool]] = {}
    for row in rollouts:
        if row["answer"] is not None:
            stated.setdefault(row["model"], []).append(row["answer"] == gold)
    rates = tuple(
        SolveRate(model=model, n=len(hits), correct=sum(hits), rate=sum(hits) / len(hits))
        for model, hits in sorted(stated.items())
    )
    votes = Counter(str(row["answer"]) for row in annotations if row["answer"] is not None)
    counted = tuple(
        Vote(answer=answer, n=n) for answer, n in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    )
    return Tried(rates or None, counted or None)


def _check_kinship(decisions: pa.Table, questions: pa.Table, images: Container[str]) -> None:
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
