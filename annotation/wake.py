"""Wake: a small receiver of webhooks. An event says that there may be something to pull; nothing in it is believed.

Label Studio sends an event once, without a retry, and waits for the answer; so the receiver answers at once, and the
clock wakes the puller too.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from annotation.client import Client

HEADER = "X-Hopyard-Secret"
ACTIONS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
_MOST_BODY = 8 << 20


class Bell(NamedTuple):
    """A receiver at work."""

    url: str
    secret: str
    event: threading.Event
    """Set by each event that carries the secret."""


@contextmanager
def listen(host: str = "127.0.0.1", port: int = 0) -> Iterator[Bell]:
    """Gives a receiver; whoever does not know its secret is refused and wakes nobody."""
    secret, event = secrets.token_urlsafe(24), threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = self.headers.get(HEADER, "")
            known = hmac.compare_digest(given.encode(), secret.encode())
            length = self.headers.get("Content-Length", "0")
            self.rfile.read(min(int(length) if length.isdigit() else 0, _MOST_BODY))
            self.send_response(204 if known else 403)
            self.end_headers()
            if known:
                event.set()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: who sends what is nobody's business."""

    server = ThreadingHTTPServer((host, port), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Bell(f"http://{host}:{server.server_address[1]}/", secret, event)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hang(client: Client, project_id: int, bell: Bell) -> None:
    """Has the server ring the bell for a project; an older bell of ours is taken down first."""
    for webhook_id, headers in client.webhooks(project_id).items():
        if HEADER in json.dumps(headers or {}):
            client.delete_webhook(webhook_id)
    settings = {
        "url": bell.url,
        "project": project_id,
        "send_payload": False,
        "send_for_all_actions": False,
        "headers": {HEADER: bell.secret},
        "actions": list(ACTIONS),
        "is_active": True,
    }
    client.create_webhook(settings)
