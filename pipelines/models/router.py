"""Which server takes the next request: the least loaded one that is up, first come, first served."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from pipelines.models.endpoint import Endpoint

_LOOK_AGAIN = 0.5
"""Longest that a waiting request sleeps without looking, in seconds: a safety net, not the way it is woken."""


class NoServerError(Exception):
    """No server of the model has been up for too long."""


class Router:
    """Gives out places on the servers of one model. For one event loop."""

    def __init__(self, endpoints: Sequence[Endpoint], patience: float) -> None:
        """Takes the servers.

        Args:
            endpoints: all servers of one model.
            patience: seconds with every server down until requests are given up.
        """
        self.endpoints = tuple(endpoints)
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._stopped = False

    async def take(self, avoid: Endpoint | None = None, only_local: bool = False) -> Endpoint:
        """Returns a server and counts a request as under way there; `done` must follow.

        Args:
            avoid: the server that failed last; another one is preferred.
            only_local: servers on other machines may not be asked.

        Raises:
            NoServerError: all have been down for longer than the patience, or the router was stopped.
        """
        if self._stopped:
            raise NoServerError("the run is ending")
        endpoint = None if self._waiting else self._best(avoid, only_local)
        while endpoint is None or not await self._is_usable(endpoint):
            self._check_patience()
            await self._turn()
            endpoint = self._best(avoid, only_local)
        return endpoint

    def done(self, endpoint: Endpoint) -> None:
        """Notes that a request is no longer under way, after its outcome was told to limiter and breaker."""
        endpoint.in_flight -= 1
        self._wake()

    def stop(self) -> None:
        """Gives out no more places; who waits for one is told so."""
        self._stopped = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()

    def _best(self, avoid: Endpoint | None, only_local: bool) -> Endpoint | None:
        now = time.monotonic()
        free = [each for each in self.endpoints if each.admits(now) and (each.is_local or not only_local)]
        chosen = min(free, key=lambda each: (each is avoid, *each.load), default=None)
        if chosen is not None:
            chosen.in_flight += 1
            chosen.breaker.sent()
        return chosen

    async def _is_usable(self, endpoint: Endpoint) -> bool:
        """Returns whether a chosen server is up; one that was down is asked for its health first."""
        if endpoint.breaker.is_closed:
            return True
        is_up = False
        try:
            is_up = await endpoint.is_up()
            if not is_up:
                endpoint.breaker.failed(time.monotonic())
        finally:
            if not is_up:
                endpoint.breaker.forget_trial()
                self.done(endpoint)
        return is_up

    async def _turn(self) -> None:
        """Waits until a place became free, or may have become free by the clock."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._until_next()):
                await turn
        except TimeoutError:
            if turn in self._waiting:
                self._waiting.remove(turn)
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._wake()  # it was this one's turn: now it is the next one's
            raise

    def _until_next(self) -> float:
        now = time.monotonic()
        pauses = (max(each.breaker.waits(now), each.not_before - now) for each in self.endpoints)
        return min([_LOOK_AGAIN, *(pause + 0.001 for pause in pauses if pause > 0)])

    def _wake(self) -> None:
        """Wakes as many waiting requests as there are places."""
        places = sum(max(0, each.limiter.limit - each.in_flight) for each in self.endpoints)
        while self._waiting and places > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                places -= 1

    def _check_patience(self) -> None:
        if self._stopped:
            raise NoServerError("the run is ending")
        since = [each.breaker.opened_at for each in self.endpoints]
        down = [time.monotonic() - opened for opened in since if opened is not None]
        if len(down) == len(self.endpoints) and min(down) > self._patience:
            names = ", ".join(each.name for each in self.endpoints)
            raise NoServerError(f"no server has answered for {self._patience:g} s: {names}")
