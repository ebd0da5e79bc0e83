"""A pty that can be pulled out and plugged in, and the delay of a cable. Owned by the virtual node's thread."""

import os
import random
import tty
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from k1edge.timebase import NS_PER_MS


class DelayLine:
    """Bytes that arrive later, in order, each burst after a random delay.

    Args:
        rng: of delays and losses.
        delay_ms: shortest and longest delay.
        loss: share of the bursts that vanish, 0 to 1.
    """

    def __init__(self, rng: random.Random, delay_ms: tuple[float, float], loss: float) -> None:
        self._rng, self._delay_ms, self._loss = rng, delay_ms, loss
        self._bursts: deque[tuple[int, bytes]] = deque()  # due in ns, bytes

    def put(self, data: bytes, now_ns: int, *, may_lose: bool) -> None:
        """Send a burst off at `now_ns`."""
        lost = self._rng.random() < self._loss and may_lose
        due = now_ns + round(self._rng.uniform(*self._delay_ms) * NS_PER_MS)
        if not lost:
            self._bursts.append((max(due, self._bursts[-1][0] if self._bursts else 0), data))

    def take(self, now_ns: int) -> list[bytes]:
        """The bursts that have arrived by `now_ns`."""
        taken = []
        while self._bursts and self._bursts[0][0] <= now_ns:
            taken.append(self._bursts.popleft()[1])
        return taken

    def next_due(self) -> int | None:
        """When the next burst arrives, in ns; None = nothing under way."""
        return self._bursts[0][0] if self._bursts else None

    def clear(self) -> None:
        """Lose what is under way."""
        self._bursts.clear()


class PluggedPty:
    """The node's end of a pty. `link` is a symlink kept on its current path. The host's end is held open too, so that a host may come and go."""

    def __init__(self, link: Path | None) -> None:
        self.fd: int | None = None  # None while unplugged
        self._link = link
        self._slave: int | None = None
        self._path = ""

    @property
    def path(self) -> str:
        """Where the host opens it: the symlink, or the pty.

        Raises:
            RuntimeError: it is unplugged, and without a symlink has no path.
        """
        if self._link is not None:
            return str(self._link)
        if self.fd is None:
            msg = "the virtual node is not plugged in"
            raise RuntimeError(msg)
        return self._path

    def plug(self) -> None:
        """Open a pty and point the symlink at it."""
        self.fd, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.fd, False)
        self._path = os.ttyname(self._slave)
        if self._link is not None:
            fresh = self._link.with_name(self._link.name + ".new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self._path)
            fresh.replace(self._link)

    def unplug(self) -> None:
        """Close it, as when the cable is pulled; nothing where it was not plugged in."""
        for fd in (self.fd, self._slave):
            if fd is not None:
                os.close(fd)
        self.fd = self._slave = None
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def read(self) -> Iterator[bytes]:
        """The bursts that the host has sent."""
        while self.fd is not None:
            try:
                data = os.read(self.fd, 4_096)
            except BlockingIOError:
                return
            yield data

    def write(self, burst: bytes) -> None:
        """Write what fits: a USB port drops what the host does not fetch."""
        if self.fd is not None:
            try:
                os.write(self.fd, burst)
            except BlockingIOError:
                return
