"""Asking: what is sent, what comes back, and that nothing is asked twice."""

import threading

import pytest

from benchmarks.scripted_server.scenes import SceneBook
from benchmarks.scripted_server.server import Manner, ScriptedServer
from pipelines.bucket import place
from pipelines.errors import UserError
from pipelines.models.keys import key_of
from pipelines.models.reply_store import reply_folder
from pipelines.settings import Settings
from schemas.model_reply import ErrorKind
from schemas.model_request import ModelRole
from tests.makers import make_image, make_instance, make_scene
from tests.pipelines.models.asking import make_picture, make_request, make_spec, open_client


def test_a_reply_holds_the_text_the_raw_body_and_what_it_cost(tmp_path):
    with (
        ScriptedServer({"count": lambda scene, asked, rng: "seven"}) as server,
        open_client(tmp_path, server.url) as client,
    ):
        reply = client.ask(make_request("x" * 40, subject_id="q1"))
    assert (reply.text, reply.finish_reasons, reply.error) == ("seven", ("stop",), None)
    assert '"content": "seven"' in reply.raw
    assert (reply.input_tokens, reply.output_tokens) == (10, 2)
    assert reply.money == pytest.approx(10e-6 + 4 * 2e-6)
    assert (reply.subject_id, reply.attempts, reply.endpoint) == ("q1", 1, server.url)


def test_the_server_knows_the_scene_behind_a_picture_whole_and_cut(tmp_path):
    image = make_image("seen", width=48, height=32)
    scene = make_scene(make_instance("cup", (2, 2, 12, 12), image=image), image=image)
    data, box = make_picture(), (2.0, 2.0, 12.0, 12.0)
    book = SceneBook()
    book.add(scene, data, [box])

    def name(scene, asked, rng):
        return f"{scene.instances[0].category} {asked.pictures[0].box_xyxy}" if scene else "unknown"

    with (
        ScriptedServer({"count": name}, book) as server,
        open_client(tmp_path, server.url, pictures={"a": data, "b": make_picture(1)}) as client,
    ):
        whole = make_request(image_id="a")
        part = whole.messages[0].parts[0].model_copy(update={"box_xyxy": box})
        message = whole.messages[0].model_copy(update={"parts": (part, whole.messages[0].parts[1])})
        cut = whole.model_copy(update={"messages": (message,)})
        texts = [reply.text for reply in client.ask_all([whole, cut, make_request(image_id="b")])]
    assert texts == ["cup None", f"cup {box}", "unknown"]


def test_a_rerun_asks_nothing_again(tmp_path):
    requests = [make_request(f"question {number}") for number in range(20)]
    with ScriptedServer() as server:
        with open_client(tmp_path, server.url) as client:
            first = client.ask_all(requests)
        with open_client(tmp_path, server.url) as client:
            again = client.ask_all(requests)
        assert again == first
        assert server.counts.outcomes["ok"] == 20


def test_equal_requests_at_the_same_time_are_asked_once_also_by_two_clients(tmp_path):
    with (
        ScriptedServer(manner=Manner(latency=0.2)) as server,
        open_client(tmp_path, server.url) as one,
        open_client(tmp_path, server.url) as two,
    ):
        requests = [make_request(subject_id=f"row {number}") for number in range(10)]
        heard = []
        threads = [threading.Thread(target=lambda c=c: heard.extend(c.ask_all(requests))) for c in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.counts.outcomes["ok"] == 1
    assert sorted(reply.subject_id for reply in heard) == sorted(f"row {number}" for number in range(10) for _ in "12")
    assert len({reply.text for reply in heard}) == 1


def test_what_is_asked_makes_the_key_and_where_it_comes_from_does_not():
    request, spec = make_request(), make_spec("http://a/v1")
    same = [make_request(prompt_hash="other"), make_request(subject_id="q"), make_request(allow_remote_images=False)]
    other = [make_request("Else?"), make_request(job="judge"), make_request(draw=1), make_request(json_schema="{}")]
    assert {key_of(each, spec) for each in same} == {key_of(request, spec)}
    assert len({key_of(each, spec) for each in (request, *other)}) == 5
    assert key_of(request, make_spec("http://b/v1", call_seconds=1)) == key_of(request, spec)
    assert key_of(request, make_spec("http://a/v1", model="larger")) != key_of(request, spec)


def test_a_missing_picture_and_a_missing_model_are_said(tmp_path):
    with ScriptedServer() as server, open_client(tmp_path, server.url) as client:
        assert client.ask(make_request(image_id="lost")).error is ErrorKind.NO_PICTURE
        with pytest.raises(UserError, match="no model is configured for the role judge"):
            client.ask(make_request(role=ModelRole.JUDGE))
        assert not server.counts.outcomes


def test_the_replies_of_a_dataset_in_a_bucket_lie_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.models.reply_store.settings", lambda: Settings(output=tmp_path))
    folders = {reply_folder(place(f"s3://bucket/{name}")) for name in ("one", "two")}
    assert len(folders) == 2 and all(folder.is_relative_to(tmp_path) for folder in folders)
    assert reply_folder(tmp_path) == tmp_path / "_replies"


def test_half_a_character_in_an_answer_is_replaced_and_the_paid_reply_is_kept(tmp_path):
    """Servers that cut an answer between the halves of an emoji send one half, which no file can hold."""
    with ScriptedServer({"count": lambda scene, asked, rng: "7 \ud83d"}) as server:
        with open_client(tmp_path, server.url) as client:
            reply = client.ask(make_request())
        with open_client(tmp_path, server.url) as client:
            assert client.ask(make_request()) == reply
        assert server.counts.paid == {reply.request_key: 1}
    assert (reply.error, reply.text) == (None, "7 \ufffd")
    assert "\\ud83d" in reply.raw
