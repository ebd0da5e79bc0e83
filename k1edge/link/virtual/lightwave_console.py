"""A little LightwaveOS: the console and the beat clock of the K1 firmware in the field, as far as a host can tell. Pure.

For the virtual node and for tests; owned by the thread that owns the node. It is as easily upset as the real one: whatever is in the
buffer when it runs dry is executed, half a line included, and text that is no JSON is taken character by character as key presses.
"""

import json
import math
from collections import deque
from typing import Any

from k1edge.link.lightwave import playable_bpm
from k1edge.link.lines import json_object

STATUS = {"effectCount": 101, "version": "3.0.0-virtual", "ledCount": 320}
LINES_KEPT = 1_000
STRAYS_KEPT = 1_000


class Console:
    """The ASCII side of a node: what came in, and what it answers.

    Args:
        status: `data` of the answer to device.getStatus.
    """

    def __init__(self, status: dict[str, Any]) -> None:
        self.strays: deque[int] = deque(maxlen=STRAYS_KEPT)  # bytes taken as key presses
        self.lines: deque[bytes] = deque(maxlen=LINES_KEPT)  # executed, whole or not
        self._status = status

    def receive(self, data: bytes, now_us: int) -> list[bytes]:
        """Execute what one burst brought, its unfinished end too; return the replies."""
        replies = []
        for line in data.replace(b"\r", b"").split(b"\n"):
            if not line:
                continue
            self.lines.append(line)
            command = json_object(line) if line.startswith(b"{") else None
            if command is None:
                self.strays.extend(line)
            elif (reply := self.execute(command, now_us)) is not None:
                replies.append(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
        return replies

    def execute(self, command: dict[str, Any], now_us: int) -> dict[str, Any] | None:
        """Carry out one command; return its reply, None for those without."""
        del now_us
        if command.get("type") == "device.getStatus":
            return {"type": "device.getStatus", "success": True, "data": self._status}
        return {"type": "error", "success": False, "error": {"code": "UNKNOWN_COMMAND"}}


class LightwaveConsole(Console):
    """The console with its beat clock: follows `trinity.beat` in external mode, free-runs for ever, flashes on the wrap of its phase."""

    def __init__(self) -> None:
        super().__init__(STATUS)
        self.external = False
        self.bpm = 120.0
        self._phase = 0.0  # at _phase_us
        self._phase_us = 0.0

    def execute(self, command: dict[str, Any], now_us: int) -> dict[str, Any] | None:
        """Carry out one command."""
        kind = command.get("type")
        if kind == "trinity.beat":
            self._beat(command, now_us)
            return None
        if kind == "trinity.sync":
            return self._sync(command, now_us)
        return super().execute(command, now_us)

    def phase_at(self, now_us: float) -> float:
        """Phase in [0, 1) at `now_us`."""
        return (self._phase + (now_us - self._phase_us) * self.bpm / 60e6) % 1.0

    def next_wrap_us(self) -> int | None:
        """When the phase wraps next, after the last phase that was set or flashed; None outside external mode."""
        return self._phase_us_ahead(1.0 - self._phase) if self.external else None

    def flash(self, now_us: int) -> int | None:
        """Wrap if it is time: the moment of the wrap, from which the next beat counts; None if it is not."""
        due = self.next_wrap_us()
        if due is None or now_us < due:
            return None
        stalled = now_us - due >= 60e6 / self.bpm  # then it goes on from now: one flash a loop, not all those it slept through
        self._phase, self._phase_us = (self.phase_at(now_us), float(now_us)) if stalled else (0.0, float(due))
        return due

    def _phase_us_ahead(self, phase: float) -> int:
        return math.ceil(self._phase_us + phase * 60e6 / self.bpm)

    def _sync(self, command: dict[str, Any], now_us: int) -> dict[str, Any]:
        action, bpm = command.get("action"), command.get("bpm", self.bpm)
        taken = action == "stop" or (action == "start" and isinstance(bpm, int | float) and playable_bpm(bpm))
        if taken:
            self.external = action == "start"
            if self.external:
                self._phase, self._phase_us, self.bpm = self.phase_at(now_us), float(now_us), float(bpm)
        return {"type": "trinity.sync", "success": True, "data": {"action": action, "dispatched": taken}}

    def _beat(self, command: dict[str, Any], now_us: int) -> None:
        bpm, phase = command.get("bpm"), command.get("beat_phase", 0.0 if command.get("tick") else None)
        if not self.external or not isinstance(bpm, int | float) or not playable_bpm(bpm):
            return
        if not isinstance(phase, int | float) or not 0.0 <= phase < 1.0:
            return
        self.bpm, self._phase, self._phase_us = float(bpm), round(phase * 255) / 255, float(now_us)
