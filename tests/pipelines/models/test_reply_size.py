"""Replies are read only so far: a body without end or a compressed one fails the request and fills no memory."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.scripted_server.server import ScriptedServer
from pipelines.models.reply_store import read_attempts, read_replies
from schemas.model_reply import ErrorKind
from tests.pipelines.models.asking import make_request, open_client

MOST = 100_000


@contextmanager
def endless_server(status: int, encoding: str = "") -> Iterator[tuple[str, list[int]]]:
    """Gives the URL of a server whose bodies do not end before the client goes away, and how much of each was sent."""
    sent: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Transfer-Encoding", "chunked")
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.end_headers()
            sent.append(0)
            piece = gzip.compress(bytes(1 << 20)) if encoding else b" " * 10_000
            try:
                while sent[-1] < 1 << 30:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    sent[-1] += len(piece)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_reply_that_is_too_long_is_a_failed_request_and_no_answer(tmp_path):
    answers = {"count": lambda scene, asked, rng: "x" * (MOST + 1), "short": lambda scene, asked, rng: "7"}
    with (
        ScriptedServer(answers) as server,
        open_client(tmp_path, server.url, max_reply_bytes=MOST) as client,
    ):
        long, short = client.ask_all([make_request(), make_request(job="short")])
    assert (long.error, long.texts, long.attempts) == (ErrorKind.TOO_LARGE, (), 1)
    assert f"more than {MOST} bytes (max_reply_bytes)" in long.error_detail
    assert (short.error, short.text) == (None, "7")
    assert {reply.job for reply in read_replies(tmp_path)} - {"probe"} == {"short"}
    (attempt,) = [attempt for attempt in read_attempts(tmp_path) if attempt.job == "count"]
    assert (attempt.error, attempt.usage_known) == (ErrorKind.TOO_LARGE, False), "it may be billed"
    with ScriptedServer(answers) as server, open_client(tmp_path, server.url) as client:
        assert len(client.ask(make_request()).text) == MOST + 1, "a rerun that allows more asks again"


@pytest.mark.parametrize(
    ("status", "encoding", "said"), [(200, "", "more than"), (500, "", "more than"), (200, "gzip", "compressed (gzip)")]
)
def test_a_body_without_end_is_left_where_it_is_too_long(tmp_path, status, encoding, said):
    with ScriptedServer() as sound, open_client(tmp_path, sound.url, max_reply_bytes=MOST) as client:
        client.check()
        with endless_server(status, encoding) as (url, sent):
            client._backends[make_request().role].router.endpoints[0].sdk.base_url = url
            reply = client.ask(make_request())
    assert (reply.error, reply.texts) == (ErrorKind.TOO_LARGE, ()) and said in reply.error_detail
    assert len(sent) == 1 and sent[0] < 32 << 20, "what lies in the buffers of sockets, and no more"
