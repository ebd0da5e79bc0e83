"""What a virtual node thinks, in either dialect: bytes and its own time in, bytes and flashes out. Pure; owned by the node's thread."""

from dataclasses import dataclass
from typing import Any, Protocol

from k1edge.link.node.core import IDLE_AFTER_US, NodeCore
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.lightwave_console import Console, LightwaveConsole
from k1edge.timebase import NodeTime


@dataclass(frozen=True, slots=True)
class VirtualFlash:
    """One flash, as the node meant it. `wire_id` is None in the untimed dialect; `latch_us` is when the light is seen."""

    wire_id: int | None
    scheduled_us: NodeTime
    latch_us: NodeTime


class Brain(Protocol):
    """One firmware."""

    binary: bool
    """whether bytes are frames now"""

    @property
    def console(self) -> Console:
        """Its ASCII side."""
        ...

    def receive(self, data: bytes, now: NodeTime) -> None:
        """Take one burst of bytes."""
        ...

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        """What to write at once."""
        ...

    def next_due(self) -> NodeTime | None:
        """When to call `flash` and `data_to_send` again."""
        ...

    def flash(self, now: NodeTime) -> list[VirtualFlash]:
        """The flashes to make right now."""
        ...


class LightwaveBrain:
    """The untimed firmware."""

    def __init__(self) -> None:
        self.console = LightwaveConsole()
        self.binary = False
        self._replies: list[bytes] = []

    def receive(self, data: bytes, now: NodeTime) -> None:
        """Execute one burst."""
        self._replies += self.console.receive(data, now)

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        """The replies so far."""
        del now
        replies, self._replies = self._replies, []
        return replies

    def next_due(self) -> NodeTime | None:
        """The next wrap of the phase."""
        due = self.console.next_wrap_us()
        return None if due is None else NodeTime(due)

    def flash(self, now: NodeTime) -> list[VirtualFlash]:
        """Flash on the wrap; light is seen as soon as it is sent."""
        due = self.console.flash(now)
        return [] if due is None else [VirtualFlash(None, NodeTime(due), now)]


class _K1LinkConsole(Console):
    """Answers the identification, and remembers that it was asked to go binary."""

    def __init__(self, major: int, firmware: str) -> None:
        super().__init__({"k1link": major, "version": firmware})
        self.started = False

    def execute(self, command: dict[str, Any], now_us: int) -> dict[str, Any] | None:
        """Carry out one command."""
        if command.get("type") != "k1link.start":
            return super().execute(command, now_us)
        self.started = True
        return {"type": "k1link.start", "success": True}


class K1LinkBrain:
    """The timed firmware: an ASCII console until `k1link.start`, or until a 00, which no console line has; then frames."""

    def __init__(self, identity: NodeIdentity, started: NodeTime, *, announce: bool) -> None:
        self.console = _K1LinkConsole(identity.major, identity.firmware)
        self.core = NodeCore(identity, started, announce=announce)
        self.binary = False
        self._binary_us = started  # when it last began with frames; the first of them may come in pieces
        self._replies: list[bytes] = []

    def receive(self, data: bytes, now: NodeTime) -> None:
        """Take one burst, in whichever mode."""
        if self.core.is_idle(now) and now - self._binary_us >= IDLE_AFTER_US:  # the host has gone, or is another that begins in ASCII
            self.binary = False
        if not self.binary:
            text, zero, frames = data.partition(b"\0")
            self._replies += self.console.receive(text, now)
            if not zero and not self.console.started:
                return
            self.console.started = False
            self.binary = True
            self._binary_us = now
            data = zero + frames
        self.core.receive(data, now)

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        """Replies of the console, then frames."""
        replies, self._replies = self._replies, []
        return replies + self.core.data_to_send(now)

    def next_due(self) -> NodeTime | None:
        """The nearer of the next flash and the next frame."""
        dues = [due for due in (self.core.next_fire(), self.core.next_send()) if due is not None]
        return min(dues, default=None)

    def flash(self, now: NodeTime) -> list[VirtualFlash]:
        """Flash what is due; the light is seen when the LEDs have been sent."""
        return [VirtualFlash(flash.id, flash.t_sched_us, flash.t_latch_us) for flash in self.core.fire(now)]


def make_brain(dialect: str, identity: NodeIdentity, started: NodeTime, *, announce: bool) -> Brain:
    """Build the firmware of `dialect` ("k1link" or "trinity").

    Raises:
        ValueError: no such dialect.
    """
    if dialect == "k1link":
        return K1LinkBrain(identity, started, announce=announce)
    if dialect == "trinity":
        return LightwaveBrain()
    msg = f'a virtual node speaks "k1link" or "trinity", not {dialect!r}'
    raise ValueError(msg)
