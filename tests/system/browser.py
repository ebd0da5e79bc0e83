"""A headless Chromium that a test drives by the DevTools protocol, over the WebSocket that the browser itself offers. One page at a time."""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

START_S = 30.0
ANSWER_S = 20.0

_QUIET = (
    "--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-extensions", "--disable-sync", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
    "--hide-scrollbars", "--password-store=basic", "--remote-debugging-port=0",
)  # fmt: skip

Event = dict[str, Any]


def chromium() -> str | None:
    """Where it is; None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """A context manager. Each has a profile of its own, so it remembers nothing.

    Attributes:
        events: everything the page reported, oldest first.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: ClientConnection | None = None
        self._session: str | None = None
        self._open = ExitStack()
        self._folder = Path()

    def __enter__(self) -> Self:
        """Start it, with an empty page."""
        program = chromium()
        assert program is not None
        kept = tempfile.TemporaryDirectory(prefix="k1web-", ignore_cleanup_errors=True)  # its helpers may still write when it has ended
        self._folder = Path(self._open.enter_context(kept))
        root = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to be root otherwise
        with (self._folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, *_QUIET, *root, f"--user-data-dir={self._folder / 'profile'}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            port, path = self._wait_for_port()
            way = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, max_queue=None, ping_interval=None, proxy=None)
            self._socket = self._open.enter_context(way)
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # all of it: there is nothing that it should keep
            self._process.wait(10.0)
        self._open.close()

    def _wait_for_port(self) -> tuple[str, str]:
        file, deadline = self._folder / "profile" / "DevToolsActivePort", time.monotonic() + START_S
        while time.monotonic() < deadline:
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) == 2:
                return lines[0], lines[1]
            time.sleep(0.05)
        msg = f"chromium did not start\n{(self._folder / 'chromium.log').read_text(errors='replace')[-3000:]}"
        raise AssertionError(msg)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer; what the page reports meanwhile goes to `events`."""
        assert self._socket is not None
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(command if self._session is None else {**command, "sessionId": self._session}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_S))
            if message.get("id") != number:
                self.events.append(message)
            elif "error" in message:
                msg = f"{method}: {message['error']}"
                raise AssertionError(msg)
            else:
                result: dict[str, Any] = message["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """What an expression is worth in the page, promises awaited."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait_for(self, what: str, script: str, true: Callable[[Any], object] = bool, timeout_s: float = 20.0) -> Any:
        """Poll an expression until it is true; fails with `what` and the last value."""
        deadline, value = time.monotonic() + timeout_s, None
        while time.monotonic() < deadline:
            value = self.evaluate(script)
            if true(value):
                return value
            time.sleep(0.1)
        msg = f"waited {timeout_s} s in vain for: {what}; it is {value!r}"
        raise AssertionError(msg)

    def of(self, *methods: str) -> list[dict[str, Any]]:
        """What the page reported of some kinds."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def press(self, key: str) -> None:
        """One key, by its name."""
        codes = {"Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def show(self, width: int, height: int, **preferences: str) -> None:
        """A screen of this size; `color_scheme="dark"` is what CSS calls prefers-color-scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        features = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in preferences.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, file: Path) -> None:
        """The whole page as PNG."""
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(told["data"]))
