"""Tells systemd how we are (sd_notify(3)). Without systemd it does nothing; a bad socket is named once and then ignored.

Owned by the event loop.
"""

import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)


class Notifier:
    """A line to the service manager.

    Args:
        env: the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.

    Attributes:
        watchdog_s: systemd kills us when it hears nothing for this long: feed at half of it; None = no watchdog.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        name = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._complained = False
        self.watchdog_s = _watchdog_s(env)

    def ready(self, status: str) -> None:
        """We are up (also after `reloading`)."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """A new configuration is being read; end with `ready`."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We are going down."""
        self._send("STOPPING=1")

    def feed_watchdog(self) -> None:
        """We are alive and doing our work."""
        self._send("WATCHDOG=1")

    def _send(self, *fields: str) -> None:
        if not self._address:
            return
        message = "\n".join(field.replace("\n", " ") for field in fields).encode("utf-8", "replace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(message, self._address)
        except (OSError, ValueError) as error:
            if not self._complained:
                log.warning("systemd can't be told", socket=self._address.replace("\0", "@"), why=str(error))
            self._complained = True


def _watchdog_s(env: Mapping[str, str]) -> float | None:
    usec, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1_000_000
