"""The client: requests in, replies out, each asked and paid once, whoever asks and however often the run is killed."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pipelines.errors import UserError
from pipelines.models.budget import BudgetSpentError, check_budget, most_money
from pipelines.models.claims import Claim, Claims
from pipelines.models.draws import first_draws, join_draws, single_draws
from pipelines.models.in_process import InProcess
from pipelines.models.keys import key_of
from pipelines.models.pictures import Pictures, ReadPicture
from pipelines.models.reply_store import ReplyStore
from pipelines.models.server import Server
from pipelines.models.spec import ModelSpec
from schemas.model_reply import ModelReply
from schemas.model_request import ModelRequest, ModelRole

_POLL_SECONDS = 0.05
"""How often to look whether another process has its reply."""
_GRACE_SECONDS = 5.0
"""How long a closing client waits for what is on the wire: it is paid for already."""
_READY = 1.25
"""Requests held ready per request that the servers may have under way."""

Result = TypeVar("Result")


class Backend(Protocol):
    """Answers the requests of one model: servers, or the model in this process."""

    async def answer(self, key: str, request: ModelRequest) -> ModelReply:
        """Returns the reply; one that is no error is on the disk by then."""

    async def check(self) -> None:
        """Finds out what the model's servers can do. Raises UserError where none can be used."""

    async def lacks(self, option: str) -> bool:
        """Returns whether an option of a request would be ignored or refused."""

    def stop(self) -> None:
        """Sends nothing more; what is on the wire may come in."""

    async def close(self) -> None:
        """Lets go of connections and memory."""


