"""RL rows, a batch of questions at a time: their pictures are read, their columns made, their rows handed to files."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from pipelines.publish_work import UNIT, Work, of_question, read_picture
from schemas.decision import Decision
from schemas.drop import Drop
from schemas.image import Image
from schemas.question import Question
from schemas.release_row import EmbeddedImage
from stages.publish import Accepted, unfit_of
from stages.release_columns import AskedRows, release_columns, suspects, tiers_of

ROWS = 1_000
PICTURE_BYTES = 32 << 20
"""A batch ends at the first new image after so many rows or bytes of pictures."""


class _Batch(NamedTuple):
    asked: AskedRows
    pictures: Sequence[EmbeddedImage]
    """One per row."""


def add_columns(work: Work, asked: AskedRows) -> None:
    """Writes the rows of accepted questions, which stand in the order of their images."""
    names = asked.questions["question_id"].to_pylist()
    selected = asked.take([row for row, name in enumerate(names) if work.take(name)])
    for batch in _batches(work, selected):
        _add(work, _fitting(work, batch))


def _batches(work: Work, asked: AskedRows) -> Iterator[_Batch]:
    """Yields the questions whose pictures could be read; the others are dropped."""
    rows: list[int] = []
    pictures: list[EmbeddedImage] = []
    held = 0
    names = asked.questions["question_id"].to_pylist()
    for _, found in groupby(enumerate(asked.questions["image_id"].to_pylist()), lambda one: one[1]):
        own = [row for row, _ in found]
        (image,) = (Image.model_validate(row) for row in asked.images.slice(own[0], 1).to_pylist())
        picture = read_picture(image, work.origin.folder)
        if isinstance(picture, Drop):
            work.ledger.drop(UNIT, [of_question(picture, names[row]) for row in own])
            continue
        rows += own
        pictures += [picture] * len(own)
        held += len(picture.bytes or b"")
        if len(rows) >= ROWS or held >= PICTURE_BYTES:
            yield _Batch(asked.take(rows), pictures)
            rows, pictures, held = [], [], 0
    if rows:
        yield _Batch(asked.take(rows), pictures)


def _fitting(work: Work, batch: _Batch) -> _Batch:
    """Returns the questions that can be published; the others are dropped."""
    refused = {}
    for row in suspects(batch.asked):
        drop = unfit_of(_record(batch.asked, row))
        if drop is not None:
            refused[row] = drop
    work.ledger.drop(UNIT, list(refused.values()))
    kept = [row for row in range(len(batch.pictures)) if row not in refused]
    return _Batch(batch.asked.take(kept), [batch.pictures[row] for row in kept])


def _add(work: Work, batch: _Batch) -> None:
    splits = batch.asked.images["split"].to_pylist()
    names = batch.asked.questions["question_id"].to_pylist()
    for split in sorted(set(splits)):
        writer = work.writer(split)
        rows = [row for row, its in enumerate(splits) if its == split]
        places = [work.place(names[row], writer.position + number) for number, row in enumerate(rows)]
        columns = release_columns(batch.asked.take(rows), places, work.config)
        writer.add_columns(columns, [batch.pictures[row] for row in rows])
    work.tally.add_columns(batch.asked, tiers_of(batch.asked))
    work.ledger.keep(UNIT, len(batch.pictures))


def _record(asked: AskedRows, row: int) -> Accepted:
    """Returns one question as records; nothing of what was said about it, which no unfit question needs."""
    question, image, decision = (table.slice(row, 1).to_pylist()[0] for table in asked[:3])
    records = (Question.model_validate(question), Image.model_validate(image), Decision.model_validate(decision))
    return Accepted(*records, (), asked.tried[row])
