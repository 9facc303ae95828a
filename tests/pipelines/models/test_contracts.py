"""What is sent to which server, against what its source says it takes. docs/models.md shows the same table.

`tests/data/contracts` holds per kind of server the fields that it takes, recorded from its source with the version, and
the body that this project sends it. Where the library is installed here, the recording is compared with it.
"""

import json
import re
from pathlib import Path

import pytest

from pipelines.models.spec import ModelSpec
from pipelines.models.wire import read_completion, to_options
from schemas.model_request import Message, ModelRequest, ModelRole, Part, Sampling

FOLDER = Path(__file__).parents[2] / "data" / "contracts"
DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"
SERVERS = ("vllm", "sglang", "transformers", "hosted")
PICTURE = Part(image_id="0" * 64)
REQUEST = ModelRequest(
    job="judge",
    role=ModelRole.JUDGE,
    messages=(
        Message(role="system", parts=(Part(text="You judge."),)),
        Message(role="user", parts=(PICTURE, Part(text="Is it so?"))),
    ),
    sampling=Sampling(temperature=0.7, top_p=0.9, max_tokens=64, seed=5, stop=("END",), top_logprobs=2),
    n=3,
    json_schema='{"type": "object", "properties": {"answer": {"type": "integer"}}}',
    prompt_hash="0" * 8,
)
LACKING = {"transformers": frozenset({"n", "stop", "logprobs", "json_schema"})}
"""What the probes find at servers of this kind (tests/pipelines/models/test_real_models.py)."""


def recorded(server):
    return json.loads((FOLDER / f"{server}.json").read_text())


def sent_to(server):
    spec = ModelSpec(model="model", urls=("http://127.0.0.1:1/v1",), server=server)
    address = "/photos/a.png" if server == "transformers" else "data:image/png;base64,AAAA"
    return to_options(REQUEST, spec, {PICTURE: address}, LACKING.get(server, frozenset()))


@pytest.mark.parametrize("server", SERVERS)
def test_what_is_sent_is_what_was_recorded(server):
    assert sent_to(server) == recorded(server)["sent"]


@pytest.mark.parametrize("server", SERVERS)
def test_every_option_that_is_sent_is_one_that_the_server_takes_and_heeds(server):
    contract = recorded(server)
    assert set(sent_to(server)) <= set(contract["accepts"]) - set(contract.get("ignores", ()))


@pytest.mark.parametrize("server", SERVERS)
def test_the_reply_of_each_server_is_understood(server):
    contract = recorded(server)
    completion = read_completion(json.dumps(contract["reply"]))
    assert completion.texts == tuple(contract["read"]["texts"])
    assert completion.finish_reasons == tuple(contract["read"]["finish_reasons"])
    assert [completion.input_tokens, completion.output_tokens] == contract["read"]["tokens"]


@pytest.mark.parametrize("count", [10**400, 10**20, 2**31, -1, True, 1.5, "7", None])
def test_a_number_of_tokens_that_cannot_be_is_unknown(count):
    choices = [{"message": {"content": "7"}, "finish_reason": "stop"}]
    usage = {"prompt_tokens": count, "completion_tokens": 3}
    completion = read_completion(json.dumps({"choices": choices, "usage": usage}))
    assert (completion.texts, completion.input_tokens, completion.usage_known) == (("7",), 0, False)


def test_the_document_says_of_each_option_to_whom_it_is_sent():
    table = re.search(r"<!-- options -->\n(.*?)\n\n", DOCUMENT.read_text(), re.DOTALL).group(1).splitlines()
    servers = [cell.strip() for cell in table[0].strip("|").split("|")][1:]
    assert servers == ["auto", *SERVERS]
    rows = {}
    for line in table[2:]:
        option, *cells = (cell.strip().strip("`") for cell in line.strip("|").split("|"))
        rows[option] = dict(zip(servers, cells, strict=True))
    sent = {server: set(sent_to(server)) for server in servers}
    assert set(rows) == set().union(*sent.values())
    for option, cells in rows.items():
        for server, cell in cells.items():
            assert (cell == "sent") == (option in sent[server]), (option, server)


def test_the_recording_of_hosted_servers_is_the_sdks():
    params = pytest.importorskip("openai.types.chat.completion_create_params")
    assert set(recorded("hosted")["accepts"]) == set(params.CompletionCreateParamsBase.__annotations__)


@pytest.mark.models
def test_the_recording_of_transformers_serve_is_the_librarys():
    pytest.importorskip("torch")
    from transformers.cli.serving import chat_completion

    contract = recorded("transformers")
    assert set(contract["accepts"]) == set(chat_completion.TransformersCompletionCreateParamsStreaming.__mutable_keys__)
    assert set(contract["ignores"]) == set(chat_completion.UNUSED_CHAT_COMPLETION_FIELDS)
