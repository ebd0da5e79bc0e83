"""A little LightwaveOS: the console of the K1 firmware in the field, as far as a host can tell. Pure.

For the virtual node and for tests; owned by the thread that owns the node. It is as easily upset as the real one: what its loop has read
is executed, half a line included, and text that is no JSON is taken as key presses. Pessimistic in one thing: every character of such
text counts, where the real one spares some.
"""

import json
from collections import deque
from typing import Any

from k1edge.link.lightwave import playable_bpm
from k1edge.link.lines import json_object
from k1edge.link.virtual.lightwave_clock import LightwaveClock

STATUS = {"effectCount": 101, "version": "3.0.0-virtual", "ledCount": 320}
LINES_KEPT = 1_000
STRAYS_KEPT = 1_000


class LightwaveConsole:
    """Lines in, replies out, and the beat clock that they set."""

    def __init__(self) -> None:
        self.strays: deque[int] = deque(maxlen=STRAYS_KEPT)  # bytes that were no whole command
        self.settings_changed = 0  # by key presses that nobody meant
        self.lines: deque[bytes] = deque(maxlen=LINES_KEPT)  # executed, whole or not
        self.clock = LightwaveClock()
        self.busy = False  # the renderer's queue is full: sync answers `dispatched` false, a beat is lost in silence

    def receive(self, data: bytes, now_us: int) -> list[bytes]:
        """Execute what one burst brought, its unfinished end too; return the replies."""
        return [reply for line in data.replace(b"\r", b"\n").split(b"\n") if (reply := self.enter(line, now_us)) is not None]

    def enter(self, line: bytes, now_us: int) -> bytes | None:
        """Execute what was read of a line; return the reply, None for those without."""
        if not line:
            return None
        self.lines.append(line)
        command = json_object(line) if line.startswith(b"{") else None
        if command is not None:
            reply = self._execute(command, now_us)
        else:
            self.strays.extend(line)
            torn = line.startswith(b"{")
            self.settings_changed += 0 if torn else sum(32 <= key < 127 for key in line)
            reply = {"type": "error", "success": False, "error": "IncompleteInput"} if torn else None
        return None if reply is None else json.dumps(reply, separators=(",", ":")).encode() + b"\n"

    @property
    def external(self) -> bool:
        """Whether it follows somebody."""
        return self.clock.external

    def _execute(self, command: dict[str, Any], now_us: int) -> dict[str, Any] | None:
        """Carry out one command; return its reply, None for those without."""
        match command.get("type"):
            case "device.getStatus":
                return {"type": "device.getStatus", "success": True, "data": STATUS}
            case "trinity.sync":
                return self._sync(command, now_us)
            case "trinity.beat":
                self._beat(command, now_us)
                return None
        return {"type": "error", "success": False, "error": "unknown command type"}

    def _sync(self, command: dict[str, Any], now_us: int) -> dict[str, Any]:
        action, bpm = command.get("action"), command.get("bpm", 120.0)
        if action not in {"start", "stop"}:
            return {"type": "error", "success": False, "error": "invalid action"}
        taken = not self.busy and isinstance(bpm, int | float)
        if taken and action == "stop":
            self.clock.stop()
        elif taken:
            self.clock.start(float(bpm), now_us)
        return {"type": "trinity.sync", "requestId": "", "success": True, "data": {"action": action, "dispatched": taken}}

    def _beat(self, command: dict[str, Any], now_us: int) -> None:
        bpm, phase = command.get("bpm", 120.0), command.get("beat_phase", 0.0)
        if not isinstance(bpm, int | float) or not playable_bpm(bpm) or not isinstance(phase, int | float) or not 0.0 <= phase < 1.0:
            return
        if not self.busy:
            self.clock.beat(float(bpm), float(phase), now_us, tick=command.get("tick") is True)
