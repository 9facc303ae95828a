"""An S3-compatible server on loopback (moto's), which fails and dawdles as often as it is told to."""

import logging
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import make_server

BUCKET = "hops"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "planted-access-key",
    "AWS_SECRET_ACCESS_KEY": "planted-secret-key",
    "AWS_REGION": "us-east-1",
}


@dataclass
class Faults:
    """What goes wrong, as shares of all requests."""

    failing: float = 0.0
    """Answers 500; half of them after the request was carried out, so that the client cannot know."""
    slow: float = 0.0
    slow_seconds: float = 0.2
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    failed: int = 0


Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def faulty(application: Application, faults: Faults) -> Application:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with faults.lock:
            faults.requests += 1
            failing, slow, after = (faults.rng.random() for _ in range(3))
            failed = failing < faults.failing
            faults.failed += failed
        if slow < faults.slow:
            time.sleep(faults.slow_seconds)
        if not failed:
            return application(environ, start)
        if after < 0.5:
            list(application(environ, lambda *arguments: None))
        else:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("500 Internal Server Error", [("Content-Type", "application/xml")])
        return [b"<Error><Code>InternalError</Code><Message>planted</Message></Error>"]

    return answer


@contextmanager
def s3_server(faults: Faults) -> Iterator[str]:
    """Gives the URL of a server that has an empty bucket `BUCKET`."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, faulty(DomainDispatcherApplication(create_backend_app), faults), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    signature = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    order = urllib.request.Request(f"{url}/{BUCKET}", data=b"", headers={"Authorization": signature}, method="PUT")
    faulty_share, faults.failing = faults.failing, 0.0
    urllib.request.urlopen(order).close()
    faults.failing = faulty_share
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
