"""The stand-in's HTTP side: an OpenAI-compatible server on loopback with faults on order. See the package's words.

    book = SceneBook(); book.add(scene, png_bytes)
    with ScriptedServer({"judge": my_answer}, book, Faults(rate_limited=0.1)) as server:
        ... ask server.url ...; server.counts

The answer to a request is a function of the request and of the manner's seed, not of when it comes or how often. Which
attempts of it meet a fault is drawn from the request and the number of the attempt.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from aiohttp import web

from benchmarks.scripted_server.asked import Answer, Asked, answer_probe, count_tokens, echo, read_request
from benchmarks.scripted_server.bodies import Body, make_body, stop_at
from benchmarks.scripted_server.scenes import SceneBook
from benchmarks.scripted_server.script import Counts, Faults, Manner

__all__ = ["Counts", "Faults", "Manner", "ScriptedServer"]

PROBE = "probe"
_BODY_OPTIONS = {
    "n": "n",
    "stop": "stop",
    "logprobs": "logprobs",
    "seed": "seed",
    "response_format": "json_schema",
    "temperature": "temperature",
}
"""Option in the body, and how `Manner` calls it."""


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
        """Takes the script.

        Args:
            answers: an answer function per job; other jobs get `echo`.
            book: the scenes behind pictures.
            faults: what goes wrong how often.
            manner: what it does otherwise.
            port: 0 for any free one.
        """
        self.answers = {PROBE: answer_probe, **(answers or {})}
        self.book = book or SceneBook()
        self.faults = faults or Faults()
        self.manner = manner or Manner()
        self.counts = Counts()
        self._port = port
        self._attempts: Counter[str] = Counter()
        self._present = 0
        self._runner: web.AppRunner | None = None
        self._workers: asyncio.Semaphore | None = None

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> "ScriptedServer":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
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
        self._workers = asyncio.Semaphore(self.manner.at_once or 1_000_000)
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024).start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.manner.model, "object": "model"}]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            asked = read_request(json.loads(raw), request.headers, self.book)
        except (KeyError, TypeError, ValueError) as error:
            self.counts.outcomes["refused"] += 1
            return _error(400, f"bad request: {error}")
        name = asked.key or json.dumps(asked.body, sort_keys=True)
        self._attempts[name] += 1
        self.counts.sent[asked.key] += 1
        self._present += 1
        if asked.job != PROBE:
            self.counts.most_at_once = max(self.counts.most_at_once, self._present)
        try:
            return await self._respond(request, asked, name)
        except asyncio.CancelledError:
            self.counts.outcomes["aborted"] += 1
            raise
        finally:
            self._present -= 1

    async def _respond(self, request: web.Request, asked: Asked, name: str) -> web.StreamResponse:
        refused = [option for option in _BODY_OPTIONS if option in asked.body and self._refuses(option)]
        if refused:
            return _error(500, f"{refused[0]} is not supported")
        fault = self._fault(asked, name)
        if fault != "ok":
            self.counts.outcomes[fault] += 1
        if fault == "timeout":
            await asyncio.sleep(self.faults.hang_seconds)
            return web.Response(status=504)
        if fault == "rate_limited":
            return _error(429, "slow down", {"Retry-After": f"{self.faults.retry_after:g}"})
        assert self._workers is not None
        async with self._workers:
            await asyncio.sleep(self.manner.latency)
        if fault == "server_error":
            return _error(500, "scripted failure")
        if fault == "reset":
            _cut(request)
            return web.Response()
        return await self._send(request, asked, self._body(asked, name), fault)

    async def _send(self, request: web.Request, asked: Asked, body: Body, fault: str) -> web.StreamResponse:
        if fault == "truncated":
            self.counts.spoilt += 1
            return await _half(request, body.data)
        if fault == "bad_json":
            self.counts.spoilt += 1
            return web.Response(body=body.data[: len(body.data) // 2], content_type="application/json")
        response = web.Response(body=body.data, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        self._bill(asked, body)
        return response

    def _refuses(self, option: str) -> bool:
        return _BODY_OPTIONS[option] in self.manner.refuses

    def _fault(self, asked: Asked, name: str) -> str:
        if asked.job == PROBE and self.faults.spare_probes:
            return "ok"
        most = self.manner.most_waiting
        if most is not None and self._present > (self.manner.at_once or 0) + most:
            return "rate_limited"
        return self.faults.draw(random.Random(f"{self.manner.seed}:fault:{name}:{self._attempts[name]}"))

    def _body(self, asked: Asked, name: str) -> Body:
        ignored = self.manner.ignores
        asked = asked._replace(
            json_schema=None if "json_schema" in ignored else asked.json_schema,
            body={key: value for key, value in asked.body.items() if _BODY_OPTIONS.get(key) not in ignored},
        )
        answer = self.answers.get(asked.job, echo)
        scene = next((seen.scene for seen in asked.pictures if seen is not None), None)
        stops = asked.body.get("stop") or []
        texts = []
        for draw in range(1 if "n" in ignored else asked.n):
            rng = random.Random(f"{self.manner.seed}:answer:{name}:{draw}")
            texts.append(stop_at(answer(scene, asked._replace(draw=draw), rng), stops))
        return make_body(self.manner.model, texts, count_tokens(asked), bool(asked.body.get("logprobs")))

    def _bill(self, asked: Asked, body: Body) -> None:
        if asked.job == PROBE:
            self.counts.probes += 1
            self.counts.probe_tokens += body.input_tokens + body.output_tokens
            return
        self.counts.outcomes["ok"] += 1
        if self.manner.knows_repeats and self.counts.paid[asked.key]:
            return
        self.counts.paid[asked.key] += 1
        self.counts.jobs[asked.job] += 1
        self.counts.input_tokens += body.input_tokens
        self.counts.output_tokens += body.output_tokens


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"message": text}}, status=status, headers=headers)


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
