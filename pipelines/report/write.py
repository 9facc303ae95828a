"""Writing the report of a dataset."""

from pathlib import Path
from typing import NamedTuple

from pipelines.catalog import connect
from pipelines.errors import UserError
from pipelines.parts import write_atomically
from pipelines.report.gallery import MOST_QUESTIONS, choose_questions, draw_gallery
from pipelines.report.page import Page, page_html
from pipelines.report.sections import SECTIONS
from pipelines.steps import source_folder
from pipelines.store import Dataset

FILE_NAME = "report.html"


class ReportFile(NamedTuple):
    """What was written."""

    path: Path
    questions: int
    pictures: int
    unreadable: int
    """Pictures that are gone or changed; their cards say so."""
    file_bytes: int


def write_report(root: Path, out: Path | None = None, most: int = MOST_QUESTIONS) -> ReportFile:
    """Writes the report of a dataset folder, to ``out`` or its file ``report.html``, and returns what is in it.

    The same dataset gives the same bytes. At most ``most`` questions are in the gallery; all are in the numbers.

    Raises:
        UserError: the folder is no dataset, or ``out`` cannot be written.
    """
    dataset = Dataset.open(root)
    path = dataset.root / FILE_NAME if out is None else out
    info = dataset.info
    with connect(dataset) as connection:
        sections = [section for make in SECTIONS if (section := make(connection)) is not None]
        chosen = choose_questions(connection, most)
        pictures = list(draw_gallery(connection, chosen, source_folder(dataset.root, info)))
    origin = "rendered scenes" if info.scene_count is not None else Path(info.source).name
    subtitle = f"Made from {origin}, seed {info.seed}, configuration {info.config_hash or 'unknown'}."
    page = Page(f"Hopyard: {dataset.root.resolve().name}", subtitle, sections, pictures, chosen.total)
    data = page_html(page).encode()
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    unreadable = sum(not picture.webp for picture in pictures)
    return ReportFile(path, len(chosen.rows), len(pictures), unreadable, len(data))
