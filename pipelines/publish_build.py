"""The rows of a release: from accepted questions and their pictures to finished files.

RL rows are made many at a time, as columns (`pipelines.publish_columns`); those of the other views one by one, since
each runs programs. In memory are one range of images, the pictures of one batch, and one row group per split.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import NothingToDoError, UserError
from pipelines.publish_columns import add_columns
from pipelines.publish_folder import Built
from pipelines.publish_rows import Found, accepted_rows, asked_rows
from pipelines.publish_views import NEEDS_SCENE, Make, Material
from pipelines.publish_work import UNIT, Origin, Work, of_question, read_picture
from pipelines.release_gate import GateRow
from pipelines.selecting import Selecting, Selection
from pipelines.steps import source_folder
from pipelines.store import Dataset
from schemas.drop import Drop
from schemas.release_row import EmbeddedImage
from stages.publish import PublishConfig


class Making(NamedTuple):
    """What a release is made like."""

    config: PublishConfig
    make: Make | None
    """None for RL rows."""
    selecting: Selecting
    gate: tuple[GateRow, ...] = ()


def build(dataset: Dataset, folder: Path, making: Making, selection: Selection) -> Built:
    """Writes the rows into the folder and returns what was written.

    Raises:
        UserError: the source folder is gone, or there is nothing to publish.
        ValueError: the tables contradict each other.
    """
    ranges = folder / "ranges"
    with Work(folder, making.config, selection, _origin(dataset)) as work:
        if making.make is None:
            for asked in asked_rows(dataset, ranges):
                add_columns(work, asked)
        else:
            _add_records(work, accepted_rows(dataset, ranges, making.config.view in NEEDS_SCENE), making.make)
        built = work.finish()
    shutil.rmtree(ranges, ignore_errors=True)
    if not built.files:
        reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(d.reason for d in built.drops).items())
        kind = UserError if reasons else NothingToDoError
        raise kind(f"{dataset.root} has nothing to publish: {reasons or 'no question was accepted'}")
    return built


def _add_records(work: Work, found: Iterable[Found], make: Make) -> None:
    taken = (one for one in found if work.take(one.accepted.question.question_id))
    for (accepted, scene), picture in _with_pictures(taken, work.origin.folder):
        name = accepted.question.question_id
        if isinstance(picture, Drop):
            work.ledger.drop(UNIT, [of_question(picture, name)])
            continue
        writer = work.writer(accepted.image.split)
        rows = make(Material(accepted, picture, scene), work.place(name, writer.position))
        if isinstance(rows, Drop):
            work.ledger.drop(UNIT, [rows])
            continue
        for row in rows:
            writer.add(row)
        work.tally.add(accepted, rows)
        work.ledger.keep(UNIT)


def _with_pictures(rows: Iterable[Found], source: Path) -> Iterator[tuple[Found, EmbeddedImage | Drop]]:
    """Yields each question with its picture, which is read once for all questions about it."""
    last, picture = "", None
    for found in rows:
        image = found.accepted.image
        if picture is None or image.image_id != last:
            last, picture = image.image_id, read_picture(image, source)
        yield found, picture


def _origin(dataset: Dataset) -> Origin:
    folder = source_folder(dataset.root, dataset.info)
    if not folder.is_dir():
        raise UserError(f"the source folder {folder} is gone; publishing reads the pictures from it")
    domain = dataset.info.config.get("domain")
    name = "rendered" if dataset.info.scene_count is not None else Path(dataset.info.source).name
    return Origin(folder, name, domain if isinstance(domain, str) else None)
