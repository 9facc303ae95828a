"""The documents: every SQL statement runs, every link leads somewhere."""

import re
from pathlib import Path

import pytest

from pipelines.catalog import ask
from pipelines.config import parse_config
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from tests.pipelines.tiny_source import write_source

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
STATEMENTS = [
    (page.name, statement)
    for page in PAGES
    for statement in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    images, annotations = write_source(folder / "source", 6)
    config = parse_config({"route": {"min_support": 1}}, "test")
    return Dataset(
        produce_plain(RunOptions(out=folder / "out", config=config, source=images, annotations=annotations)).root
    )


def test_there_are_statements_to_run():
    assert len(STATEMENTS) >= 10


@pytest.mark.parametrize(("page", "statement"), STATEMENTS)
def test_every_statement_of_the_documents_runs(dataset, page, statement):
    with ask(dataset, statement) as answer:
        assert answer is not None, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
