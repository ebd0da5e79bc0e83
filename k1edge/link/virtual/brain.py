"""What a virtual node thinks, in either dialect: bytes and its own time in, bytes and flashes out. Pure; owned by the node's thread."""

import random
from dataclasses import dataclass
from typing import Protocol

from k1edge.link.node.console import NodeConsole
from k1edge.link.node.core import IDLE_AFTER_US, NodeCore
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.lightwave_clock import LED_TX_US
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.link.virtual.lightwave_loop import Hazards, LightwaveLoop
from k1edge.timebase import NodeTime

BOOT_US = 1_200_000
"""How long a LightwaveOS takes from its reset until it reads its port; a guess."""


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
    def console(self) -> LightwaveConsole | NodeConsole:
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
    """The untimed firmware.

    Args:
        hazards: what goes wrong in its main loop.
        seed: of when.
        deaf_until_us: it boots until then.
    """

    def __init__(self, hazards: Hazards | None = None, seed: int = 1, deaf_until_us: int = 0) -> None:
        self.console = LightwaveConsole()
        self.binary = False
        self.loop = LightwaveLoop(self.console, hazards or Hazards(), random.Random(seed))  # noqa: S311 - seeded mishaps, not cryptography
        self.loop.deaf_until_us = deaf_until_us

    def receive(self, data: bytes, now: NodeTime) -> None:
        """One burst has come in; the loop reads it when it gets there."""
        self.loop.arrive(data, now)

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        """The replies so far."""
        return self.loop.run(now)

    def next_due(self) -> NodeTime | None:
        """The nearer of the next pass of its loop and the next frame that flashes."""
        dues = [due for due in (self._frame_us(), self.loop.next_due()) if due is not None]
        return NodeTime(min(dues)) if dues else None

    def flash(self, now: NodeTime) -> list[VirtualFlash]:
        """Draw the frame that is due; light is seen when the LEDs have been sent."""
        frame_us = self._frame_us()
        due_us = None if frame_us is None or now < frame_us else self.console.clock.flash(now)
        return [] if due_us is None else [VirtualFlash(None, NodeTime(due_us), NodeTime(now + LED_TX_US))]

    def _frame_us(self) -> int | None:
        frame_us = self.console.clock.next_flash_us()
        return None if frame_us is None else max(frame_us, self.loop.stalled_until_us)


class K1LinkBrain:
    """The timed firmware: an ASCII console until `k1link.start`, or until a 00, which no console line has; then frames."""

    def __init__(self, identity: NodeIdentity, started: NodeTime, *, announce: bool) -> None:
        self.console = NodeConsole(identity)
        self.core = NodeCore(identity, started, announce=announce)
        self.binary = False
        self._binary_us = started  # when it last began with frames; the first of them may come in pieces

    def receive(self, data: bytes, now: NodeTime) -> None:
        """Take one burst, in whichever mode."""
        self._forget_frames(now)
        frames: bytes | None = data
        if not self.binary:
            frames = self.console.receive(data)
            if frames is not None:
                self.start(now)
        if frames is not None:
            self.core.receive(frames, now)

    def start(self, now: NodeTime) -> None:
        """Go to frames."""
        self.binary = True
        self._binary_us = now
        self.console.forget_line()

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        """Replies of the console, then frames."""
        self._forget_frames(now)
        return self.console.data_to_send() + self.core.data_to_send(now)

    def next_due(self) -> NodeTime | None:
        """The nearer of the next flash and the next bytes to send."""
        answer = NodeTime(0) if self.console.has_answers() else None
        dues = [due for due in (answer, self.core.next_fire(), self.core.next_send()) if due is not None]
        return min(dues, default=None)

    def _forget_frames(self, now: NodeTime) -> None:
        """Listen for ASCII once the host has gone, or is another that begins there."""
        if self.core.is_idle(now) and now - self._binary_us >= IDLE_AFTER_US:
            self.binary = False

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
        return LightwaveBrain(deaf_until_us=started + BOOT_US if announce else 0)
    msg = f'a virtual node speaks "k1link" or "trinity", not {dialect!r}'
    raise ValueError(msg)
