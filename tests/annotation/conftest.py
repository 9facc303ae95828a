"""One real Label Studio server for all tests that need one; without its environment they are skipped, and say why."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.client import Client
from annotation.environment import VARIABLE, Environment, is_ready
from annotation.journal import Journal, open_journal
from annotation.server import Serving, serve
from annotation.team import add_annotator
from annotation.workplace import Workplace

ROOT = Path(__file__).parents[2]
NAMES = ("ann", "bea", "cem", "dov")


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The server's environment: the variable's, or the one that `make env-label-studio` makes."""
    folder = Path(os.environ.get(VARIABLE) or ROOT / ".venv-label-studio")
    if not is_ready(folder):
        pytest.skip(f"there is no Label Studio environment in {folder} (make env-label-studio)")
    return Environment(folder)


@pytest.fixture(scope="session")
def workplace(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace whose server runs, with four annotators."""
    place = Workplace(tmp_path_factory.mktemp("label-studio"))
    with serve(place, Serving(environment, port=0, private_webhooks=True), lambda _: None):
        with Client(place.connection()) as client:
            for name in NAMES:
                add_annotator(client, place, name)
        yield place


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """An empty journal."""
    with open_journal(tmp_path_factory.mktemp("journal")) as opened:
        yield opened
