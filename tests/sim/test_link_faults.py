"""Faults on the link in fake time, each by its number in the list of faults; `World.check` holds the invariants after every event."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from k1edge.events import BeatFate
from k1edge.link.dialect import LinkState, NodeReset
from k1edge.link.k1link.framing import Frame, encode
from k1edge.link.k1link.messages import Beats, WireBeat

MS, S = 1_000_000, 1_000_000_000
PANIC = b"\r\nGuru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\r\nBacktrace: 0x4200a0b4:0x3fc95f30\r\n"


@pytest.fixture
def make(world: Any, sim: Any) -> Any:
    def build(seed: int, *, up: Any = None, down: Any = None, ppm: float = 30.0, **kwargs: Any) -> Any:
        made = world(seed, clock=sim.NodeClock(ppm=ppm), up=up or sim.Line(), down=down or sim.Line(), **kwargs)
        made.tempo_bpm = 120
        return made

    return build


def drain(link: Any) -> None:
    """Stop the music and wait until every beat has its end."""
    link.tempo_bpm = None
    link.run(4)
    assert link.session.counters().pending == 0
    assert len(link.node.queue) == 0


def flipping(share: float) -> Callable[[random.Random, bytes], list[bytes]]:
    def damage(rng: random.Random, data: bytes) -> list[bytes]:
        out = bytearray(b for b in data if rng.random() >= share / 2)
        for at in range(len(out)):
            if rng.random() < share / 2:
                out[at] ^= 1 << rng.randrange(8)
        return [bytes(out)]

    return damage


@pytest.mark.parametrize(("share", "least"), [(0.0002, 1.0), (0.001, 0.99), (0.005, 0.85)])
def test_fault_01_flips_and_lost_bytes(make: Any, sim: Any, share: float, least: float) -> None:
    """Per byte: a frame of 70 bytes is hit in 1.4, 7 and 30 % of cases."""
    link = make(1, up=sim.Line(damage=flipping(share)), down=sim.Line(damage=flipping(share)))
    link.run(30)
    drain(link)
    counters = link.session.counters()
    assert len(link.flashes) >= least * 0.95 * 58
    assert counters.fired + counters.late >= least * counters.sent - 8
    assert max(link.flash_errors_us(1)) < 700


def test_one_frame_in_five_is_lost_and_the_light_does_not_show_it(make: Any, sim: Any) -> None:
    link = make(2, up=sim.Line(damage=sim.losing(0.2)), down=sim.Line(damage=sim.losing(0.2)))
    link.run(20)
    drain(link)
    counters = link.session.counters()
    assert len(link.flashes) >= 36
    assert counters.missed <= 2  # each end is told three times
    assert counters.fired >= 34
    assert counters.resets == 0


def test_fault_04_boot_text_and_panics_between_and_inside_frames(make: Any, sim: Any) -> None:
    def damage(rng: random.Random, data: bytes) -> list[bytes]:
        if rng.random() < 0.1:
            at = rng.randrange(len(data))
            return [data[:at] + PANIC, data[at:] if rng.random() < 0.5 else b""]
        return [data]

    link = make(3, down=sim.Line(damage=damage))
    link.run(30)
    drain(link)
    assert b"Guru Meditation" in link.session.garbage
    assert len(link.session.garbage) <= 1024
    assert link.session.counters().fired >= 56
    assert link.session.counters().bad_frames > 5


def test_fault_05_duplicates_and_replays_of_old_sessions(make: Any, sim: Any) -> None:
    tape = {"up": [], "down": []}

    def damage(way: str) -> Callable[[random.Random, bytes], list[bytes]]:
        def taped(rng: random.Random, data: bytes) -> list[bytes]:
            tape[way].append(data)
            extra = rng.sample(tape[way], min(2, len(tape[way]))) if rng.random() < 0.3 else []
            return [data, *([data] if rng.random() < 0.2 else []), *extra]

        return taped

    link = make(4, up=sim.Line(damage=damage("up")), down=sim.Line(damage=damage("down")))
    link.run(20)
    link.reset_node()  # from here on, the tape holds frames of an old session too
    link.run(20)
    drain(link)
    counters = link.session.counters()
    assert counters.resets == 1
    assert len({number for _, number in link.flashes}) == len(link.flashes)  # none twice
    assert counters.fired >= 72
    assert link.node.refused > 20
    assert link.session.peer.refused > 20


def test_fault_06_hostile_frames_with_good_checksums(make: Any) -> None:
    link = make(5)
    link.run(5)
    session = link.session.peer.channel.session
    far = link.node_time() + 11_000_000
    for number, beats in enumerate(
        [(WireBeat(9000, far, 255, 1),), (WireBeat(9001, 0, 255, 1),), (WireBeat(9002, (1 << 63) - 1, 255, 1),)]
    ):
        hostile = encode(Frame(Beats.TYPE, session, 0, Beats(1000 + number, 500_000, link.node_time(), beats).encode()))
        refused = link.node.refused
        link._on_up(hostile)
        assert link.node.refused == refused + 1
    for payload in (b"\xff" * 111, bytes(111), b"\xff" * 28):
        for kind in range(256):
            if kind not in {0x01, 0x81}:
                link.session.receive_data(encode(Frame(kind, session, 0, payload)), link.now)
                link._on_host(b"")
    link.run(20)
    drain(link)
    assert link.states()[-1] is LinkState.READY
    assert all(number < 9000 for _, number in link.flashes)
    assert link.session.counters().fired >= 45


@pytest.mark.parametrize("announce", [True, False])
def test_fault_08_node_resets_with_a_full_queue(make: Any, announce: bool) -> None:
    link = make(6)
    link.run(10.1)
    assert len(link.node.queue) == 3
    link.reset_node(announce=announce)
    back = link.now
    if announce:
        link.run(2)
        assert link.states()[-1] is LinkState.READY
    else:  # only silence tells: degraded at 2 s, given up at 5 s, then the port is opened anew
        link.run(3)
        assert link.states()[-1] is LinkState.DEGRADED
        link.run(3)
        assert link.session.wants_reopen
        assert link.session.next_deadline() is None
    assert all(h - back > 100 * MS for h, _ in link.flashes if h > back)
    if announce:
        link.run(10)
        assert len([h for h, _ in link.flashes if h > back + 1 * S]) >= 20
    drain(link) if announce else None
    ends = [report for report in link.reports if report.due_ns < back]
    assert all(report.fate is BeatFate.FIRED for report in ends)


@pytest.mark.parametrize(("seed", "share"), [(0, 0.0), (1, 0.0), (2, 0.2), (3, 0.2)])
def test_fault_08_twice_in_a_second_with_a_full_queue(make: Any, sim: Any, seed: int, share: float) -> None:
    """A new session in under 2 s each time, on a line that loses a frame in five as well, and no flash that an old one was told."""
    line = {way: sim.Line(damage=sim.losing(share)) for way in ("up", "down")}
    link = make(seed, identity=sim.NodeIdentity(b"simnode", 1, queue_depth=3), **line)
    link.run(10.3)
    assert len(link.node.queue) == link.identity.queue_depth
    link.reset_node()
    first = link.now
    link.run(0.6)
    link.reset_node()
    second, lives = link.now, len(link.states())
    link.run(2)
    assert LinkState.READY in link.states()[lives:]
    assert link.states()[-1] is LinkState.READY
    assert 1 <= len([event for event in link.events if isinstance(event, NodeReset)]) <= 2
    link.run(5)
    for at, number in link.flashes:
        if at > first:  # told since: one is told 40 ms ahead at least, and after a burst of 32 pings
            assert at - (second if at > second else first) > 200 * MS
            assert number > 20
    assert len({number for _, number in link.flashes}) == len(link.flashes)
    drain(link)
    assert link.session.counters().fired >= 28
