"""The stand-in's HTTP side: an OpenAI-compatible server on loopback with faults on order. See the package's words.

    book = SceneBook(); book.add(scene, png_bytes)
    with ScriptedServer({"judge": my_answer}, book, Faults(rate_limited=0.1)) as server:
        ... ask server.url ...; server.counts

The answer to a request is a function of the request alone (and of `seed`), not of when it comes or how often.
Which attempts of it meet a fault is drawn from the request and the number of the attempt.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import web

from benchmarks.scripted_server.asked import Answer, Asked, count_tokens, echo, read_request, to_body
from benchmarks.scripted_server.scenes import SceneBook


@dataclass(frozen=True)
class Faults:
    """Chances of faults per attempt, in [0, 1]; their sum is at most 1. What is left goes well."""

    rate_limited: float = 0.0
    """429 with Retry-After."""
    server_error: float = 0.0
    """500."""
    timeout: float = 0.0
    """No answer for `hang_seconds`."""
    truncated: float = 0.0
    """200, and the connection is cut in the middle of the body."""
    bad_json: float = 0.0
    """200 with a whole body that is no JSON."""
    reset: float = 0.0
    """The connection is reset before any answer."""
    retry_after: float = 0.05
    """Seconds."""
    hang_seconds: float = 5.0


@dataclass(frozen=True)
class Manner:
    """How the server behaves when nothing goes wrong."""

    latency: float = 0.0
    """Seconds until an answer is sent."""
    ignores: frozenset[str] = frozenset()
    """Options it silently ignores, as real servers do: n, response_format, logprobs, seed."""
    model: str = "scripted"
    seed: int = 0


@dataclass
class Counts:
    """What the server was asked and what it gave."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """ok and every fault."""
    paid: Counter[str] = field(default_factory=Counter)
    """Whole answers sent, by request key."""
    jobs: Counter[str] = field(default_factory=Counter)
    """Whole answers sent, by job."""
    input_tokens: int = 0
    output_tokens: int = 0
    most_at_once: int = 0


class ScriptedServer:
    """Runs on a free port of 127.0.0.1 in a thread of its own while the context is open."""

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        book: SceneBook | None = None,
        faults: Faults | None = None,
        manner: Manner | None = None,
        port: int = 0,
    ) -> None:
        self.answers = dict(answers or {})
        self.book = book or SceneBook()
        self.faults = faults or Faults()
        self.manner = manner or Manner()
        self.counts = Counts()
        self._port = port
        self._attempts: Counter[str] = Counter()
        self._at_once = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.manner.model, "object": "model"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self._at_once += 1
        self.counts.most_at_once = max(self.counts.most_at_once, self._at_once)
        try:
            raw = await request.read()
            try:
                asked = read_request(json.loads(raw), request.headers, self.book)
            except (KeyError, TypeError, ValueError) as error:
                self.counts.outcomes["refused"] += 1
                return web.json_response({"error": {"message": f"bad request: {error}"}}, status=400)
            return await self._respond(request, asked)
        finally:
            self._at_once -= 1

    async def _respond(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        name = asked.key or json.dumps(asked.body, sort_keys=True)
        self._attempts[name] += 1
        fault = self._draw_fault(random.Random(f"{self.manner.seed}:fault:{name}:{self._attempts[name]}"))
        if fault == "timeout":
            self.counts.outcomes[fault] += 1
            await asyncio.sleep(self.faults.hang_seconds)
            return web.Response(status=504)
        await asyncio.sleep(self.manner.latency)
        if fault == "rate_limited":
            self.counts.outcomes[fault] += 1
            headers = {"Retry-After": f"{self.faults.retry_after:g}"}
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers=headers)
        if fault == "server_error":
            self.counts.outcomes[fault] += 1
            return web.json_response({"error": {"message": "scripted failure"}}, status=500)
        if fault == "reset":
            self.counts.outcomes[fault] += 1
            _cut(request)
            return web.Response()
        body = self._body(asked, name)
        if fault == "truncated":
            self.counts.outcomes[fault] += 1
            return await _half(request, body)
        if fault == "bad_json":
            self.counts.outcomes[fault] += 1
            return web.Response(body=body[: len(body) // 2], content_type="application/json")
        response = web.Response(body=body, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        self._bill(asked, body)
        return response

    def _draw_fault(self, rng: random.Random) -> str:
        at = rng.random()
        for name in ("rate_limited", "server_error", "timeout", "truncated", "bad_json", "reset"):
            at -= getattr(self.faults, name)
            if at < 0:
                return name
        return "ok"

    def _body(self, asked: Asked, name: str) -> bytes:
        answer = self.answers.get(asked.job, echo)
        scene = next((seen.scene for seen in asked.pictures if seen is not None), None)
        count = 1 if "n" in self.manner.ignores else asked.n
        texts = []
        for draw in range(count):
            rng = random.Random(f"{self.manner.seed}:answer:{name}:{draw}")
            texts.append(answer(scene, asked._replace(draw=draw), rng))
        return to_body(self.manner.model, texts, count_tokens(asked))

    def _bill(self, asked: Asked, body: bytes) -> None:
        usage = json.loads(body)["usage"]
        self.counts.outcomes["ok"] += 1
        self.counts.paid[asked.key] += 1
        self.counts.jobs[asked.job] += 1
        self.counts.input_tokens += usage["prompt_tokens"]
        self.counts.output_tokens += usage["completion_tokens"]


def _cut(request: web.Request) -> None:
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    _cut(request)
    return response
