"""Whether the Prefect server still answers: nobody waits long for one that is gone.

Prefect's client repeats every request for a minute, and some of its parts repeat that without end: its observer of a
deployment's run, its queue of events when the process ends. Rows do not depend on the server. So while it is gone,
pages and events are left out, work goes on, and a process that has no work to do ends after some patience.
"""

import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_SECONDS = 5.0
"""Between two looks at a server that was gone."""
GONE = 75
"""EX_TEMPFAIL: the exit code of a process that gave up on its server."""
_TIMEOUT = 5.0

_gone: dict[str, float] = {}
"""When a look last found that a server did not answer, by URL."""
_lock = threading.Lock()
_at_work = 0


def answers(url: str, timeout: float = _TIMEOUT) -> bool:
    """Returns whether an API answers at that URL, whatever it says."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=timeout):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def comes_back(url: str, patience: float) -> bool:
    """Returns whether the server answers, waiting so many seconds for one that is being restarted or is busy."""
    deadline = time.monotonic() + patience
    while not answers(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def server_is_there(patience: float = 0.0) -> bool:
    """Returns whether the server of Prefect's settings answers, waiting so many seconds for it to come back.

    Without patience a server that was gone a moment ago is not looked at again: that look may take its time.
    """
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        return True  # Prefect starts one where it needs it
    if not patience and time.monotonic() - _gone.get(url, -LOOK_SECONDS) < LOOK_SECONDS:
        return False
    if not comes_back(url, patience):
        _gone[url] = time.monotonic()
        return False
    _gone.pop(url, None)
    return True


@contextmanager
def working() -> Iterator[None]:
    """Says that this process is at work on a dataset, so that it does not end for want of a server."""
    global _at_work
    with _lock:
        _at_work += 1
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1


def end_with_server(url: str, patience: float) -> None:
    """Ends this process once that server has not answered for so many seconds while there was no work to do.

    For processes that exist to run one flow of a deployment: what surrounds the flow there is Prefect's alone.
    """
    threading.Thread(target=_watch, args=(url, patience), daemon=True, name="server-watch").start()


def _watch(url: str, patience: float) -> None:
    seen = time.monotonic()
    while time.monotonic() - seen <= patience:
        time.sleep(min(LOOK_SECONDS, patience / 4))
        if _at_work or answers(url):
            seen = time.monotonic()
    sys.stderr.write(
        f"hopyard: no Prefect server has answered at {url} for {patience:g} s, so this run ends here; "
        "what is committed is kept, the next run goes on from there\n"
    )
    sys.stderr.flush()
    os._exit(GONE)
