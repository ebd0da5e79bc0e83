"""Stalls, silence, versions, tempo changes and endings in fake time; `World.check` holds the invariants after every event."""

import heapq
import itertools
import random
from typing import Any

import pytest

from k1edge.events import BeatFate
from k1edge.link.dialect import LinkState
from k1edge.link.k1link.messages import Ping

MS, S = 1_000_000, 1_000_000_000
T0 = 5_000 * S


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


@pytest.mark.parametrize("stall_ms", [50, 200, 1000, 2000, 4000])
def test_fault_12_host_stalls(make: Any, stall_ms: int) -> None:
    link = make(8)
    link.run(10.2)
    before = len(link.flashes)
    link.host_stalled_until = link.now + stall_ms * MS
    link.run(stall_ms / 1000 + 10)
    drain(link)
    assert link.states()[-1] == LinkState.READY
    assert link.session.counters().resets == 0
    assert len(link.flashes) - before >= 20 + (stall_ms - 1500) / 500 - max(0, stall_ms - 1000) / 500 - 1
    gaps = [b - a for (a, _), (b, _) in zip(link.flashes, link.flashes[1:], strict=False)]
    assert min(gaps) > 450 * MS  # no burst
    assert max(link.flash_errors_us(1)) < 500


def test_fault_12_beats_that_were_planned_and_slept_through_are_counted_as_missed(make: Any) -> None:
    """At 40 bpm the plan reaches 4.5 s ahead, the node is told 2 s ahead: what fell between, nobody flashed."""
    link = make(12)
    link.tempo_bpm = 40
    link.run(10.2)
    link.host_stalled_until = link.now + 4 * S
    link.run(4.1)
    assert 1 <= link.session.counters().missed <= 2
    link.run(10)
    drain(link)
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(link.flashes)]
    assert min(gaps) > 1_450 * MS
    assert {report.fate for report in link.reports} <= {BeatFate.FIRED, BeatFate.MISSED, BeatFate.CANCELLED}


def test_fault_18_node_stops_reading(make: Any) -> None:
    link = make(9)
    link.run(5)
    link.up.blocked = True
    link.run(2.5)
    assert link.states()[-1] is LinkState.DEGRADED
    last = max(h for h, _ in link.flashes)
    assert last - (T0 + 5 * S) < 2.1 * S  # what was queued, nothing after
    link.run(3)
    assert link.session.wants_reopen
    assert link.session.data_to_send(link.now) == []
    counters = link.session.counters()
    assert counters.pending == 0
    assert counters.sent == len(link.reports)


def test_a_short_silence_degrades_and_heals(make: Any) -> None:
    link = make(10)
    link.run(5)
    link.down.blocked = True
    link.run(3)
    assert link.states()[-1] is LinkState.DEGRADED
    link.down.blocked = False
    link.run(5)
    assert link.states()[-1] is LinkState.READY
    drain(link)
    assert link.session.counters().resets == 0


@pytest.mark.parametrize("major", [0, 2])
def test_fault_19_another_major_version_gets_no_beats(make: Any, sim: Any, major: int) -> None:
    link = make(11, identity=sim.NodeIdentity(b"other", 1, major=major))
    link.run(5)
    assert link.states()[-1] is LinkState.INCOMPATIBLE
    reason = link.events[-1].reason
    assert f"{major}.0" in reason
    assert ("update the node" in reason) == (major == 0)
    assert link.session.data_to_send(link.now) == []
    assert link.flashes == []
    assert link.session.counters().sent == 0


def test_fault_20_beats_that_arrive_after_their_time(make: Any, sim: Any) -> None:
    """A line that sleeps: beats held up by 5 s of nothing come out late or missed, never as a burst."""

    def delay(rng: random.Random, now: int) -> float:
        return (1400 if (now - T0) // S % 10 == 7 else rng.uniform(0.1, 1)) * MS

    link = make(12, up=sim.Line(delay))
    link.run(40)
    drain(link)
    fates = {report.fate for report in link.reports}
    counters = link.session.counters()
    assert BeatFate.FIRED in fates
    assert counters.fired + counters.late + counters.missed + counters.cancelled == counters.sent
    assert all(abs(error) < 12_000 for error in link.flash_errors_us(1))


@pytest.mark.parametrize("factor", [0.5, 2.0, 1.04])
def test_fault_54_tempo_changes_after_beats_were_sent(make: Any, factor: float) -> None:
    link = make(13)
    link.run(10.23)
    link.tempo_bpm = 120 * factor
    link.first_id = 0 if factor == 1.04 else 500  # a tracker may number on, or anew
    link.run(10)
    drain(link)
    gaps = [b - a for (a, _), (b, _) in zip(link.flashes, link.flashes[1:], strict=False)]
    assert min(gaps) >= 100 * MS
    late = [h for h, _ in link.flashes if h > T0 + 11 * S]
    period = 0.5 * S / factor
    assert len(late) >= 0.9 * 9 * S / period
    assert max(link.flash_errors_us(12)) < 500


@pytest.mark.parametrize("seed", range(3))
def test_fault_54_beats_revised_after_they_were_sent(make: Any, seed: int) -> None:
    """Each plan, 20 a second, moves the beats by up to 40 ms from where the one before had them, and sometimes halves or doubles the tempo."""
    link = make(seed)
    link.run(5)
    rng = random.Random(seed)
    for number in range(300):
        link.run(0.05)
        if number % 60 == 59:
            link.tempo_bpm = rng.choice([60, 120, 240])
            link.first_id += 1_000
        link.origin_ns = T0 + round(rng.uniform(-40, 40) * MS)
    link.origin_ns = T0
    link.run(5)
    drain(link)
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(link.flashes)]
    assert min(gaps) >= 100 * MS
    assert len({number for _, number in link.flashes}) == len(link.flashes)
    assert max(link.flash_errors_us(22)) < 500
    counters = link.session.counters()
    assert counters.missed <= 3


