"""The back-end of `kind = "transformers"`: requests gathered into batches for a model in this process."""

import asyncio
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pipelines.errors import UserError
from pipelines.models.capabilities import Keep
from pipelines.models.pictures import Pictures
from pipelines.models.spec import ModelSpec
from pipelines.models.wire import FOLLOW_SCHEMA
from schemas.model_attempt import ModelAttempt
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRequest, Part
from stages.generators.transformers_vlm import (
    Conversation,
    Generate,
    Generated,
    TooLongError,
    Turn,
    open_transformers_vlm,
)

LACKING = ("logprobs", "json_schema")
_GATHER_SECONDS = 0.02
"""How long a first request waits for others to share its batch."""


class _Waiting(NamedTuple):
    request: ModelRequest
    key: str
    conversation: Conversation
    reply: "asyncio.Future[ModelReply]"

    @property
    def kind(self) -> tuple[object, ...]:
        """What requests of one batch have in common. One with a seed is alone: its draw must not depend on others."""
        alone = self.key if self.request.sampling.seed is not None and self.request.sampling.temperature > 0 else ""
        return len(self.request.image_ids), self.request.sampling, alone


class InProcess:
    """A back-end over a model in this process. Batches hold at most `max_in_flight` requests."""

    def __init__(
        self,
        spec: ModelSpec,
        pictures: Pictures,
        keep: Keep,
        open_model: Callable[[Path], Generate] = open_transformers_vlm,
    ) -> None:
        """Takes the model's place; it is opened with the first request."""
        self._spec = spec
        self._pictures = pictures
        self._keep = keep
        self._open_model = open_model
        self._generate: Generate | None = None
        self._opening = asyncio.Lock()
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._worker = asyncio.ensure_future(self._work())
        self._stopped = False

    async def check(self) -> None:
        """Opens the model.

        Raises:
            UserError: it cannot be opened.
        """
        async with self._opening:
            if self._generate is not None:
                return
            try:
                self._generate = await asyncio.to_thread(self._open_model, Path(self._spec.model))
            except ImportError as error:
                raise UserError(f'models in this process need the extra "vlm" and torch: {error}') from error
            except (OSError, ValueError) as error:
                raise UserError(f"{self._spec.model} holds no usable model: {error}") from error

    async def lacks(self, option: str) -> bool:
        """Returns whether an option has no effect; several answers are drawn one at a time."""
        return option == "n" or option in LACKING

    async def answer(self, key: str, request: ModelRequest) -> ModelReply:
        """Returns the reply to the request. An answer is on the disk before this returns.

        Raises:
            UserError: the model cannot be opened.
        """
        await self.check()
        try:
            conversation = await self._conversation(request)
        except (KeyError, OSError, ValueError) as error:
            return self._failed(key, request, ErrorKind.NO_PICTURE, f"{type(error).__name__}: {error}")
        if self._stopped:
            return self._failed(key, request, ErrorKind.UNAVAILABLE, "the run is ending")
        waiting = _Waiting(request, key, conversation, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        return await waiting.reply

    def stop(self) -> None:
        """Answers nothing more but what is in the batch at work."""
        self._stopped = True

    async def close(self) -> None:
        """Lets go of the model."""
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        self._generate = None

    async def _conversation(self, request: ModelRequest) -> Conversation:
        encoded = await self._pictures.encoded(request)
        turns = [Turn(m.role, tuple(_shown(part, encoded) for part in m.parts)) for m in request.messages]
        if request.json_schema is not None:
            text = f"{FOLLOW_SCHEMA}\n{request.json_schema}"
            turns[-1] = turns[-1]._replace(parts=(*turns[-1].parts, text))
        return tuple(turns)

    async def _work(self) -> None:
        put_back: list[_Waiting] = []
        while True:
            batch = [put_back.pop(0) if put_back else await self._queue.get()]
            await asyncio.sleep(_GATHER_SECONDS)
            while not self._queue.empty():
                put_back.append(self._queue.get_nowait())
            kind, others = batch[0].kind, put_back
            put_back = []
            for each in others:
                (batch if each.kind == kind and len(batch) < self._spec.max_in_flight else put_back).append(each)
            try:
                await self._answer_batch(batch)
            except Exception as error:  # noqa: BLE001 - a full disk: whoever waits must hear of it
                for each in batch:
                    if not each.reply.done():
                        each.reply.set_exception(error)

    async def _answer_batch(self, batch: Sequence[_Waiting]) -> None:
        began, started = time.time(), time.perf_counter()
        request = batch[0].request
        try:
            answers = await asyncio.to_thread(self._run, [each.conversation for each in batch], request)
        except TooLongError as error:
            replies = [self._failed(each.key, each.request, ErrorKind.REFUSED, str(error)) for each in batch]
        except Exception as error:  # noqa: BLE001 - a model's libraries raise anything; the others' replies must not go
            detail = f"{type(error).__name__}: {error}"
            replies = [self._failed(each.key, each.request, ErrorKind.SERVER_ERROR, detail) for each in batch]
        else:
            seconds = (time.perf_counter() - started) / len(batch)
            pairs = zip(batch, answers, strict=True)
            replies = [self._reply(each, answer, seconds) for each, answer in pairs]
        for each, reply in zip(batch, replies, strict=True):
            await self._keep(None if reply.error else reply, self._note(reply, began))
            if not each.reply.done():
                each.reply.set_result(reply)

    def _run(self, conversations: list[Conversation], request: ModelRequest) -> list[Generated]:
        assert self._generate is not None
        sampling = request.sampling
        if sampling.seed is not None:
            sampling = sampling.model_copy(update={"seed": sampling.seed + request.draw})
        return self._generate(conversations, sampling)

    def _reply(self, waiting: _Waiting, answer: Generated, seconds: float) -> ModelReply:
        request = waiting.request
        per_input, per_output = self._spec.money_per_token
        used = {"json_schema": request.json_schema is not None, "logprobs": request.sampling.top_logprobs > 0}
        return ModelReply(
            **_origin(waiting.key, request),
            model=self._spec.model,
            endpoint="in process",
            texts=(answer.text,),
            finish_reasons=(answer.finish_reason,),
            raw=json.dumps(answer._asdict(), ensure_ascii=False),
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            money=answer.input_tokens * per_input + answer.output_tokens * per_output,
            seconds=seconds,
            degraded=tuple(option for option in LACKING if used[option]),
        )

    def _failed(self, key: str, request: ModelRequest, kind: ErrorKind, detail: str) -> ModelReply:
        return ModelReply(
            **_origin(key, request), model=self._spec.model, attempts=0, error=kind, error_detail=detail[:500]
        )

    def _note(self, reply: ModelReply, began: float) -> ModelAttempt:
        return ModelAttempt(
            request_key=reply.request_key,
            job=reply.job,
            role=reply.role,
            subject_id=reply.subject_id,
            model=reply.model,
            endpoint="in process",
            attempt=1,
            started=began,
            seconds=reply.seconds,
            error=reply.error,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            usage_known=True,
            money=reply.money,
        )


def _shown(part: Part, encoded: dict[Part, bytes]) -> str | Image.Image:
    return part.text or Image.open(io.BytesIO(encoded[part])).convert("RGB")


def _origin(key: str, request: ModelRequest) -> dict[str, object]:
    return {
        "request_key": key,
        "job": request.job,
        "role": request.role,
        "subject_id": request.subject_id,
        "prompt_hash": request.prompt_hash,
    }
