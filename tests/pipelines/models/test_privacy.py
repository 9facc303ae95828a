"""Pictures stay where they must, secrets never get out."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.scripted_server.server import ScriptedServer
from pipelines.models.redaction import HIDDEN, endpoint_name, is_this_machine, redact
from schemas.model_reply import ErrorKind
from tests.pipelines.models.asking import make_picture, make_request, open_client

PICTURES = {"a": make_picture()}
SECRET = "sk-planted-0123456789"
ELSEWHERE = "http://192.0.2.1:8000/v1"
"""An address of the documentation's range: nobody is there."""


def test_pictures_that_may_not_leave_are_not_sent_elsewhere_unless_that_is_said(tmp_path):
    private = make_request(image_id="a", allow_remote_images=False)
    with open_client(tmp_path, ELSEWHERE, pictures=PICTURES, call_seconds=0.2) as client:
        reply = client.ask(private)
    assert (reply.error, reply.attempts) == (ErrorKind.PRIVACY, 0)
    assert "192.0.2.1" in reply.error_detail
    with ScriptedServer() as server, open_client(tmp_path, server.url, pictures=PICTURES) as client:
        assert client.ask(private).error is None, "this machine is no other machine"


def test_of_several_servers_only_this_machines_get_such_pictures(tmp_path):
    with (
        ScriptedServer() as server,
        open_client(tmp_path, ELSEWHERE, server.url, pictures=PICTURES, call_seconds=0.5) as client,
    ):
        requests = [make_request(f"{n}", image_id="a", allow_remote_images=False) for n in range(20)]
        replies = client.ask_all(requests)
    assert {reply.endpoint for reply in replies} == {server.url}


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://127.9.9.9/v1", "http://[::1]:8/v1"]
)
def test_this_machine_is_known_by_its_loopback_addresses(url):
    assert is_this_machine(url)


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/v1", "http://localhost.example.org/v1", "http://127.0.0.1.example.org/v1", "http://0.0.0.0/v1",
     "http://user@example.org/127.0.0.1", "https://localhost@example.org/v1", ""],
)  # fmt: skip
def test_whatever_else_is_another_machine(url):
    assert not is_this_machine(url)


class _Handler(BaseHTTPRequestHandler):
    """Redirects, or repeats the secret that it was sent."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked += 1
        if self.server.target:
            self.send_response(307)
            self.send_header("Location", f"{self.server.target}/chat/completions")
            self.end_headers()
        else:
            text = f'{{"error": {{"message": "bad key {self.headers["Authorization"]}"}}}}'.encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    do_GET = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def odd_server():
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    server.target, server.asked = "", 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_redirect_is_not_followed(tmp_path, odd_server):
    odd, url = odd_server
    with ScriptedServer() as server, open_client(tmp_path, server.url, pictures=PICTURES) as client:
        client.check()
        odd.target = server.url
        with open_client(tmp_path / "other", url, pictures=PICTURES) as redirected:
            with pytest.raises(Exception, match="307"):
                redirected.ask(make_request(image_id="a"))
        assert server.counts.outcomes["ok"] == 0


def test_a_planted_secret_is_in_no_reply_file_or_message(tmp_path, monkeypatch, odd_server):
    monkeypatch.setenv("HOPYARD_API_KEY", SECRET)
    _, url = odd_server
    with open_client(tmp_path / "refused", url) as client, pytest.raises(Exception, match="401") as raised:
        client.ask(make_request())
    assert SECRET not in str(raised.value) and HIDDEN in str(raised.value)

    def tell(scene, asked, rng):
        return f"the key is {SECRET}, Bearer {SECRET}"

    with ScriptedServer({"count": tell}) as server:
        with open_client(tmp_path / "told", server.url, pictures=PICTURES) as client:
            reply = client.ask(make_request())
    assert SECRET not in reply.raw and SECRET not in reply.text
    found = subprocess.run(["grep", "-rl", SECRET, str(tmp_path)], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_names_of_servers_hold_no_credentials():
    assert endpoint_name("https://user:pass@h:8/v1?key=s#f") == "https://h:8/v1"
    assert redact("Authorization: Bearer abc.def", ()) == f"Authorization: Bearer {HIDDEN}"
