"""The main loop of a little LightwaveOS between its serial port and its console, with what goes wrong there. Pure; owned by the node's thread.

Each pass reads until a newline or until the receive buffer runs dry, and executes what it has. So a line that comes in two pieces is
executed in halves where a pass falls between them. Not measured on hardware: the durations are guesses from reading its source.
"""

import random
from dataclasses import dataclass

from k1edge.link.virtual.lightwave_console import LightwaveConsole

RX_BYTES = 256
"""Receive buffer of its serial driver; what finds no room is lost."""

LOG_LINE = b"[12345][I][RendererActor.cpp:512] frame drop, 9.6 ms\r\n"


@dataclass(frozen=True, slots=True)
class Hazards:
    """What goes wrong, as shares of 0 to 1 of the passes or replies that it befalls.

    Attributes:
        pass_us: shortest and longest time until the loop reads again.
        stall: share of passes that take up to `stall_us` longer (flash writes, WiFi).
        stall_us: see there.
        noise: share of replies that a log line tears in two, and as many that follow one on the same line.
        busy: share of commands that the renderer's full queue does not take.
    """

    pass_us: tuple[int, int] = (200, 2_000)
    stall: float = 0.0
    stall_us: int = 100_000
    noise: float = 0.0
    busy: float = 0.0


class LightwaveLoop:
    """Bytes in, replies out.

    Args:
        console: executes.
        hazards: what goes wrong.
        rng: when.
    """

    def __init__(self, console: LightwaveConsole, hazards: Hazards, rng: random.Random) -> None:
        self.lost_bytes = 0  # that found no room
        self.deaf_until_us = 0  # while it boots
        self.stalled_until_us = 0  # the whole node stands still: no frame is drawn either
        self._console, self._hazards, self._rng = console, hazards, rng
        self._buffer = bytearray()
        self._pass_us: int | None = None  # when it reads next; None = nothing to read

    def arrive(self, data: bytes, now_us: int) -> None:
        """One packet has come in."""
        if now_us < self.deaf_until_us:
            return
        room = RX_BYTES - len(self._buffer)
        self.lost_bytes += max(0, len(data) - room)
        self._buffer += data[:room]
        if self._buffer and self._pass_us is None:
            self._plan_pass(now_us)

    def next_due(self) -> int | None:
        """When it reads next."""
        return self._pass_us

    def run(self, now_us: int) -> list[bytes]:
        """Make the passes that are due; return what it writes."""
        written: list[bytes] = []
        while self._pass_us is not None and self._pass_us <= now_us:
            line, _, rest = bytes(self._buffer).replace(b"\r", b"\n").partition(b"\n")
            self._buffer[:] = rest
            self._console.busy = self._rng.random() < self._hazards.busy
            reply = self._console.enter(line, self._pass_us)
            if reply is not None:
                written += self._noisy(reply)
            passed_us, self._pass_us = self._pass_us, None
            if self._buffer:
                self._plan_pass(passed_us)
        return written

    def _plan_pass(self, after_us: int) -> None:
        hazards, rng = self._hazards, self._rng
        self._pass_us = after_us + rng.randint(*hazards.pass_us)
        if rng.random() < hazards.stall:
            self._pass_us += rng.randint(0, hazards.stall_us)
            self.stalled_until_us = self._pass_us

    def _noisy(self, reply: bytes) -> list[bytes]:
        fate = self._rng.random()
        if fate < self._hazards.noise:
            at = self._rng.randrange(1, len(reply))
            return [reply[:at] + LOG_LINE + reply[at:]]
        return [LOG_LINE.strip() + reply] if fate < 2 * self._hazards.noise else [reply]
