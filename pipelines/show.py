"""`hopyard show`: one question as a PNG or a self-contained HTML page."""

import io
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.parts import write_atomically
from pipelines.show_html import render_html
from pipelines.steps import source_folder
from pipelines.store import Dataset
from schemas.decision import Decision
from schemas.image import Image
from schemas.instance import Instance
from schemas.question import Hop, Question, TraceStep
from schemas.verdict import Verdict
from stages.certificates import all_certificates
from stages.drawing import draw_question
from stages.ingest import DecodedImage, IngestConfig, read_image
from stages.masks import BoolMask, rle_to_mask

FOLDER = "shown"
_ANY_SIZE = IngestConfig(max_pixels=170_000_000, min_side=1)
_KINDS = (".png", ".html")


class Subject(NamedTuple):
    """A question with everything that is drawn of it."""

    question: Question
    pixels: NDArray[np.uint8]
    """``(H, W, 3)`` RGB."""
    masks: dict[str, BoolMask]
    """By instance id, those of the hops."""


def show_question(root: Path, question_id: str | None = None, out: Path | None = None, blind: bool = False) -> Path:
    """Writes one question's page and returns its path.

    Without an id it is the accepted question with the most hops, then the highest margin, then the lowest id. Without
    ``out`` it is a PNG in the dataset's folder ``shown``.

    Raises:
        UserError: there is no such question, its picture is gone, or ``out`` cannot be written or is no PNG or HTML.
    """
    if out is not None and out.suffix.lower() not in _KINDS:
        raise UserError(f"{out} is neither .png nor .html")
    subject = load_subject(Dataset.open(root), question_id)
    name = f"{subject.question.question_id}{'-blind' if blind else ''}.png"
    path = root / FOLDER / name if out is None else out
    try:
        write_atomically(path, _page(subject, path, blind))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def load_subject(dataset: Dataset, question_id: str | None) -> Subject:
    """Returns the question of that id (or of the one id that starts so), or the one `show_question` picks."""
    with connect(dataset) as connection:
        question = _with_certificates(connection, _find(connection, question_id, dataset.root))
        (image,) = (Image.model_validate(row) for row in _select(connection, "images", "image_id", question.image_id))
        landings: tuple[Hop | TraceStep, ...] = (*question.hops, *question.trace)
        wanted = {instance_id for landing in landings for instance_id in landing.instance_ids}
        rows = _select(connection, "instances", "image_id", question.image_id)
        instances = [Instance.model_validate(row) for row in rows if row["instance_id"] in wanted]
    masks = {instance.instance_id: rle_to_mask(instance.mask) for instance in instances}
    return Subject(question, _read_pixels(dataset, image), masks)


def _find(connection: duckdb.DuckDBPyConnection, question_id: str | None, root: Path) -> Question:
    if question_id is None:
        sql = """
            SELECT q FROM questions q SEMI JOIN (FROM decisions_in_effect WHERE route = 'accept') d USING (question_id)
            ORDER BY q.hop_count DESC, q.margin DESC, q.question_id LIMIT 1
        """
        found = connection.execute(sql).fetchall()
        if not found:
            raise UserError(f"{root} has no accepted question; `hopyard query` and `hopyard why` tell where they went")
    else:
        sql = "SELECT q FROM questions q WHERE starts_with(q.question_id, ?) ORDER BY q.question_id LIMIT 2"
        found = connection.execute(sql, [question_id]).fetchall()
        if not question_id or not found:
            raise UserError(f"{root} has no question {question_id!r}; `hopyard why` explains ids of other things")
        if len(found) > 1 and found[0][0]["question_id"] != question_id:
            raise UserError(f"more than one question of {root} starts with {question_id}; give more of its id")
    return Question.model_validate(found[0][0])


def _with_certificates(connection: duckdb.DuckDBPyConnection, question: Question) -> Question:
    """Returns the question with what judges and the balance of the dataset said of it later."""
    said = _select(connection, "verdicts", "question_id", question.question_id)
    routed = _select(connection, "decisions_in_effect", "question_id", question.question_id)
    decision = Decision.model_validate(routed[0]) if routed else None
    certificates = all_certificates(question, [Verdict.model_validate(row) for row in said], decision)
    return question.model_copy(update={"certificates": certificates})


def _select(connection: duckdb.DuckDBPyConnection, table: str, column: str, value: str) -> list[dict[str, object]]:
    return [row for (row,) in connection.execute(f"SELECT t FROM {table} t WHERE {column} = ?", [value]).fetchall()]


def _read_pixels(dataset: Dataset, image: Image) -> NDArray[np.uint8]:
    path = source_folder(dataset.root, dataset.info) / image.uri
    try:
        decoded = read_image(path.read_bytes(), image.uri, image.licence, _ANY_SIZE)
    except OSError as error:
        raise UserError(f"the picture {path} cannot be read: {error.strerror or error}") from error
    if not isinstance(decoded, DecodedImage) or decoded.image.image_id != image.image_id:
        raise UserError(f"the picture {path} is not the one that was ingested any more")
    return decoded.pixels


def _page(subject: Subject, path: Path, blind: bool) -> bytes:
    if path.suffix.lower() == ".html":
        return render_html(subject.question, subject.pixels, subject.masks, blind).encode()
    buffer = io.BytesIO()
    draw_question(subject.pixels, subject.question, subject.masks, blind).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
