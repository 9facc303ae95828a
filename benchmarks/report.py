"""Report: writing one with 5,000 questions, and opening it in a headless Chromium."""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import PIL.Image

from benchmarks.plan import Plan
from benchmarks.rendered import painted_options, painted_source
from benchmarks.table import Table, verdict_text
from benchmarks.timing import cpu_seconds, wall_seconds
from pipelines.produce import produce_plain
from pipelines.report.write import ReportFile, write_report
from pipelines.store import Dataset
from schemas.image import Image
from schemas.instance import Instance
from schemas.question import Question
from schemas.record import Record
from tests.browser import browser, find_browser
from tests.release_makers import accept, admit, write_dataset

Row = TypeVar("Row", Instance, Question)

QUESTIONS, PER_PICTURE = 5_000, 4
OPEN_SECONDS = 3.0
_FIRST_PICTURE = "document.querySelector('.picture img')?.naturalWidth > 0"


def run(plan: Plan) -> Iterator[Table]:
    """Yields the table of writing and opening a report."""
    seed = Dataset(produce_plain(painted_options(plan, plan.scratch / "reported")).root)
    wanted = 200 if plan.quick else QUESTIONS
    dataset = _many_pictures(plan, seed, wanted)
    write = partial(write_report, dataset.root, plan.scratch / "report.html")
    wall, (processor, written) = wall_seconds(lambda: cpu_seconds(write))
    opening = _opening(written, 1 if plan.quick else 5) if find_browser() else None
    met = None if opening is None or plan.quick else opening < OPEN_SECONDS
    lines = [
        ("written, wall", f"{wall:.1f} s", "", ""),
        ("written, processor", f"{processor:.1f} s", "", ""),
        ("file", f"{written.file_bytes / 1e6:.1f} MB", "", ""),
        ("open, with the first picture", _shown(opening), f"below {OPEN_SECONDS:.0f} s", verdict_text(met)),
    ]
    notes = (
        f"{written.questions:,} questions about {written.pictures:,} rendered pictures of 512x384, each another one.",
        "Opening: from the address to cards on the page, filters filled and the first picture decoded; median of 5.",
    )
    return iter([Table("Report", ("what", "measured", "target", "verdict"), lines, notes)])


def _shown(seconds: float | None) -> str:
    return "no Chromium here" if seconds is None else f"{seconds:.2f} s"


def _opening(written: ReportFile, repeats: int) -> float:
    """Returns the median seconds from the address to a page that works."""
    times = []
    with browser() as tab:
        for _ in range(repeats):
            tab.call("Page.navigate", url="about:blank")
            started = time.perf_counter()
            tab.open(written.path)
            tab.run("document.getElementById('gallery').scrollIntoView({behavior: 'instant'})")
            tab.wait(_FIRST_PICTURE)
            times.append(time.perf_counter() - started)
    return median(times)


def _many_pictures(plan: Plan, seed: Dataset, wanted: int) -> Dataset:
    """Returns a dataset with so many questions about pictures that are rolled copies of the rendered ones."""
    source = plan.scratch / "rolled"
    instances = _by_image(seed.records("instances", Instance))
    questions = _by_image(seed.records("questions", Question))
    folder = painted_source(plan)[0]
    tables: dict[str, list[Record]] = {name: [] for name in ("images", "instances", "questions", "decisions")}
    turn = 0
    while len(tables["questions"]) < wanted:
        for image in seed.records("images", Image):
            asked = questions.get(image.image_id, [])[:PER_PICTURE]
            if asked and len(tables["questions"]) < wanted:
                rolled = _rolled(folder / image.uri, source / f"{turn:03d}-{Path(image.uri).stem}.jpg", turn)
                _add(tables, rolled, instances.get(image.image_id, []), asked)
        turn += 1
    return write_dataset(plan.scratch / "many-pictures", source, tables)


def _rolled(path: Path, target: Path, turn: int) -> Image:
    target.parent.mkdir(exist_ok=True)
    pixels = np.roll(np.asarray(PIL.Image.open(path).convert("RGB")), 16 * turn, axis=1)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    target.write_bytes(buffer.getvalue())
    return admit(buffer.getvalue(), target.name)


def _add(
    tables: Mapping[str, list[Record]], image: Image, instances: Sequence[Instance], asked: Sequence[Question]
) -> None:
    ours = {"image_id": image.image_id}
    renamed = [one.model_copy(update=ours | {"question_id": image.image_id[:8] + one.question_id[8:]}) for one in asked]
    tables["images"].append(image)
    tables["instances"].extend(one.model_copy(update=ours) for one in instances)
    tables["questions"].extend(renamed)
    tables["decisions"].extend(accept(question) for question in renamed)


def _by_image(rows: Iterator[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.image_id, []).append(row)
    return found
