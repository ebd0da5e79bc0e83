"""A session on a wire: each step of it, with the clock read where it matters. Owned by the node's thread (`port`)."""

import errno
import select
import time

from k1edge.events import BeatPlan
from k1edge.link.device import Wire
from k1edge.link.session import NodeSession
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

IDLE_NS = 50 * NS_PER_MS
"""Longest time in `listen`."""

STUCK_NS = 5 * NS_PER_S
"""A node that has not read for so long is closed and opened anew."""

RELEASE_NS = 400 * NS_PER_MS
"""How long a goodbye may take; the timed node stops by itself after 1.5 s anyway."""


class Conversation:
    """One conversation: the session and its wire, moved along step by step."""

    def __init__(self, wire: Wire, session: NodeSession) -> None:
        self.wire = wire
        self.session = session
        self._touched = True  # something happened since data_to_send was asked last
        self._settled = False
        self._poll = select.poll()

    def follow(self, plan: BeatPlan | None) -> None:
        """Hand the session a plan."""
        self.session.follow(plan, HostTime(time.monotonic_ns()))
        self._touched = True

    def write(self) -> None:
        """Write what is due, unless the node still has earlier bytes to read: then what would be said now is built when it can be sent.

        Raises:
            OSError: the device is gone, or does not read (ETIMEDOUT).
        """
        now = time.monotonic_ns()
        wire = self.wire
        if wire.waiting_bytes:
            wire.flush(now)
            if wire.waiting_bytes and wire.blocked_since_ns is not None and now - wire.blocked_since_ns >= STUCK_NS:
                raise TimeoutError(errno.ETIMEDOUT, "the node has not read for 5 s")
        if wire.waiting_bytes:
            return
        deadline = self.session.next_deadline()
        if self._touched or (deadline is not None and now >= deadline):
            self._touched = False
            now = time.monotonic_ns()
            wire.send(self.session.data_to_send(HostTime(now)), now)

    def listen(self, wake_fd: int | None = None) -> bool:
        """Wait for bytes and take them, or for room to write, the deadline or a wake-up; True for the last.

        Looks at the port every `look_ns`, whatever the kernel says of it: see `device.ACM_LOOK_NS`.

        Raises:
            OSError: the device is gone.
        """
        wire = self.wire
        if wake_fd is not None:
            self._poll.register(wake_fd, select.POLLIN)
        self._poll.register(wire.fd, select.POLLIN | (select.POLLOUT if wire.waiting_bytes else 0))
        deadline = self.session.next_deadline()
        now = time.monotonic_ns()
        until = now + IDLE_NS if deadline is None else min(now + IDLE_NS, deadline)
        while True:
            ready = self._poll.poll(max(1.0, min(wire.look_ns, until - now) / NS_PER_MS))
            data = wire.read()
            now = time.monotonic_ns()
            if data:
                self.session.receive_data(data, HostTime(now))
                self._touched = True
            if data or ready or now >= until:
                return any(fd == wake_fd for fd, _ in ready)

    def release(self) -> None:
        """Say goodbye, and see it off."""
        self.settle()
        now = time.monotonic_ns()
        self.wire.send(self.session.data_to_send(HostTime(now)), now)
        self.wire.drain(now + RELEASE_NS)

    def settle(self) -> None:
        """Close the session, once."""
        if not self._settled:
            self._settled = True
            self.session.close(HostTime(time.monotonic_ns()))
