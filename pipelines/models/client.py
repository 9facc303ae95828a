"""The client: requests in, replies out, each asked and paid once, whoever asks and however often the run is killed."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pipelines.errors import UserError
from pipelines.models.keys import key_of
from pipelines.models.pictures import Pictures, ReadPicture
from pipelines.models.reply_store import ReplyStore
from pipelines.models.server import Server
from pipelines.models.spec import ModelSpec
from schemas.model_reply import ModelReply
from schemas.model_request import ModelRequest, ModelRole

_POLL_SECONDS = 0.05
"""How often to look whether another process has its reply."""

Result = TypeVar("Result")


class Backend(Protocol):
    """Answers the requests of one model: servers, or the model in this process."""

    async def answer(self, key: str, request: ModelRequest) -> ModelReply: ...

    async def close(self) -> None: ...


class ModelClient:
    """Asks models. Usable from any number of threads; close it, or use it as a context."""

    def __init__(self, root: Path, specs: Mapping[ModelRole, ModelSpec], read_picture: ReadPicture) -> None:
        """Opens the reply store of a dataset.

        Args:
            root: the dataset folder.
            specs: one model per role that will be asked.
            read_picture: file bytes by image id, also of pictures that a caller made.
        """
        self._specs = dict(specs)
        self._store = ReplyStore(root)
        self._in_flight: dict[str, asyncio.Future[ModelReply]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()
        self._backends = self._run(_open(self._specs, read_picture))

    def ask(self, request: ModelRequest) -> ModelReply:
        """Returns the reply to one request; errors are replies too. Blocks."""
        return self._run(self.ask_async(request))

    def ask_all(
        self, requests: Sequence[ModelRequest], heard: Callable[[ModelReply], None] | None = None
    ) -> list[ModelReply]:
        """Returns one reply per request, in their order; as many are under way at once as the servers bear.

        Args:
            requests: what to ask.
            heard: called with each reply as it comes in, from another thread.
        """
        return self._run(self._ask_all(requests, heard))

    def start(self, request: ModelRequest) -> "Future[ModelReply]":
        """Returns at once with the reply to come: for callers whose next request depends on the answer."""
        return asyncio.run_coroutine_threadsafe(self.ask_async(request), self._loop)

    async def ask_async(self, request: ModelRequest) -> ModelReply:
        """Returns the reply to one request. Runs on the client's own loop only."""
        spec = self._spec(request.role)
        key = key_of(request, spec)
        waiting = self._in_flight.get(key)
        if waiting is None:
            waiting = self._in_flight[key] = asyncio.ensure_future(self._once(key, request))
            waiting.add_done_callback(lambda _: self._in_flight.pop(key, None))
        reply = await asyncio.shield(waiting)
        return reply.model_copy(update={"subject_id": request.subject_id, "prompt_hash": request.prompt_hash})

    def close(self) -> None:
        """Ends what is under way and closes the store. Replies that came in are kept."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._store.close()

    def __enter__(self) -> "ModelClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _once(self, key: str, request: ModelRequest) -> ModelReply:
        while True:
            stored = self._store.get(key)
            if stored is not None:
                return stored
            if self._store.claim(key):
                break
            await asyncio.sleep(_POLL_SECONDS)
        reply = await self._backends[request.role].answer(key, request)
        if reply.error is None:
            await self._store.put(reply)
        return reply

    async def _ask_all(
        self, requests: Sequence[ModelRequest], heard: Callable[[ModelReply], None] | None
    ) -> list[ModelReply]:
        async def one(request: ModelRequest) -> ModelReply:
            reply = await self.ask_async(request)
            if heard is not None:
                heard(reply)
            return reply

        return list(await asyncio.gather(*(one(request) for request in requests)))

    async def _end(self) -> None:
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for backend in self._backends.values():
            await backend.close()

    def _spec(self, role: ModelRole) -> ModelSpec:
        try:
            return self._specs[role]
        except KeyError:
            raise UserError(f"no model is configured for the role {role.value}") from None

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _open(specs: Mapping[ModelRole, ModelSpec], read_picture: ReadPicture) -> dict[ModelRole, Backend]:
    return {role: Server(spec, Pictures(read_picture, spec.max_pixels)) for role, spec in specs.items()}
