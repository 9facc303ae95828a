"""One model behind OpenAI-compatible servers: sends, waits, sends again, and notes what each attempt took."""

import asyncio
import random
import time
from typing import NamedTuple

from pipelines.errors import UserError
from pipelines.models.capabilities import Keep, Stored, find_lacking
from pipelines.models.endpoint import Endpoint
from pipelines.models.failures import Failure, failure_of, is_worth_repeating
from pipelines.models.pictures import Pictures
from pipelines.models.redaction import redact, secrets_of
from pipelines.models.retries import pause_before
from pipelines.models.router import NoServerError, Router
from pipelines.models.spec import ModelSpec
from pipelines.models.wire import JOB_HEADER, KEY_HEADER, Completion, degraded_by, read_completion, to_options
from schemas.model_attempt import ModelAttempt
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRequest, Part

DETAIL_CHARACTERS = 500


class Asked(NamedTuple):
    """One request on its way, with what stays the same over its attempts."""

    key: str
    request: ModelRequest
    pictures: dict[Part, str]
    only_local: bool
    """Its pictures may not leave this machine."""


class Server:
    """A back-end over the OpenAI SDK. Owns the repetitions, so that every attempt is seen and counted."""

    def __init__(self, spec: ModelSpec, pictures: Pictures, keep: Keep, stored: Stored) -> None:
        if not spec.urls:
            raise UserError(f"model {spec.model} has no URL: give the address of an OpenAI-compatible server")
        self._spec = spec
        self._pictures = pictures
        self._keep = keep
        self._stored = stored
        self._secrets = secrets_of([spec.api_key_env])
        self._checked = False
        self._checking = asyncio.Lock()
        self.router = Router([Endpoint(spec, url) for url in spec.urls], spec.row_seconds)

    async def answer(self, key: str, request: ModelRequest) -> ModelReply:
        """Returns the reply to the request; what cannot be had is an error inside it, never an exception.

        An answer is on the disk before this returns.

        Raises:
            UserError: no server could be used from the very start.
            sqlite3.Error: the disk does not take the reply.
        """
        only_local = bool(request.image_ids) and not (request.allow_remote_images or self._spec.allow_remote_images)
        if only_local and not any(endpoint.is_local for endpoint in self.router.endpoints):
            names = ", ".join(endpoint.name for endpoint in self.router.endpoints)
            detail = f"the pictures of {request.job} may not leave this machine, and {names} is elsewhere"
            return self._nothing_sent(key, request, ErrorKind.PRIVACY, detail)
        await self.check()
        try:
            pictures = await self._pictures.addresses(request)
        except (KeyError, OSError, ValueError) as error:
            return self._nothing_sent(key, request, ErrorKind.NO_PICTURE, f"{type(error).__name__}: {error}")
        return await self._repeat(Asked(key, request, pictures, only_local))

    async def check(self) -> None:
        """Finds out once what each server lacks.

        Raises:
            UserError: none of them can be used.
        """
        async with self._checking:
            if not self._checked:
                await find_lacking(self.router.endpoints, self._spec, self._stored, self._keep)
                self._checked = True

    async def lacks(self, option: str) -> bool:
        """Returns whether some server would ignore or refuse an option of a request."""
        await self.check()
        return any(option in endpoint.lacking for endpoint in self.router.endpoints)

    def stop(self) -> None:
        """Sends nothing more; what is on the wire may come in."""
        self.router.stop()

    async def close(self) -> None:
        """Closes the connections."""
        for endpoint in self.router.endpoints:
            await endpoint.sdk.close()

    async def _repeat(self, asked: Asked) -> ModelReply:
        """Sends until there is an answer, the attempts are used up, or the row's deadline would pass."""
        rng = random.Random(asked.key)
        deadline: float | None = None
        failure = Failure(ErrorKind.UNAVAILABLE, "nothing was sent")
        endpoint: Endpoint | None = None
        for attempt in range(1, self._spec.attempts + 1):
            try:
                left = None if deadline is None else deadline - time.monotonic()
                async with asyncio.timeout(left):
                    endpoint = await self.router.take(endpoint, asked.only_local)
            except TimeoutError:
                break
            except NoServerError as error:
                failure = Failure(ErrorKind.UNAVAILABLE, str(error))
                break
            deadline = deadline or time.monotonic() + self._spec.row_seconds
            outcome = await self._attempt(asked, endpoint, attempt, deadline)
            if isinstance(outcome, ModelReply):
                return outcome
            failure = outcome
            pause = pause_before(attempt + 1, failure.retry_after, rng)
            if not is_worth_repeating(failure.kind) or time.monotonic() + pause > deadline:
                break
            if attempt < self._spec.attempts:
                await asyncio.sleep(pause)
        reply = self._nothing_sent(asked.key, asked.request, failure.kind, failure.detail)
        name = "" if endpoint is None else endpoint.name
        return reply.model_copy(update={"endpoint": name, "attempts": attempt if endpoint else 0})

    async def _attempt(self, asked: Asked, endpoint: Endpoint, attempt: int, deadline: float) -> ModelReply | Failure:
        """Sends once, tells limiter and breaker, and keeps what came of it."""
        began, started = time.time(), time.perf_counter()
        try:
            try:
                limit = min(self._spec.call_seconds, deadline - time.monotonic())
                async with asyncio.timeout(limit):
                    raw = redact(await self._post(asked, endpoint), self._secrets)
                completion = read_completion(raw)
            except Exception as error:  # noqa: BLE001 - whatever a foreign server causes is a failed attempt
                outcome: tuple[str, Completion] | Failure = failure_of(error, began)
            else:
                outcome = raw, completion
            seconds = time.perf_counter() - started
            self._tell(endpoint, outcome, seconds)
        finally:
            endpoint.breaker.forget_trial()
            self.router.done(endpoint)
        note = self._note(asked, endpoint, attempt, (began, seconds))
        if isinstance(outcome, Failure):
            detail = redact(outcome.detail, self._secrets)[:DETAIL_CHARACTERS]
            await self._keep(None, note.model_copy(update={"error": outcome.kind, "usage_known": outcome.is_unpaid}))
            return outcome._replace(detail=detail)
        reply = self._reply(asked, note, *outcome)
        taken = {field: getattr(reply, field) for field in ("input_tokens", "output_tokens", "usage_known", "money")}
        await self._keep(reply, note.model_copy(update=taken))
        return reply

    def _tell(self, endpoint: Endpoint, outcome: object, seconds: float) -> None:
        now = time.monotonic()
        if not isinstance(outcome, Failure):
            is_full = endpoint.in_flight >= endpoint.limiter.limit
            endpoint.limiter.succeeded(seconds, is_full)
            endpoint.breaker.succeeded()
            return
        if outcome.is_overload or outcome.kind is ErrorKind.TIMEOUT:
            endpoint.limiter.overloaded()
        if outcome.retry_after is not None:
            pause = min(outcome.retry_after, self._spec.row_seconds)
            endpoint.not_before = max(endpoint.not_before, now + pause)
        if outcome.is_server_down:
            endpoint.breaker.failed(now)
        else:
            endpoint.breaker.succeeded()

    async def _post(self, asked: Asked, endpoint: Endpoint) -> str:
        options = to_options(asked.request, self._spec, asked.pictures, endpoint.lacking)
        headers = {JOB_HEADER: asked.request.job, KEY_HEADER: asked.key}
        return await endpoint.post(options, headers)

    def _note(self, asked: Asked, endpoint: Endpoint, attempt: int, time_taken: tuple[float, float]) -> ModelAttempt:
        return ModelAttempt(
            request_key=asked.key,
            job=asked.request.job,
            role=asked.request.role,
            subject_id=asked.request.subject_id,
            model=self._spec.model,
            endpoint=endpoint.name,
            attempt=attempt,
            started=time_taken[0],
            seconds=time_taken[1],
            usage_known=True,
        )

    def _reply(self, asked: Asked, note: ModelAttempt, raw: str, completion: Completion) -> ModelReply:
        per_input, per_output = self._spec.money_per_token
        lacking = next(each.lacking for each in self.router.endpoints if each.name == note.endpoint)
        return ModelReply(
            request_key=asked.key,
            job=asked.request.job,
            role=asked.request.role,
            subject_id=asked.request.subject_id,
            prompt_hash=asked.request.prompt_hash,
            model=self._spec.model,
            endpoint=note.endpoint,
            texts=completion.texts,
            finish_reasons=completion.finish_reasons,
            raw=raw,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            usage_known=completion.usage_known,
            money=completion.input_tokens * per_input + completion.output_tokens * per_output,
            seconds=note.seconds,
            attempts=note.attempt,
            degraded=degraded_by(asked.request, lacking),
        )

    def _nothing_sent(self, key: str, request: ModelRequest, kind: ErrorKind, detail: str) -> ModelReply:
        return ModelReply(
            request_key=key,
            job=request.job,
            role=request.role,
            subject_id=request.subject_id,
            prompt_hash=request.prompt_hash,
            model=self._spec.model,
            attempts=0,
            error=kind,
            error_detail=redact(detail, self._secrets)[:DETAIL_CHARACTERS],
        )
