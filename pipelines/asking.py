"""Asking models from inside a step: requests out, replies read, what could not be read asked once more, all kept.

Steps that ask run in the parent process, where the one client is (`pipelines.pool`). It is found by the dataset's
folder, because a job is a description and holds nothing open; it is opened when the first step asks.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from pipelines.errors import UserError
from pipelines.job import Job
from pipelines.ledger import Ledger
from schemas.drop import Drop
from schemas.manifest import Failure
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRequest, ModelRole
from stages.asking import once_more, text_of
from stages.parsing.reply import Fault, Unreadable

T = TypeVar("T")

LASTING = frozenset({ErrorKind.REFUSED, ErrorKind.PRIVACY, ErrorKind.NO_PICTURE})
"""Errors that asking again would not mend: a fact about the request. All others are outages, and are tried again."""


class Client(Protocol):
    """What answers: `pipelines.models.client.ModelClient`."""

    def ask_all(
        self, requests: Sequence[ModelRequest], heard: Callable[[ModelReply], None] | None = None
    ) -> list[ModelReply]: ...

    def close(self) -> None: ...


class Models:
    """The client of a run, opened when it is first needed, and which model stands behind each role."""

    def __init__(self, names: Mapping[ModelRole, str], open_client: Callable[[], Client]) -> None:
        self.names = names
        self._open_client = open_client
        self._client: Client | None = None
        self._lock = threading.Lock()

    @property
    def client(self) -> Client:
        """The open client."""
        with self._lock:
            if self._client is None:
                self._client = self._open_client()
            return self._client

    def close(self) -> None:
        """Closes the client where it was opened."""
        if self._client is not None:
            self._client.close()


_OPEN: dict[Path, Models] = {}


@contextmanager
def use_models(root: Path, models: Models | None) -> Iterator[None]:
    """Lets the steps of the dataset ask these models while the context is open, and closes them."""
    if models is None:
        yield
        return
    place = root.resolve()
    _OPEN[place] = models
    try:
        yield
    finally:
        del _OPEN[place]
        models.close()


class Asker:
    """Asks for one job, and remembers every reply for the table `replies`."""

    def __init__(self, job: Job, ledger: Ledger) -> None:
        models = _OPEN.get(job.root.resolve())
        if models is None:
            raise UserError(f"the stage {job.stage} asks models, and none are open: run it in the process of the run")
        self._models = models
        self._job = job
        self._ledger = ledger
        self.replies: dict[str, ModelReply] = {}

    def name(self, role: ModelRole) -> str:
        """Returns the model behind a role."""
        return self._models.names.get(role, "")

    def ask(self, requests: Sequence[ModelRequest], again: bool = False) -> list[ModelReply]:
        """Returns one reply per request, in order; ``again`` only says that they were asked before."""
        replies = self._models.client.ask_all(requests) if requests else []
        for reply in replies:
            self.replies.setdefault(reply.request_key, reply)
        return replies

    def read(
        self, requests: Sequence[ModelRequest], readers: Sequence[Callable[[str], T]]
    ) -> list[tuple[ModelReply, T | Unreadable]]:
        """Returns each reply with what its reader makes of it; one that cannot be read is asked for once more.

        One that can be read and contradicts itself is not: that is an answer, and its worth is none.
        """
        found = [_read(reply, reader) for reply, reader in zip(self.ask(requests), readers, strict=True)]
        bad = [
            place
            for place, (_, value) in enumerate(found)
            if isinstance(value, Unreadable) and value.fault not in (Fault.ERROR, Fault.CONTRADICTORY)
        ]
        second = [once_more(requests[place], found[place][0].text, _fault(found[place][1])) for place in bad]
        for place, reply in zip(bad, self.ask(second, again=True), strict=True):
            if reply.error not in LASTING:  # an outage is not silence: what could not be asked again is no fact yet
                found[place] = _read(reply, readers[place])
        return found

    def understand(self, reply: ModelReply, reader: Callable[[str], T]) -> T | Unreadable:
        """Returns what a reader makes of one reply, without asking again."""
        return _read(reply, reader)[1]

    def is_outage(self, reply: ModelReply, record_id: str) -> bool:
        """Returns whether a reply is missing because of an outage, and puts that down as a failure of the record."""
        if reply.error is None or reply.error in LASTING:
            return False
        error = f"{reply.error.value}: {reply.error_detail}"
        self._ledger.failures.append(Failure(stage=self._job.stage, id=record_id, error=error[:500]))
        return True


def _fault(value: object) -> str:
    return value.text if isinstance(value, Unreadable) else ""


def _read(reply: ModelReply, reader: Callable[[str], T]) -> tuple[ModelReply, T | Unreadable]:
    text = text_of(reply)
    return reply, text if isinstance(text, Unreadable) else reader(text)


def drop_of(stage: str, thing: tuple[str, str], fault: Unreadable) -> Drop:
    """Returns the drop of what hung on a reply that says nothing; ``thing`` is its id and its parent's."""
    return Drop(stage=stage, id=thing[0], parent_id=thing[1], reason=fault.reason, detail=fault.text)
