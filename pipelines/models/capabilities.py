"""Probing servers at the start: what each lacks, asked once and kept, and whether any can be used at all."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pipelines.errors import UserError
from pipelines.models.endpoint import Endpoint
from pipelines.models.failures import Failure, failure_of, is_worth_repeating
from pipelines.models.probe import ProbeRefusedError, lacking_of, probe
from pipelines.models.redaction import redact, secrets_of
from pipelines.models.retries import pause_before
from pipelines.models.spec import ModelSpec
from pipelines.models.wire import JOB_HEADER, KEY_HEADER, read_completion, token_limit_of
from pipelines.parts import digest_of
from schemas.model_attempt import ModelAttempt
from schemas.model_reply import ErrorKind, ModelReply
from schemas.model_request import ModelRole

Keep = Callable[[ModelReply | None, ModelAttempt], Awaitable[None]]
"""Puts an attempt, and its reply where it gave one, on the disk. Returns when they are there."""
Stored = Callable[[str], ModelReply | None]
"""Returns the stored reply under a key."""

PROBE_JOB = "probe"
PROBE_SECONDS = 60.0
_ATTEMPTS = 8
_ATTEMPTS_WHEN_FAILING = 3
"""Where the server fails: some do so time after time when they meet an option they lack."""
_FAILING = frozenset({ErrorKind.SERVER_ERROR, ErrorKind.CONNECTION, ErrorKind.TIMEOUT})
_ABOUT_ITSELF = ("/version", "/get_server_info", "/v1/models")
"""Where servers say who they are: vLLM, SGLang, most."""
_IDENTITY = ("version", "id", "model_path", "max_model_len")
"""What of that stays the same from one moment to the next."""


async def find_lacking(endpoints: Sequence[Endpoint], spec: ModelSpec, stored: Stored, keep: Keep) -> None:
    """Sets what each server lacks. One that cannot be used now keeps its place: it may come back.

    Raises:
        UserError: none of them can be used.
    """
    found = await asyncio.gather(*(_Probing(each, spec, stored, keep).run() for each in endpoints))
    problems = [problem for problem in found if problem]
    if len(problems) == len(endpoints):
        raise UserError(f"model {spec.model} cannot be asked: {'; '.join(problems)}")


class _Probing:
    """The probes of one server."""

    def __init__(self, endpoint: Endpoint, spec: ModelSpec, stored: Stored, keep: Keep) -> None:
        self._endpoint = endpoint
        self._spec = spec
        self._stored = stored
        self._keep = keep
        self._identity = ""

    async def run(self) -> str:
        """Probes the server; returns why it cannot be used, or nothing."""
        try:
            self._identity = await self._ask_identity()
            findings = await probe(self._spec.model, self._post)
        except (ProbeRefusedError, ValueError) as error:
            return f"{self._endpoint.name}: {redact(str(error), secrets_of([self._spec.api_key_env]))}"
        self._endpoint.lacking = lacking_of(findings)
        return ""

    async def _ask_identity(self) -> str:
        """Returns what the server says of itself as far as it does not change from call to call."""
        base = str(self._endpoint.sdk.base_url).rstrip("/").removesuffix("/v1")
        said = []
        for path in _ABOUT_ITSELF:
            try:
                async with asyncio.timeout(min(PROBE_SECONDS, self._spec.call_seconds)):
                    response = await self._endpoint.sdk._client.get(f"{base}{path}")
            except Exception:  # noqa: BLE001 - whatever goes wrong: the probes will say so
                break
            try:
                said.append(_identity_of(json.loads(response.content)))
            except ValueError:  # most servers do not know most of these
                said.append("")
        return digest_of(*said)

    async def _post(self, name: str, options: dict[str, Any]) -> str:
        key = digest_of(PROBE_JOB, self._endpoint.name, self._identity, name, json.dumps(options, sort_keys=True))
        known = self._stored(key)
        if known is not None:
            return known.raw
        options = {
            token_limit_of(self._spec) if option == "max_tokens" else option: value for option, value in options.items()
        }
        rng, failure = random.Random(key), Failure(ErrorKind.UNAVAILABLE, "")
        for attempt in range(1, _ATTEMPTS + 1):
            outcome = await self._attempt(key, options, attempt)
            if isinstance(outcome, str):
                return outcome
            failure = outcome
            if not is_worth_repeating(failure.kind):
                break
            if failure.kind in _FAILING and attempt >= _ATTEMPTS_WHEN_FAILING:
                break
            if attempt < _ATTEMPTS:
                await asyncio.sleep(min(PROBE_SECONDS, pause_before(attempt + 1, failure.retry_after, rng)))
        raise ProbeRefusedError(failure.detail)

    async def _attempt(self, key: str, options: dict[str, Any], attempt: int) -> str | Failure:
        headers = {JOB_HEADER: PROBE_JOB, KEY_HEADER: key}
        began, started = time.time(), time.perf_counter()
        try:
            async with asyncio.timeout(min(PROBE_SECONDS, self._spec.call_seconds)):
                raw = redact(await self._endpoint.post(options, headers), secrets_of([self._spec.api_key_env]))
            completion = read_completion(raw)
        except Exception as error:  # noqa: BLE001 - whatever a foreign server causes is a finding
            return failure_of(error, began)
        per_input, per_output = self._spec.money_per_token
        shared = {
            "request_key": key,
            "job": PROBE_JOB,
            "role": ModelRole.PARSER,
            "subject_id": self._endpoint.name,
            "model": self._spec.model,
            "endpoint": self._endpoint.name,
            "seconds": time.perf_counter() - started,
            "input_tokens": completion.input_tokens,
            "output_tokens": completion.output_tokens,
            "usage_known": completion.usage_known,
            "money": completion.input_tokens * per_input + completion.output_tokens * per_output,
        }
        reply = ModelReply(
            **shared,
            texts=completion.texts,
            finish_reasons=completion.finish_reasons,
            raw=raw,
            attempts=attempt,
        )
        await self._keep(reply, ModelAttempt(**shared, attempt=attempt, started=began))
        return raw


def _identity_of(value: object) -> str:
    """Returns the stable parts of what a server says of itself, at whatever depth they stand."""
    if isinstance(value, dict):
        kept = [f"{key}={value[key]}" for key in _IDENTITY if isinstance(value.get(key), (str, int))]
        return ",".join([*kept, *(_identity_of(value[key]) for key in sorted(value) if key not in _IDENTITY)])
    if isinstance(value, list):
        return ",".join(_identity_of(each) for each in value)
    return ""
