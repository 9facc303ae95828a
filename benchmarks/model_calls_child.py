"""One client of the model-call benchmark, in its own process: `python -m benchmarks.model_calls_child WAY URL CALLS`.

Asks as often as told with a picture of 100 kB in each request, 256 requests at once, and prints what it took as JSON.
"""

import asyncio
import gc
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IN_FLIGHT = 256
PICTURE_BYTES = 100_000
PICTURES = 32
"""Different pictures; eight questions about each come one after the other."""


def make_pictures() -> list[bytes]:
    """Returns JPEG files of about `PICTURE_BYTES`."""
    import numpy as np
    from PIL import Image

    pictures = []
    for seed in range(PICTURES):
        noise = np.random.default_rng(seed).normal(128, 40, (384, 512, 3)).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "JPEG", quality=77)
        pictures.append(buffer.getvalue())
    return pictures


def hopyard(url: str, calls: int) -> None:
    """This project's client, with every reply on the disk before it counts."""
    from pipelines.models.client import ModelClient
    from pipelines.models.spec import ModelSpec
    from schemas.model_request import Message, ModelRequest, ModelRole, Part, Sampling

    pictures = {str(number): data for number, data in enumerate(make_pictures())}
    spec = ModelSpec(model="scripted", urls=(url,), max_in_flight=IN_FLIGHT)

    def request(number: int) -> ModelRequest:
        parts = (Part(image_id=str(number // 8 % PICTURES)), Part(text=f"Question {number}?"))
        return ModelRequest(
            job="bench",
            role=ModelRole.SOLVER,
            messages=(Message(role="user", parts=parts),),
            sampling=Sampling(max_tokens=64),
            prompt_hash="",
        )

    with tempfile.TemporaryDirectory() as root:
        with ModelClient(Path(root), {ModelRole.SOLVER: spec}, pictures.__getitem__) as client:
            client.check()
            replies = measured(lambda: client.ask_all(request(number) for number in range(calls)), calls)
        assert all(reply.error is None for reply in replies)


def sdk_aiohttp(url: str, calls: int) -> None:
    """The bare SDK on its fastest transport, 256 workers, replies thrown away: the ceiling."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    asyncio.run(_bare(AsyncOpenAI(base_url=url, api_key="x", http_client=DefaultAioHttpClient()), calls))


def sdk_plain(url: str, calls: int) -> None:
    """What one would write at first: the SDK as it comes, gather, a semaphore."""
    from openai import AsyncOpenAI

    asyncio.run(_bare(AsyncOpenAI(base_url=url, api_key="x"), calls))


async def _bare(sdk: Any, calls: int) -> None:  # noqa: ANN401 - the SDK's client
    from pipelines.models.pictures import encode_picture

    uris = [encode_picture(data, None, 1 << 20).data_uri for data in make_pictures()]
    permits = asyncio.Semaphore(IN_FLIGHT)

    async def ask(number: int) -> str:
        async with permits:
            content = [
                {"type": "image_url", "image_url": {"url": uris[number // 8 % PICTURES]}},
                {"type": "text", "text": f"Question {number}?"},
            ]
            messages = [{"role": "user", "content": content}]
            reply = await sdk.chat.completions.create(model="scripted", messages=messages, max_tokens=64)
            return str(reply.choices[0].message.content)

    gc.collect()
    gc.freeze()
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(ask(number) for number in range(calls)))
    report(time.perf_counter() - started, time.process_time() - cpu, calls)
    await sdk.close()


def measured(work: Callable[[], Any], calls: int) -> Any:  # noqa: ANN401 - whatever the work returns
    """Does the work, prints what it took, and returns its result."""
    gc.collect()
    gc.freeze()
    started, cpu = time.perf_counter(), time.process_time()
    result = work()
    report(time.perf_counter() - started, time.process_time() - cpu, calls)
    return result


def report(wall: float, cpu: float, calls: int) -> None:
    """Prints one line of JSON."""
    print(json.dumps({"wall": wall, "cpu": cpu, "calls": calls}), flush=True)


WAYS: dict[str, Callable[[str, int], None]] = {"hopyard": hopyard, "sdk_aiohttp": sdk_aiohttp, "sdk_plain": sdk_plain}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
