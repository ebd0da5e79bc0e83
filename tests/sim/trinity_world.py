"""The untimed link in fake time: the host's session, a USB line, a LightwaveOS with its hazards. Every step checks what must always hold.

host session ─► one packet of at most 64 bytes, late by 0 to 30 ms ─► receive buffer ─► main loop ─► console ─► beat clock ─► frames ─► light
     ▲ ◄────────────────────── replies, torn by log lines ──────────────────────────────────────┘

Invariants, in every step: no byte that the node takes for anything but a whole command; no double flash, which is two flashes closer than
half a beat of the tempo that the node has at the second; at most 20 lines a second, each one write; nothing sent to a node that has not
identified itself but the one question. What is a guess about the firmware is named in `virtual/lightwave_loop`.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from k1edge.events import BeatPlan, Timeline
from k1edge.link.dialect import LinkState, StateChanged
from k1edge.link.identify import ASK_STATUS
from k1edge.link.lightwave import MAX_LINE
from k1edge.link.session import NodeSession
from k1edge.link.virtual.brain import BOOT_US, LightwaveBrain
from k1edge.link.virtual.lightwave_loop import Hazards
from k1edge.timebase import HostTime, NodeTime

S = 1_000_000_000
MS = 1_000_000
US = 1_000
T0 = 5_000 * S
BOOT_TEXT = b"ESP-ROM:esp32s3-20210327\r\nrst:0x3 (RTC_SW_SYS_RST)\r\n"


@dataclass
class TrinityWorld:
    """`play` says what the host follows; `plug`, `unplug`, `reset` and `restart` are the accidents. Node us = host us; it has no other clock to be wrong about."""

    seed: int
    hazards: Hazards = field(default_factory=Hazards)
    delay_ms: tuple[float, float] = (0.0, 30.0)
    bpm: float = 120.0
    origin_ns: float = float(T0)
    playing: bool = False
    refreshing: bool = True
    """the host renews its plan; else it runs out"""
    now: int = T0
    flashes: list[int] = field(default_factory=list)
    """host ns of the light"""
    wraps: list[int] = field(default_factory=list)
    """host ns of the moments for which they flashed"""
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    states: list[LinkState] = field(default_factory=list)

    def __post_init__(self) -> None:
        print(f"seed {self.seed}")  # noqa: T201 - pytest shows it where a scenario fails
        self.rng = random.Random(self.seed)
        self._order = count()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._wakes: dict[str, int] = {}
        self._line_free = {"up": 0, "down": 0}
        self._cable = 0  # its number; what was under way on an earlier one is lost
        self.brain = LightwaveBrain(self.hazards, self.seed)
        self.restart()
        self._at(self.now, self._renew)

    def restart(self) -> None:
        """A new host process on the same cable: the old one was killed and said nothing."""
        self._cable += 1
        self.session = NodeSession(HostTime(self.now), nonce=1)
        self._asked = self._leaving = False
        self._wakes.clear()
        self._host()

    def unplug(self) -> None:
        """The cable is pulled; the node goes on by its own supply."""
        self._cable += 1
        self._leaving = True
        self.session.close(HostTime(self.now))

    def leave(self) -> None:
        """The host says goodbye and hangs up."""
        self._leaving, self.refreshing = True, False
        self.session.close(HostTime(self.now))
        self._host()

    def plug(self) -> None:
        """It comes back; the port begins a new conversation."""
        self.restart()

    def reset(self) -> None:
        """The node starts anew: deaf while it boots, and its boot text tells."""
        self.check()
        self.brain = LightwaveBrain(self.hazards, self.rng.randrange(1 << 30), deaf_until_us=self.now // US + BOOT_US)
        self._send("down", BOOT_TEXT)

    def play(self, bpm: float, *, jump_beats: float = 0.0) -> None:
        """Follow this tempo from here on; the phase goes on, but for a jump."""
        beat = self.timeline().beat_at(self.now) + jump_beats
        self.bpm, self.origin_ns = bpm, self.now - beat * 60 * S / bpm
        self.playing = self.refreshing = True
        self._renew_now()

    def stop(self) -> None:
        """No lock, silence, no sound device: nothing to follow."""
        self.playing = False
        self._renew_now()

    def timeline(self) -> Timeline:
        return Timeline(60 * S / self.bpm, 0.0, self.origin_ns)

    def phase_errors_ms(self, since: int = 0) -> list[float]:
        """Light against the nearest beat of the present tempo, + = late."""
        line = self.timeline()
        return [((line.beat_at(at) + 0.5) % 1.0 - 0.5) * line.period / MS for at in self.flashes if at >= since]

    def run(self, seconds: float) -> None:
        end = self.now + round(seconds * S)
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
            self._node()
            self._host()
            self.check()
        self.now = end

    def check(self) -> None:
        """The invariants."""
        console = self.brain.console
        assert not console.strays, bytes(console.strays)
        assert console.settings_changed == 0
        assert self.brain.loop.lost_bytes == 0
        if self.brain.console.external:
            assert console.clock.confidence == 1.0

    def _begin_again(self) -> None:
        if self._leaving:
            self.restart()

    def _renew_now(self) -> None:
        line = self.timeline()
        until = line.time_at(float(int(line.beat_at(self.now)) + 4))
        self.session.follow(BeatPlan(line, (), HostTime(round(until))) if self.playing else None, HostTime(self.now))
        self._host()

    def _renew(self) -> None:
        if self.refreshing:
            self._renew_now()
        self._at(self.now + 100 * MS, self._renew)

    def _host(self) -> None:
        writes = self.session.data_to_send(HostTime(self.now))
        assert len(writes) <= 1
        for write in writes:
            self._check_line(write)
            self._send("up", write)
        while (event := self.session.next_event()) is not None:
            if isinstance(event, StateChanged):
                self.states.append(event.state)
                if event.state in {LinkState.UNRECOGNISED, LinkState.CLOSED} and not self._leaving:
                    self._leaving = True  # the port hangs up and begins a new conversation
                    self._at(self.now + S // 2, self._begin_again)
        self._wake("host", self.session.next_deadline(), lambda: None)

    def _check_line(self, write: bytes) -> None:
        assert len(write) <= MAX_LINE
        assert write.startswith(b'{"type":"')
        assert write.index(b"\n") == len(write) - 1
        assert self._asked or write == ASK_STATUS, "the first thing said is the question"
        self._asked = True
        before = [at for at, _ in self.lines[-20:]]
        self.lines.append((self.now, write))
        assert len(before) < 20 or self.now - before[0] >= 0.9 * S or b"stop" in write

    def _send(self, way: str, data: bytes) -> None:
        """Packets of at most 64 bytes, in order, each after a delay of its own."""
        cable = self._cable
        for start in range(0, len(data), MAX_LINE):
            packet = data[start : start + MAX_LINE]
            late = round(self.rng.uniform(*self.delay_ms) * MS)
            self._line_free[way] = max(self._line_free[way] + 50 * US, self.now + late)
            self._at(self._line_free[way], lambda packet=packet: self._arrive(way, packet, cable))  # type: ignore[misc]  # a default

    def _arrive(self, way: str, packet: bytes, cable: int) -> None:
        if cable != self._cable:
            return
        if way == "up":
            self.brain.receive(packet, self._node_us())
        else:
            self.session.receive_data(packet, HostTime(self.now))

    def _node(self) -> None:
        self._flash()
        for reply in self.brain.data_to_send(self._node_us()):
            self._send("down", reply)
        due = self.brain.next_due()
        self._wake("node", None if due is None else int(due) * US, lambda: None)

    def _flash(self) -> None:
        bpm = self.brain.console.clock.bpm
        for flash in self.brain.flash(self._node_us()):
            seen = flash.latch_us * US
            assert not self.flashes or seen - self.flashes[-1] >= 30 * S / bpm, "a double flash"
            self.flashes.append(seen)
            self.wraps.append(flash.scheduled_us * US)

    def _node_us(self) -> NodeTime:
        return NodeTime(self.now // US)

    def _wake(self, who: str, due: int | None, action: Callable[[], None]) -> None:
        due = None if due is None else max(due, self.now + US)
        if due is not None and not self.now < self._wakes.get(who, 0) <= due:
            self._wakes[who] = due
            self._at(due, action)

    def _at(self, when: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), action))
