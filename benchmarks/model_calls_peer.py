"""A peer in the model-call benchmark: distilabel's OpenAI client, with batches of 256 as its tasks give them.

Runs in an environment of its own (`uv pip install "distilabel[openai]"`), named by HOPYARD_PEER_PYTHON, and so imports
nothing of this project: `python model_calls_peer.py URL CALLS PICTURE_FOLDER`.
"""

import base64
import json
import sys
import time
from pathlib import Path

from distilabel.models.llms import OpenAILLM

IN_FLIGHT = 256


def main() -> None:
    """Asks and prints what it took."""
    url, calls, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    uris = [
        f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in sorted(folder.glob("*"))
    ]
    inputs = [
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": uris[number // 8 % len(uris)]}},
                    {"type": "text", "text": f"Question {number}?"},
                ],
            }
        ]
        for number in range(calls)
    ]
    llm = OpenAILLM(model="scripted", base_url=url, api_key="x", generation_kwargs={"max_new_tokens": 64})
    llm.load()
    started, cpu = time.perf_counter(), time.process_time()
    for first in range(0, calls, IN_FLIGHT):
        outputs = llm.generate(inputs=inputs[first : first + IN_FLIGHT], max_new_tokens=64)
        assert all(output["generations"][0] for output in outputs)
    print(json.dumps({"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu, "calls": calls}))


if __name__ == "__main__":
    main()
