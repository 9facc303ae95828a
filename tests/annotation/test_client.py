"""The client without a server: every call goes out once, and whatever comes back is a value or one of our errors."""

import gzip
import importlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import httpx
import pytest

from annotation import wire
from annotation.client import Client, check_identity
from annotation.errors import LabelStudioError, Refused, ServerUnreachable
from annotation.workplace import Annotator, Credentials, Workplace
from pipelines.cli import run_command

TOKEN = "5ecre7" * 6
CREDENTIALS = Credentials(url="http://127.0.0.1:9", token=TOKEN)
TASKS = [{"data": {"key": "k", "question": "How many?", "image": "x"}}]
CALLS: dict[str, Callable[[Client], object]] = {
    "whoami": lambda client: client.whoami(),
    "server_time": lambda client: client.server_time(),
    "find_user": lambda client: client.find_user("a@b"),
    "invitation": lambda client: client.invitation(),
    "project": lambda client: client.project(1),
    "find_project": lambda client: client.find_project("t"),
    "create_project": lambda client: client.create_project({"title": "t"}),
    "set_screen": lambda client: client.set_screen(1, "<View/>"),
    "storages": lambda client: client.storages("localfiles", 1),
    "add_storage": lambda client: client.add_storage("localfiles", 1, {"path": "/x"}),
    "import_tasks": lambda client: client.import_tasks(1, TASKS),
    "tasks": lambda client: client.tasks(1),
    "delete_task": lambda client: client.delete_task(1),
    "webhooks": lambda client: client.webhooks(1),
    "create_webhook": lambda client: client.create_webhook({"url": "http://x"}),
    "delete_webhook": lambda client: client.delete_webhook(1),
}
READING = sorted(CALLS.keys() - {"set_screen", "add_storage", "delete_task", "create_webhook", "delete_webhook"})
FAILURES = (408, 409, 425, 429, 500, 503, httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadTimeout)


def answering(*answers: httpx.Response | int | type[httpx.TransportError]) -> tuple[httpx.MockTransport, list[str]]:
    """Returns a transport that gives these answers, the last one for ever, and the list of what was asked of it."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        given = answers[min(len(asked), len(answers) - 1)]
        asked.append(f"{request.method} {request.url.path}")
        if isinstance(given, int):
            return httpx.Response(given, text="busy")
        if isinstance(given, httpx.Response):
            return given
        raise given("gone", request=request)

    return httpx.MockTransport(answer), asked


@pytest.mark.parametrize("name", CALLS)
def test_no_call_that_fails_is_repeated(name: str) -> None:
    for failure in FAILURES:
        transport, asked = answering(failure)
        kind = Refused if failure == 409 else ServerUnreachable
        with Client(CREDENTIALS, transport=transport) as client, pytest.raises(kind) as error:
            CALLS[name](client)
        assert len(asked) == 1, (failure, asked)
        assert "\n" not in str(error.value) and TOKEN not in str(error.value)


def test_by_itself_the_sdk_repeats_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the wire keeps from it: without this the test above would show nothing."""
    base_client = importlib.import_module("label_studio_sdk.base_client")
    monkeypatch.setattr("label_studio_sdk.core.http_client.INITIAL_RETRY_DELAY_SECONDS", 0.0)
    transport, asked = answering(503, 503, httpx.Response(201, json={"task_ids": [1]}))
    with httpx.Client(transport=transport) as http:
        sdk = base_client.LabelStudioBase(base_url=CREDENTIALS.url, api_key=TOKEN, httpx_client=http)
        sdk.projects.import_tasks(1, request=TASKS)
    assert asked == ["POST /api/projects/1/import"] * 3


