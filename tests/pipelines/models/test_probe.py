"""What servers lack is found out by asking, and asked for in another way; nothing is taken on trust."""

import json
import re

import pytest

from benchmarks.scripted_server.server import Faults, Manner, ScriptedServer
from pipelines.errors import UserError
from pipelines.models.reply_store import read_attempts
from pipelines.models.wire import FOLLOW_SCHEMA, OPTIONS
from schemas.model_request import Sampling
from tests.pipelines.models.asking import make_request, open_client

SCHEMA = json.dumps({"type": "object", "properties": {"answer": {"type": "integer"}}})
EVERYTHING = make_request(
    "Draw.",
    n=3,
    json_schema=SCHEMA,
    sampling=Sampling(temperature=0.7, top_p=0.9, max_tokens=64, seed=5, stop=("END",), top_logprobs=2),
)


def parrot(scene, asked, rng):
    """Says what was sent."""
    return json.dumps({"options": sorted(asked.body), "prompt": asked.prompt, "seed": asked.body.get("seed")})


def ask_everything(root, manner):
    with ScriptedServer({"count": parrot}, manner=manner) as server, open_client(root, server.url) as client:
        reply = client.ask(EVERYTHING)
        return reply, [json.loads(text) for text in reply.texts], server.counts.outcomes["ok"]


def test_a_server_that_can_everything_is_sent_everything(tmp_path):
    reply, said, calls = ask_everything(tmp_path, Manner())
    assert (reply.degraded, calls, len(said)) == ((), 1, 3)
    assert {"n", "response_format", "seed", "stop", "logprobs", "top_logprobs", "temperature"} <= set(
        said[0]["options"]
    )
    assert FOLLOW_SCHEMA not in said[0]["prompt"]


WAYS = [
    (option, way)
    for option in OPTIONS
    for way in ("ignores", "refuses")
    if (option, way) != ("temperature", "ignores")  # nothing would show that a temperature of 0 is ignored
]


@pytest.mark.parametrize(("option", "way"), WAYS)
def test_what_a_server_ignores_or_refuses_is_not_sent_but_worked_around(tmp_path, option, way):
    reply, said, calls = ask_everything(tmp_path, Manner(**{way: frozenset({option})}))
    sent = {"json_schema": "response_format"}.get(option, option)
    assert option in reply.degraded
    assert all(sent not in each["options"] for each in said)
    assert len(said) == 3 and calls == (3 if option == "n" else 1)
    assert (FOLLOW_SCHEMA in said[0]["prompt"]) == (option == "json_schema")
    if option == "n":
        assert [each["seed"] for each in said] == [5, 6, 7], "each draw has a seed of its own"


def test_draws_taken_one_by_one_are_kept_one_by_one(tmp_path):
    ask_everything(tmp_path, Manner(ignores=frozenset({"n"})))
    with ScriptedServer(manner=Manner(ignores=frozenset({"n"}))) as server:
        with open_client(tmp_path, server.url) as client:
            more = client.ask(EVERYTHING.model_copy(update={"n": 5}))
        assert len(more.texts) == 5 and server.counts.outcomes["ok"] == 2


def test_a_server_that_gives_fewer_choices_than_its_probe_promised_is_asked_for_the_rest(tmp_path):
    with ScriptedServer() as server, open_client(tmp_path, server.url) as client:
        client.check()
        server.manner = Manner(ignores=frozenset({"n"}))
        reply = client.ask(EVERYTHING)
        assert len(reply.texts) == 3 and "n" in reply.degraded and server.counts.outcomes["ok"] == 3


def test_a_rerun_does_not_probe_again_and_another_model_is_probed(tmp_path):
    with ScriptedServer() as server:
        for _ in range(2):
            with open_client(tmp_path, server.url) as client:
                client.check()
        probes = server.counts.probes
        assert 6 <= probes <= 10
        server.manner = Manner(model="another")
        with open_client(tmp_path, server.url) as client:
            client.check()
        assert server.counts.probes == 2 * probes
        assert {attempt.job for attempt in read_attempts(tmp_path)} == {"probe"}


def test_faults_during_the_probes_do_not_pass_for_missing_options(tmp_path):
    faults = Faults(server_error=0.02, rate_limited=0.15, bad_json=0.05, retry_after=0.01, spare_probes=False)
    with ScriptedServer(faults=faults) as server, open_client(tmp_path, server.url) as client:
        client.check()
        reply = client.ask(EVERYTHING)
    assert reply.degraded == ()


def test_a_server_that_cannot_be_used_is_named_in_one_line(tmp_path):
    with open_client(tmp_path, "http://127.0.0.1:9/v1") as client:
        with pytest.raises(UserError, match=re.escape("http://127.0.0.1:9/v1")) as raised:
            client.ask(make_request())
    assert "\n" not in str(raised.value)
