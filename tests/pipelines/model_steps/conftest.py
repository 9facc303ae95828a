"""The stand-in for models, over the pictures that the other tests of the pipeline read."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.scripted_answers.book import book_of_dataset
from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_answers.stand_in import StandIn
from benchmarks.scripted_server.scenes import SceneBook
from benchmarks.scripted_server.script import Faults, Manner
from benchmarks.scripted_server.server import ScriptedServer
from pipelines.cli_models import Flags, model_flags
from pipelines.store import Dataset

pytest.importorskip("openai")


class Served(NamedTuple):
    """A generator and a judge that answer by script."""

    vlm: StandIn
    judge: StandIn
    servers: tuple[ScriptedServer, ScriptedServer]

    @property
    def flags(self) -> Flags:
        urls = [[self.servers[0].url], [self.servers[1].url], None, None]
        return model_flags(urls, [None] * 4)

    @property
    def paid(self) -> int:
        return sum(sum(server.counts.paid.values()) for server in self.servers)


Serve = Callable[[Rates], AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def book(finished: Dataset, tiny_source: tuple[Path, Path]) -> SceneBook:
    return book_of_dataset(finished, tiny_source[0])


@pytest.fixture(scope="session")
def serve(book: SceneBook) -> Serve:
    @contextmanager
    def run(rates: Rates, faults: Faults | None = None) -> Iterator[Served]:
        vlm, judge = StandIn(rates), StandIn(rates)
        with (
            ScriptedServer(vlm.answers(), book, faults, Manner(model="small-writer")) as first,
            ScriptedServer(judge.answers(), book, faults, Manner(model="arbiter", seed=1)) as second,
        ):
            yield Served(vlm, judge, (first, second))

    return run