@pytest.mark.parametrize("then", ["cut", "500"])
def test_an_import_that_breaks_in_the_middle_is_sent_once(then: str) -> None:
    """A real connection: the server reads a part of the import, and cuts it or gives up."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(1 << 16))
                    if then == "500":
                        connection.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")

        thread = threading.Thread(target=serve)
        thread.start()
        place = CREDENTIALS.model_copy(update={"url": f"http://127.0.0.1:{listener.getsockname()[1]}"})
        with Client(place, timeout=10) as client, pytest.raises(ServerUnreachable):
            client.import_tasks(1, [{"data": {"key": "k" * 1000}}] * 5_000)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(heard) == 1 and heard[0].startswith(b"POST /api/projects/1/import?return_task_ids=true ")


@pytest.mark.parametrize("name", READING)
def test_an_answer_of_another_shape_is_an_error_in_one_line(name: str) -> None:
    strange = [b"", b"<html>", b"[]", b"null", b"7", b'"x"', b"{}", b'{"id": "1; DROP", "email": 7}']
    for content in (*strange, b"\xff\xfe", b"[" * 200_000):
        transport, _ = answering(httpx.Response(200, content=content))
        with Client(CREDENTIALS, transport=transport) as client:
            try:
                found = CALLS[name](client)
            except LabelStudioError as error:
                assert "\n" not in str(error) and len(str(error)) < 400
            else:  # an empty list is nothing found, and any version will do
                assert found in (None, [], {}) or name == "server_time", (content, found)


def test_statuses_are_told_apart() -> None:
    told = {
        401: "does not accept the token",
        403: "does not accept the token",
        404: "is not a Label Studio server (HTTP 404",
        302: "is not a Label Studio server (HTTP 302",
    }
    for status, said in told.items():
        transport, _ = answering(httpx.Response(status, headers={"Location": "http://127.0.0.1:9/elsewhere"}))
        with Client(CREDENTIALS, transport=transport) as client, pytest.raises(LabelStudioError) as error:
            check_identity(client)
        assert said in str(error.value)
    transport, _ = answering(httpx.Response(404, text="no \x1b[31m such\nproject" + "x" * 1000))
    with Client(CREDENTIALS, transport=transport) as client, pytest.raises(Refused) as error:
        client.project(3)
    assert error.value.status == 404 and "GET /api/projects/3/: HTTP 404 no [31m such project" in str(error.value)
    assert len(str(error.value)) < 400


def test_an_answer_that_is_too_long_is_refused_packed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_BYTES", 1 << 20)
    body = json.dumps({"tasks": [{"data": "x" * (1 << 20)}]}).encode()
    packed = httpx.Response(200, content=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    for answer in (httpx.Response(200, content=body), packed):
        transport, _ = answering(answer)
        with Client(CREDENTIALS, transport=transport) as client, pytest.raises(LabelStudioError, match="longer than"):
            client.tasks(1)


def test_tasks_come_as_the_server_wrote_them_with_its_clock() -> None:
    task = {"id": 1, "updated_at": "not a time", "annotations": [{"result": {"number": 1e400}, "lead_time": "1"}]}
    body = gzip.compress(json.dumps({"tasks": [task]}).encode())
    headers = {"Content-Encoding": "gzip", "Date": "Sat, 21 Nov 2026 12:00:00 GMT"}
    transport, _ = answering(httpx.Response(200, content=body, headers=headers), httpx.Response(200, json={}))
    with Client(CREDENTIALS, transport=transport) as client:
        assert client.tasks(1) == [task]
        assert client.server_time() is None
    transport, _ = answering(httpx.Response(200, json={}, headers=headers | {"Content-Encoding": "identity"}))
    with Client(CREDENTIALS, transport=transport) as client:
        assert client.server_time() == 1795262400.0


def test_a_token_that_is_none_is_refused_and_not_told() -> None:
    for token in ("abc\r\nX-Evil: 1", "caf\u00e9", "two words"):
        with pytest.raises(LabelStudioError, match="holds characters") as error:
            Client(CREDENTIALS.model_copy(update={"token": token}))
        assert token not in str(error.value)


def test_without_the_sdk_there_is_one_line_that_says_what_to_install(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "label_studio_sdk", None)
    place = Workplace(tmp_path / "place")
    place.write_credentials(CREDENTIALS)
    place.write_team((Annotator(name="ann", email="a@b", user_id=1),))
    for command in (["serve"], ["serve", "--url", "http://127.0.0.1:9"], ["team", "add", "bea"]):
        assert run_command(["annotate", *command, "--data-dir", str(place.folder)]) == 2
        told = capsys.readouterr().err
        assert "pip install 'hopyard[annotate]'" in told and told.count("\n") == 1, told


def test_the_sdk_is_imported_by_nobody_who_does_not_ask_a_server() -> None:
    """And its heavy half never: it takes seconds."""
    code = """
import sys
import annotation.push, annotation.pull, annotation.team, annotation.wake, annotation.server
import pipelines.cli
assert "label_studio_sdk" not in sys.modules
from annotation.client import Client
from annotation.workplace import Credentials
client = Client(Credentials(url="http://127.0.0.1:9", token="0" * 40))
client.sdk.projects, client.sdk.tasks, client.sdk.webhooks, client.sdk.users
assert "label_studio_sdk" in sys.modules
assert not {"label_studio_sdk.label_interface", "jsf", "nltk", "cv2"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