def suspend(link: Any, seconds: float) -> None:
    """The host sleeps: its clock stands still, what was on the wire is lost, the node lives on and flashes what it had been told."""
    woken = link.node_time() + round(seconds * 1e6)
    link.asleep_flashes = 0
    while (due := min((t for t in (link.node.next_fire(), link.node.next_send()) if t is not None), default=woken)) < woken:
        at = max(due, link.node_time())
        link.asleep_flashes += len(link.node.fire(at)) if (link.node.next_fire() or woken) <= at else 0
        link.node.data_to_send(at)
        if due < link.node_time():
            break
    link._queue[:] = [event for event in link._queue if event[2] in {"plan", "host"}]
    heapq.heapify(link._queue)
    link.clock.offset_us += seconds * 1e6
    link._node_wake = -1
    link._push(link.now, "node")


@pytest.mark.parametrize("seconds", [0.7, 5.0, 3600.0])
def test_fault_21_host_suspended_and_resumed(make: Any, seconds: float) -> None:
    """CLOCK_MONOTONIC stands still in a suspend, so the node's clock steps: it is fitted anew, and nothing of the old grid flashes."""
    link = make(21)
    link.run(10.23)
    before = len(link.flashes)
    link.excused = True
    suspend(link, seconds)
    assert link.asleep_flashes <= 4  # what it had been told, 2 s ahead at most; then it stopped by itself
    woken, states = link.now, len(link.states())
    link.origin_ns += 170 * MS  # the music is elsewhere now
    link.first_id = 1_000
    link.run(2)
    assert LinkState.HANDSHAKE in link.states()[states:]
    assert link.states()[-1] is LinkState.READY
    link.excused = False
    link.run(10)
    drain(link)
    on_grid = [abs((at - link.origin_ns + S // 4) % (S // 2) - S // 4) for at, _ in link.flashes if at > woken + S]
    assert max(on_grid) < MS  # none of the stale grid
    assert len(link.flashes) - before >= 20
    assert max(link.flash_errors_us((woken - T0) / S + 1)) < 500


def test_a_plan_that_flickers_flashes_nothing_twice_and_leaks_nothing(make: Any) -> None:
    link = make(14)
    link.run(3)
    for _ in range(200):
        link.tempo_bpm = None
        link.run(0.03)
        link.tempo_bpm = 120
        link.run(0.04)
    drain(link)
    assert len(link.flashes) >= 5
    assert max(link.flash_errors_us(1)) < 500


def test_losing_the_lock_leaves_nothing_queued(make: Any) -> None:
    link = make(15)
    link.run(5.2)
    link.tempo_bpm = None
    link.run(0.1)
    assert len(link.node.queue) == 0
    flashes = len(link.flashes)
    link.run(3)
    assert len(link.flashes) == flashes


def test_close_makes_the_node_dark(make: Any) -> None:
    link = make(16)
    link.run(5.2)
    link.session.close(link.now)
    link._on_host(b"")
    link.run(1)
    assert len(link.node.queue) == 0
    assert link.session.counters().pending == 0
    assert link.states()[-1] is LinkState.CLOSED


def test_fault_47_the_node_stops_by_itself_when_the_host_is_gone(make: Any) -> None:
    link = make(17)
    link.run(5.2)
    link.host_stalled_until = link.now + 3600 * S
    link.run(1.2)
    assert not link.node.is_idle(link.node_time())
    link.run(2)
    assert link.node.is_idle(link.node_time())
    flashes = len(link.flashes)
    link.run(60)
    assert len(link.flashes) == flashes


def test_pings_never_wait_behind_other_bytes(make: Any) -> None:
    link = make(18)
    link.run(5)
    for _ in range(2000):
        link.run(0.01)
        out = link.session.data_to_send(link.now)
        kinds = [write[3] if write[1] > 1 else 0 for write in out]
        assert Ping.TYPE not in kinds or len(kinds) == 1
        link._send(link.up, "up", out)
