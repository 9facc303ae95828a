"""Drives a headless Chromium by its debugging protocol: open pages, press keys, read what is shown."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from websockets.sync.client import connect

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-port=0"
).split()
CONTROL = 2
SHIFT = 8
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Space": 32}


def program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page of a headless browser."""

    def __init__(self, socket) -> None:
        self._socket = socket
        self._count = 0
        self.requests: list[tuple[str, str]] = []
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters):
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("method") == "Network.requestWillBeSent":
                request = message["params"]["request"]
                self.requests.append((request["method"], request["url"]))
            if message.get("id") == self._count:
                assert "error" not in message, (method, message["error"])
                return message["result"]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 40.0):
        """Returns the first true value of an expression."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if value := self.evaluate(expression):
                    return value
            except AssertionError:  # the page is being replaced
                pass
            time.sleep(0.05)
        raise AssertionError(f"never came true: {expression}; the page says {self.text()[:600]!r}")

    def text(self) -> str:
        return self.evaluate("document.body ? document.body.innerText : ''")

    def press(self, key: str, modifiers: int = 0) -> None:
        """One keystroke, as a keyboard would send it."""
        code = KEYS.get(key) or ord(key.upper())
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        if len(key) == 1 and key.isalpha():
            event["code"] = f"Key{key.upper()}"
        elif key.isdigit():
            event["code"] = f"Digit{key}"
        else:
            event["code"] = key
        self.call(
            "Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text and not modifiers else {})
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        for character in text:
            self.press(character)

    def insert(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Writes what is shown, as JPEG."""
        shot = self.call("Page.captureScreenshot", format="jpeg", quality=88)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def open_browser(folder: Path, width: int = 1366, height: int = 768) -> Iterator[Browser]:
    """Gives a browser with a profile of its own in the folder, which must be new."""
    found = program()
    assert found is not None
    profile = folder / "profile"
    profile.mkdir(parents=True)
    command = [found, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = _port(profile / "DevToolsActivePort", process)
        pages = httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False).json()
        url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(url, max_size=None, proxy=None) as socket:
            browser = Browser(socket)
            browser.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            yield browser
    finally:
        process.terminate()
        process.wait(20)


def _port(file: Path, process) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text()).count("\n"):
            return int(text.split()[0])
        assert process.poll() is None, "chromium ended"
        time.sleep(0.05)
    raise AssertionError("chromium did not open its debugging port")
