"""A dataset with everything the report shows, its report, and a browser that several tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.report.write import write_report
from pipelines.store import Dataset
from schemas.decision import Decision, Route
from schemas.drop import Drop, DropReason
from tests.browser import Tab, browser, find_browser
from tests.release_makers import (
    accept,
    admit,
    encode,
    make_instances,
    make_pixels,
    make_question,
    write_dataset,
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"q\" 'é'"
"""A question that would run if anything were left unescaped anywhere."""


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten pictures with four questions each, of which one is dropped and one is hostile."""
    folder = tmp_path_factory.mktemp("report")
    images, instances, questions, decisions, drops = [], [], [], [], []
    for number in range(10):
        uri = f"picture {number} <b>.png"
        data = encode(make_pixels(number, 320, 240))
        (folder / uri).write_bytes(data)
        image = admit(data, uri)
        own = make_instances(image)
        styles = ("hopchain", "hopchain", "spatial", "insight")
        asked = [make_question(image, own, k, style=styles[k], hop_count=1 + k % 3) for k in range(4)]
        asked[2] = asked[2].model_copy(update={"question": HOSTILE})
        named = {"question_id": asked[3].question_id, "image_id": image.image_id}
        decisions += [*(accept(question) for question in asked[:3]), Decision(route=Route.DROP, reason="full", **named)]
        lost = {"id": asked[3].question_id, "parent_id": image.image_id, "detail": "its cell is full"}
        drops.append(Drop(stage="route", reason=DropReason.OVER_QUOTA, **lost))
        images.append(image)
        instances += own
        questions += asked
    tables = {"images": images, "instances": instances, "questions": questions, "decisions": decisions, "drops": drops}
    return write_dataset(folder / "dataset", folder, tables)


@pytest.fixture(scope="session")
def report(shown: Dataset) -> Path:
    return write_report(shown.root).path


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    if find_browser() is None:
        pytest.skip("there is no Chromium on this machine")
    with browser() as opened:
        yield opened