class ModelClient:
    """Asks models. Usable from any number of threads; close it, or use it as a context."""

    def __init__(
        self,
        root: Path,
        specs: Mapping[ModelRole, ModelSpec],
        read_picture: ReadPicture,
        budget: float | None = None,
    ) -> None:
        """Opens the reply store of a dataset.

        Args:
            root: the dataset folder.
            specs: one model per role that will be asked.
            read_picture: file bytes or path by image id, also of pictures that a caller made.
            budget: the most money that the dataset may cost, all runs together; None for no bound.

        Raises:
            UserError: a model has no server, its libraries are missing, or the budget cannot bind.
        """
        self._specs = dict(specs)
        self._budget = budget
        check_budget(budget, list(specs.values()))
        self._store = ReplyStore(root)
        self._claims = Claims(self._store.folder)
        self._in_flight: dict[str, asyncio.Task[ModelReply]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()
        self._backends: dict[ModelRole, Backend] = {}
        try:
            self._backends = self._run(_open(self._specs, read_picture, self._store))
        except BaseException:
            self.close()
            raise

    @property
    def spent(self) -> float:
        """Money spent on the dataset so far, by all runs."""
        return self._store.spent

    def check(self) -> None:
        """Asks every server what it can do, before work is given to it.

        Raises:
            UserError: no server of some role can be used.
        """
        self._run(self._check())

    def ask(self, request: ModelRequest) -> ModelReply:
        """Returns the reply to one request; errors are replies too. Blocks.

        Raises:
            BudgetSpentError: the request could cost more than is left.
            UserError: no model is configured for its role.
        """
        return self._run(self.ask_async(request))

    def ask_all(
        self, requests: Iterable[ModelRequest], heard: Callable[[ModelReply], None] | None = None
    ) -> list[ModelReply]:
        """Returns one reply per request, in their order; as many are under way at once as the servers bear.

        Args:
            requests: what to ask; taken as needed, so a generator may be long.
            heard: called with each reply as it comes in, from another thread.

        Raises:
            BudgetSpentError: the budget does not allow all of them. What was under way was awaited and kept.
            UserError: no model is configured for a role.
        """
        return self._run(self._ask_all(requests, heard))

    def start(self, request: ModelRequest) -> "Future[ModelReply]":
        """Returns at once with the reply to come: for callers whose next request depends on the answer."""
        return asyncio.run_coroutine_threadsafe(self.ask_async(request), self._loop)

    async def ask_async(self, request: ModelRequest) -> ModelReply:
        """Returns the reply to one request. Runs on the client's own loop only."""
        if request.n == 1:
            return await self._shared(request)
        bulk = await self._bulk(request)
        if bulk is not None and (bulk.error is not None or len(bulk.texts) >= request.n):
            return bulk
        given = 0 if bulk is None else len(bulk.texts)
        singles = await asyncio.gather(*(self._shared(single) for single in single_draws(request, given)))
        return join_draws(request, key_of(request, self._spec(request.role)), bulk, singles)

    def close(self) -> None:
        """Waits shortly for what is on the wire, and closes the store. Replies that came in are kept."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._claims.close()
        self._store.close()

    def __enter__(self) -> "ModelClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _bulk(self, request: ModelRequest) -> ModelReply | None:
        """Returns all draws of the request by one sending; None where the servers give one at a time."""
        key = key_of(request, self._spec(request.role))
        if self._store.get(key) is None and await self._backends[request.role].lacks("n"):
            return None
        return first_draws(await self._shared(request), request.n)

    async def _shared(self, request: ModelRequest) -> ModelReply:
        """Returns the reply to a request that is sent as it is; equal ones at the same time share it."""
        key = key_of(request, self._spec(request.role))
        task = self._in_flight.get(key)
        if task is None:
            task = self._in_flight[key] = asyncio.ensure_future(self._once(key, request))
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        reply = await asyncio.shield(task)
        if (reply.subject_id, reply.prompt_hash) == (request.subject_id, request.prompt_hash):
            return reply
        return reply.model_copy(update={"subject_id": request.subject_id, "prompt_hash": request.prompt_hash})

    async def _once(self, key: str, request: ModelRequest) -> ModelReply:
        money = 0.0 if self._budget is None else most_money(request, self._spec(request.role))
        while True:
            stored = self._store.get(key)
            if stored is not None:
                return stored
            left = None if self._budget is None else self._budget - self._store.spent
            claim = self._claims.take(key, money, left)
            if claim is Claim.OURS:
                break
            if claim is Claim.OVER_BUDGET:
                raise BudgetSpentError(
                    f"{self._store.spent:.4g} of the budget of {self._budget:.4g} is spent and the next {request.job} "
                    f"request may cost {money:.4g}; nothing is lost, the same command with a larger budget goes on"
                )
            await asyncio.sleep(_POLL_SECONDS)
        try:
            # Between the look into the store and the claim, another process may have stored the reply and let go.
            return self._store.get(key) or await self._backends[request.role].answer(key, request)
        finally:
            self._claims.give_back(key)

    async def _ask_all(
        self, requests: Iterable[ModelRequest], heard: Callable[[ModelReply], None] | None
    ) -> list[ModelReply]:
        numbered = enumerate(requests)
        replies: dict[int, ModelReply] = {}
        errors: list[Exception] = []

        async def work() -> None:
            for number, request in numbered:
                try:
                    replies[number] = await self.ask_async(request)
                    if heard is not None:
                        heard(replies[number])
                except Exception as error:  # noqa: BLE001 - raised below, when what is under way has come in
                    errors.append(error)
                if errors:
                    return

        bound = sum(spec.max_in_flight * max(1, len(spec.urls)) for spec in set(self._specs.values()))
        await asyncio.gather(*(work() for _ in range(int(bound * _READY) + 1)))
        if errors:
            raise errors[0]
        return [replies[number] for number in range(len(replies))]

    async def _check(self) -> None:
        for backend in {id(backend): backend for backend in self._backends.values()}.values():
            await backend.check()

    async def _end(self) -> None:
        for backend in self._backends.values():
            backend.stop()
        tasks = list(self._in_flight.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for backend in {id(backend): backend for backend in self._backends.values()}.values():
            await backend.close()

    def _spec(self, role: ModelRole) -> ModelSpec:
        try:
            return self._specs[role]
        except KeyError:
            raise UserError(f"no model is configured for the role {role.value}") from None

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _open(
    specs: Mapping[ModelRole, ModelSpec], read_picture: ReadPicture, store: ReplyStore
) -> dict[ModelRole, Backend]:
    """Returns a back-end per role; roles with the same model share one, and with it its limits."""
    opened: dict[ModelSpec, Backend] = {}
    for spec in specs.values():
        if spec not in opened:
            pictures = Pictures(read_picture, spec)
            if spec.kind == "transformers":
                opened[spec] = InProcess(spec, pictures, store.put)
            else:
                opened[spec] = Server(spec, pictures, store.put, store.get)
    return {role: opened[spec] for role, spec in specs.items()}
