"""`k1edge run` as a user starts it: a process of its own with a configuration file, watched over its Unix socket."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

POLL_S = 0.1

START_S = 20.0
"""Until sound and node: the node is given 2 s for its boot text, the rest is for a busy machine."""

LOCK_S = 20.0
"""Until a lock, from the start of music."""

Status = dict[str, Any]


def is_listening(status: Status) -> bool:
    """Sound comes in and the node is ready."""
    return status["audio"]["state"] == "live" and status["node"] is not None and status["node"]["state"] == "ready"


def is_locked(status: Status) -> bool:
    """The tracker is sure."""
    return bool(status["beat"]["lock"] == "locked")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, as `curl --unix-socket` speaks it."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("k1", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def get_status(path: Path, timeout_s: float = 2.0) -> Status | None:
    """`GET /status`; None while nobody answers there."""
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request("GET", "/status")
        reply = connection.getresponse()
        body = reply.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if reply.status != http.HTTPStatus.OK:
        msg = f"/status answers {reply.status}: {body[:500]!r}"
        raise AssertionError(msg)
    status: Status = json.loads(body)
    return status


class Edge:
    """One daemon. `folder` holds its configuration, socket, state and log; a second one with the same folder is a second instance."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        settings: Mapping[str, Mapping[str, object]],
        *,
        log: str = "k1edge.log",
        within: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._within = within  # put before the command; has to become it
        self.socket = folder / "run" / "k1edge.sock"
        self.log_file = folder / log
        self._environment = dict(environment) | {"RUNTIME_DIRECTORY": str(folder / "run"), "STATE_DIRECTORY": str(folder / "state")}
        self._config = folder / "k1edge.toml"
        self._config.write_text(_toml({"network": {"bind": "off"}} | dict(settings)))  # the port is one for all of a machine
        for name in ("run", "state"):
            (folder / name).mkdir(mode=0o750, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; does not wait for anything."""
        program = Path(sys.executable).with_name("k1edge")
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._within, program, "run", "--config", self._config],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            msg = "this daemon was never started"
            raise RuntimeError(msg)
        return self.process

    def log(self) -> str:
        """What it has said so far."""
        return self.log_file.read_text(errors="replace")

    def status(self) -> Status | None:
        """Its /status now; None while it does not answer."""
        return get_status(self.socket)

    def wait_for(self, what: str, condition: Callable[[Status], object], timeout_s: float) -> Status:
        """Poll /status until `condition` holds; fails with `what`, the last status and the log otherwise, or when the daemon ends."""
        deadline = time.monotonic() + timeout_s
        status: Status | None = None
        while time.monotonic() < deadline:
            if self._running.poll() is not None:
                msg = f"the daemon ended with {self._running.returncode} while waiting for: {what}\n{self.log()}"
                raise AssertionError(msg)
            status = self.status()
            if status is not None and condition(status):
                return status
            time.sleep(POLL_S)
        msg = f"waited {timeout_s} s in vain for: {what}\nlast status: {json.dumps(status, indent=1)}\n{self.log()[-6000:]}"
        raise AssertionError(msg)

    def send(self, number: int) -> None:
        """Send a signal."""
        self._running.send_signal(number)

    def wait_exit(self, timeout_s: float) -> int:
        """Exit code; fails with the log when it is still there after `timeout_s`."""
        try:
            return self._running.wait(timeout_s)
        except subprocess.TimeoutExpired:
            msg = f"the daemon is still running {timeout_s} s later\n{self.log()[-6000:]}"
            raise AssertionError(msg) from None

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 3.0) -> int:
        """Ask it to end; its exit code."""
        self.send(number)
        return self.wait_exit(timeout_s)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10.0)


def _toml(settings: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for section, keys in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]  # JSON's texts and numbers are TOML's
    return "\n".join(lines) + "\n"
