"""What the tests of the untimed dialect share: a session and a little LightwaveOS at its other end, in time of their own."""

from dataclasses import dataclass, field

import pytest

from k1edge.events import BeatPlan, Timeline
from k1edge.link.dialect import LinkEvent
from k1edge.link.trinity import TrinitySession
from k1edge.link.virtual.lightwave_clock import LED_TX_US
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

T0 = 1_000 * NS_PER_S
OK_SYNC = b'{"type":"trinity.sync","success":true,"data":{"dispatched":true}}\n'


def at(ms: float) -> HostTime:
    return HostTime(T0 + round(ms * NS_PER_MS))


def plan(bpm: float, *, beat_at_ms: float = 0.0, valid_ms: float = 60_000.0) -> BeatPlan:
    return BeatPlan(Timeline(60e9 / bpm, 0.0, float(at(beat_at_ms))), (), at(valid_ms))


def events(session: TrinitySession) -> list[LinkEvent]:
    taken = []
    while (event := session.next_event()) is not None:
        taken.append(event)
    return taken


@dataclass
class Bench:
    """A session and a little LightwaveOS, driven by the session's own deadlines; every line takes `transport_ms` to arrive."""

    transport_ms: float = 2.0
    console: LightwaveConsole = field(default_factory=LightwaveConsole)
    session: TrinitySession = field(default_factory=lambda: TrinitySession(at(0)))
    now: int = at(0)
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    flashes_us: list[int] = field(default_factory=list)
    mute: bool = False

    def step(self) -> None:
        for line in self.session.data_to_send(HostTime(self.now)):
            self.sent.append((self.now, line))
            arrival_us = (self.now + round(self.transport_ms * NS_PER_MS)) // 1_000
            self.flash(arrival_us)
            for reply in self.console.receive(line, arrival_us):
                if not self.mute:
                    self.session.receive_data(reply, HostTime(self.now))

    def flash(self, until_us: int) -> None:
        clock = self.console.clock
        while (frame_us := clock.next_flash_us()) is not None and frame_us <= until_us:
            clock.flash(frame_us)
            self.flashes_us.append(frame_us + LED_TX_US)

    def run(self, until: HostTime) -> None:
        """Call the session at its deadlines only; a deadline that stays where nothing is sent would loop for ever."""
        for _ in range(20_000):
            self.step()
            due = self.session.next_deadline()
            if due is None or due >= until:
                break
            self.now = max(self.now + 1, due)
        else:
            pytest.fail("a busy loop")
        self.now = until
        self.flash(until // 1_000)

    def lines(self, needle: bytes) -> list[tuple[int, bytes]]:
        return [(when, line) for when, line in self.sent if needle in line]
