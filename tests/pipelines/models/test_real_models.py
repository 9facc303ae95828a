"""Real models of random weights, in this process and behind `transformers serve`: all plumbing, no sense."""

import json

import pytest

from pipelines.errors import UserError
from pipelines.models.reply_store import read_attempts, read_replies
from schemas.model_reply import ErrorKind
from schemas.model_request import Message, Part, Sampling
from tests.pipelines.models.asking import make_picture, make_request, open_client

pytestmark = pytest.mark.models
PICTURES = {"a": make_picture(0), "b": make_picture(1, 80, 60, "JPEG")}
SCHEMA = json.dumps({"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]})
SHORT = Sampling(max_tokens=12)


def ask_nonsense(client, seed=None):
    sampling = Sampling(max_tokens=12, temperature=1.0, seed=seed)
    requests = [
        make_request(f"How many {number}?", image_id="ab"[number % 2], sampling=sampling) for number in range(6)
    ]
    requests.append(make_request("Answer in JSON.", image_id="a", json_schema=SCHEMA, sampling=SHORT))
    requests.append(make_request("Say something.", sampling=SHORT))
    return client.ask_all(requests)


def check_nonsense(root, replies):
    """Every reply is there, kept and counted, and none of the nonsense reads as what was asked for."""
    assert [reply.error for reply in replies] == [None] * len(replies)
    assert all(reply.input_tokens > 0 and 0 < reply.output_tokens <= 12 and reply.usage_known for reply in replies)
    for reply in replies:
        with pytest.raises(ValueError):
            json.loads(reply.text)["answer"]
    stored = {reply.request_key for reply in read_replies(root) if reply.job != "probe"}
    assert stored == {reply.request_key for reply in replies}
    attempts = [attempt for attempt in read_attempts(root) if attempt.job != "probe" and attempt.error is None]
    assert sum(a.output_tokens for a in attempts) == sum(reply.output_tokens for reply in replies)


def open_in_process(root, folder, **changes):
    spec = {"kind": "transformers", "model": str(folder), "max_in_flight": 4}
    return open_client(root, pictures=PICTURES, **(spec | changes))


def test_a_model_in_this_process_answers_in_batches_and_says_what_it_cannot_do(tiny_vlm, tmp_path):
    with open_in_process(tmp_path, tiny_vlm) as client:
        replies = ask_nonsense(client)
        check_nonsense(tmp_path, replies)
        assert replies[6].degraded == ("json_schema",)
        again = client.ask_all([make_request("How many 0?", image_id="a", sampling=SHORT, n=3)])[0]
        assert len(again.texts) == 3 and "n" in again.degraded
        assert client.ask(make_request("?", image_id="lost")).error is ErrorKind.NO_PICTURE
        long = make_request("word " * 3000, sampling=Sampling(max_tokens=2000))
        assert client.ask(long).error is ErrorKind.REFUSED


def test_a_seed_makes_a_draw_repeatable_in_whatever_company(tiny_vlm, tmp_path):
    with open_in_process(tmp_path / "one", tiny_vlm) as client:
        together = [reply.text for reply in ask_nonsense(client, seed=7)[:6]]
    with open_in_process(tmp_path / "two", tiny_vlm, max_in_flight=1) as client:
        alone = [reply.text for reply in ask_nonsense(client, seed=7)[:6]]
    assert together == alone


def test_a_folder_without_a_model_is_said(tmp_path):
    pytest.importorskip("torch")
    with open_in_process(tmp_path, tmp_path / "nothing") as client, pytest.raises(UserError, match="no usable model"):
        client.ask(make_request())


def test_transformers_serve_is_probed_degraded_to_and_its_nonsense_kept(tiny_vlm, served_vlm, tmp_path):
    spec = {"model": str(tiny_vlm), "server": "transformers", "max_in_flight": 2}
    with open_client(tmp_path, served_vlm, pictures=PICTURES, **spec) as client:
        replies = ask_nonsense(client)
        check_nonsense(tmp_path, replies)
        assert replies[6].degraded == ("json_schema",), "it ignores schemas without a word"
        several = client.ask(make_request("More?", image_id="b", n=3, sampling=Sampling(max_tokens=8, temperature=1.0)))
        assert len(several.texts) == 3 and "n" in several.degraded, "it gives one choice whatever n says"
        stopped = client.ask(make_request("Stop?", sampling=Sampling(max_tokens=8, stop=("x",))))
        assert stopped.error is None and stopped.degraded == ("stop",), "it answers 500 to stop words"
    with open_client(tmp_path, served_vlm, pictures=PICTURES, **spec) as client:
        before = len(list(read_attempts(tmp_path)))
        assert ask_nonsense(client) == replies
        assert len(list(read_attempts(tmp_path))) == before, "a rerun asks nothing, not even what the server can do"


def test_transformers_serve_takes_a_picture_by_its_path(tiny_vlm, served_vlm, tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(PICTURES["a"])
    spec = {"model": str(tiny_vlm), "server": "transformers", "image_form": "file"}
    with open_client(tmp_path / "set", served_vlm, pictures={"a": file}, **spec) as client:
        reply = client.ask(make_request("What?", image_id="a", sampling=SHORT))
    assert reply.error is None and reply.input_tokens > 60, "64 of them are the picture's"


def test_a_folder_that_is_not_served_is_an_error_at_once(served_vlm, tmp_path):
    with (
        open_client(tmp_path, served_vlm, model="/no/such/model") as client,
        pytest.raises(UserError, match="cannot be"),
    ):
        client.check()


def test_an_option_that_a_server_refuses_is_an_error_of_the_row_and_others_go_on(tiny_vlm, served_vlm, tmp_path):
    spec = {"model": str(tiny_vlm), "server": "transformers", "attempts": 2}
    with open_client(tmp_path, served_vlm, pictures={"bad": b"no picture", "a": PICTURES["a"]}, **spec) as client:
        part = Part(image_id="bad")
        bad = make_request(messages=(Message(role="user", parts=(part, Part(text="?"))),), sampling=SHORT)
        replies = client.ask_all([bad, make_request("?", image_id="a", sampling=SHORT)])
    assert [reply.error for reply in replies] == [ErrorKind.NO_PICTURE, None]
