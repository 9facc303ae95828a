"""A release while its rows are written: the files of each split, the counts for its card, and the balance."""

from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from pipelines.ledger import Ledger
from pipelines.publish_card import Tally
from pipelines.publish_folder import Built
from pipelines.publish_images import embed
from pipelines.publish_rows import STAGE
from pipelines.publish_shards import SplitWriter
from pipelines.selecting import Selection
from schemas.drop import Drop, DropReason
from schemas.image import Image
from schemas.release_row import EmbeddedImage
from stages.publish import Place, PublishConfig

UNIT = "questions"


class Origin(NamedTuple):
    """Where the pictures of a dataset are, and what rows say of that."""

    folder: Path
    name: str
    domain: str | None
    """Domain pack, where the configuration names one."""


class Work:
    """What is written so far."""

    def __init__(self, folder: Path, config: PublishConfig, selection: Selection, origin: Origin) -> None:
        self.folder = folder
        self.config = config
        self.selection = selection
        self.origin = origin
        self.tally = Tally()
        self.ledger = Ledger(STAGE)
        self.ledger.take(UNIT, 0)
        self._writers: dict[str, SplitWriter] = {}

    def __enter__(self) -> "Work":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def writer(self, split: str) -> SplitWriter:
        """Returns the writer of a split."""
        if split not in self._writers:
            self._writers[split] = SplitWriter(self.folder, split, self.config)
        return self._writers[split]

    def take(self, question_id: str) -> bool:
        """Takes a question in and returns whether it is selected; the others are dropped."""
        self.ledger.take(UNIT)
        refused = self.selection.refused.get(question_id)
        if refused is not None:
            self.ledger.drop(UNIT, [refused])
        return refused is None

    def place(self, question_id: str, row: int) -> Place:
        """Returns what a row says of where it stands."""
        return Place(row, self.origin.name, self.origin.domain, self.selection.levels[question_id])

    def finish(self) -> Built:
        """Closes the files and returns everything that the texts are written from."""
        for writer in self._writers.values():
            writer.seal()
        files = tuple(file for split in sorted(self._writers) for file in self._writers[split].finish())
        return Built(files, self.tally, self.ledger.drops, self.ledger.close())


def read_picture(image: Image, source: Path) -> EmbeddedImage | Drop:
    """Returns the picture of an image as it ships; a drop where its file is gone or another picture by now."""
    try:
        data = (source / image.uri).read_bytes()
    except OSError as error:
        detail = f"{image.uri} cannot be read any more: {error.strerror or error}"
        return Drop(stage=STAGE, id=image.image_id, parent_id=image.uri, reason=DropReason.MISSING_IMAGE, detail=detail)
    return embed(data, image)


def of_question(drop: Drop, question_id: str) -> Drop:
    """A picture that is gone costs its questions: the drop as one of a question."""
    return drop.model_copy(update={"id": question_id, "parent_id": drop.id})
