"""Lost bytes, chunks and floods on the link in fake time; `World.check` holds the invariants after every event."""

import tracemalloc
from typing import Any

import pytest

from k1edge.events import BeatPlan
from k1edge.link.dialect import LinkEvent, LinkState
from k1edge.link.k1link.delivery import LOSING_GAP_NS
from k1edge.link.k1link.session import K1LinkSession
from k1edge.link.session import NodeSession
from k1edge.timebase import HostTime
from tests.sim.conftest import T0, Line, NodeClock, S, World
from tests.sim.damage import Damage, bursts, packets, single_bytes
from tests.sim.port_world import PortWorld

FLOOD_BYTES = 10_000_000
CHUNK_BYTES = 65_536


def damaged(seed: int, damage: Damage, back: Damage, seconds: float) -> PortWorld:
    """120 bpm, set up on a quiet line, then `seconds` on a bad one."""
    link = PortWorld(seed, clock=NodeClock(ppm=30.0))
    link.run_until_ready(10.0)
    link.tempo_bpm = 120
    link.run(2)
    link.flashes.clear()
    link.up.damage, link.down.damage = damage, back
    link.run(seconds)
    return link


LOSSES = {
    "20 % in bursts of 64": lambda: bursts(0.2, 64),
    "20 % in bursts of 8": lambda: bursts(0.2, 8),
    "20 % in packets": lambda: packets(0.2),
    "3 % singly": lambda: single_bytes(0.03),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_fault_01_bytes_lost_both_ways_and_95_percent_of_the_beats_fire(loss: str) -> None:
    link = damaged(1, LOSSES[loss](), LOSSES[loss](), 20)
    assert len(link.flashes) >= 0.95 * 40
    assert len({number for _, number in link.flashes}) == len(link.flashes)
    grid = [(at - T0) % (S // 2) for at, _ in link.flashes]
    assert max(min(off, S // 2 - off) for off in grid) < 1_500_000  # every frame delivered was right
    assert link.opened == 1
    link.up.damage = link.down.damage = single_bytes(0)
    link.tempo_bpm = None
    link.run(4)
    assert link.counters().pending == 0
    assert link.states()[-1] is LinkState.READY


def test_fault_01_bytes_lost_from_the_first_question_on_only_cost_time() -> None:
    link = PortWorld(7, up=Line(damage=bursts(0.2, 64)), down=Line(damage=bursts(0.2, 64)))
    assert link.run_until_ready(300.0) < 300.0
    link.tempo_bpm = 120
    link.run(20)
    assert len(link.flashes) >= 0.9 * 40


def test_a_line_that_loses_frames_is_pinged_sooner_and_calms_down() -> None:
    link = World(3)
    link.run(15)

    def pings_in(seconds: float) -> int:
        before = link.session.peer.watch.pinger._n
        link.run(seconds)
        return int(link.session.peer.watch.pinger._n - before)

    assert pings_in(4) <= 20
    link.down.damage = packets(1.0)
    assert pings_in(1.5) >= 1_000_000_000 // LOSING_GAP_NS // 2
    link.down.damage = packets(0.0)
    link.run(2)
    assert pings_in(4) <= 20
    assert link.states()[-1] is LinkState.READY


class Tape:
    """A session that writes down what was done to it."""

    def __init__(self, session: K1LinkSession) -> None:
        self.session = session
        self.done: list[tuple[str, Any, HostTime]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def receive_data(self, data: bytes, now: HostTime) -> None:
        self.done.append(("receive", data, now))
        self.session.receive_data(data, now)

    def data_to_send(self, now: HostTime) -> list[bytes]:
        sent = self.session.data_to_send(now)
        self.done.append(("send", sent, now))
        return sent

    def follow(self, plan: BeatPlan | None, now: HostTime) -> None:
        self.done.append(("follow", plan, now))
        self.session.follow(plan, now)


def events_of(session: K1LinkSession) -> list[LinkEvent]:
    events = []
    while (event := session.next_event()) is not None:
        events.append(event)
    return events


@pytest.mark.parametrize("size", [1, 3, 17])
def test_fault_02_the_whole_talk_is_the_same_in_any_chunks(size: int) -> None:
    """Reads split to the byte; and merged with noise and half of the next frame, as they come."""
    link = World(4, down=Line(damage=bursts(0.01, 20)))
    tape = Tape(link.session)
    link.session = tape  # type: ignore[assignment]  # it stands in for one
    link.tempo_bpm = 120
    link.run(8)
    whole, parts = (K1LinkSession(HostTime(T0), nonce=5) for _ in range(2))
    for kind, what, now in tape.done:
        if kind == "receive":
            whole.receive_data(what, now)
            for start in range(0, len(what), size):
                parts.receive_data(what[start : start + size], now)
        elif kind == "send":
            assert whole.data_to_send(now) == what
            assert parts.data_to_send(now) == what
        else:
            whole.follow(what, now)
            parts.follow(what, now)
    assert whole.counters() == parts.counters() == tape.session.counters()
    assert whole.counters().fired >= 10
    assert events_of(whole) == events_of(parts)


ANSWERS = {
    "unknown": [],
    "k1link": [b'{"type":"device.getStatus","success":true,"data":{"k1link":1}}\n', b'{"type":"k1link.start","success":true}\n'],
    "trinity": [b'{"type":"device.getStatus","success":true,"data":{"effectCount":1}}\n'],
}


@pytest.mark.parametrize("dialect", ANSWERS)
@pytest.mark.parametrize("flood", [b"\xaa", b"text without end ", b"\0{"], ids=["no delimiter", "text", "delimiters"])
def test_fault_03_a_flood_costs_less_than_a_megabyte(dialect: str, flood: bytes) -> None:
    session = NodeSession(HostTime(T0), nonce=5)
    now = HostTime(T0 + 3 * S)
    for answer in ANSWERS[dialect]:
        session.data_to_send(now)
        session.receive_data(answer, now)
    chunk = (flood * (CHUNK_BYTES // len(flood) + 1))[:CHUNK_BYTES]
    tracemalloc.start()
    try:
        for number in range(FLOOD_BYTES // CHUNK_BYTES if flood == b"\xaa" else 3):
            session.receive_data(chunk, HostTime(now + number))
            while session.next_event() is not None:  # as the port takes them
                pass
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(session.kept_text().encode()) <= 1_024
