"""The clock over a whole link in fake time: |true error| <= published bound in every step (`World.check`), and how small the error is.

World.check runs after every event; a scenario passes only if the bound covered the truth in each.
"""

import itertools
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.k1link.framing import FrameDecoder
from k1edge.link.k1link.messages import Ping

MS, S = 1_000_000, 1_000_000_000


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


@pytest.fixture
def make(world: Any, sim: Any) -> Any:
    def build(seed: int, *, ppm: float = 0.0, bend: Any = lambda _s: 0.0, up: Any = None, down: Any = None, **kwargs: Any) -> Any:
        clock = sim.NodeClock(ppm=ppm, bend=bend)
        made = world(seed, clock=clock, up=sim.Line(up or sim.usb()), down=sim.Line(down or up or sim.usb()), **kwargs)
        made.tempo_bpm = 128
        return made

    return build


@pytest.mark.parametrize("seed", range(3))
def test_100_ppm_fast_and_1_to_3_ms_of_delay(make: Any, sim: Any, seed: int) -> None:
    link = make(seed, ppm=100, up=sim.uniform(1, 3))
    link.run(60)
    errors = link.flash_errors_us(after_s=1)  # after sync
    assert len(errors) > 120
    assert p99(errors) <= 500
    assert link.session.clock().drift_ppm == pytest.approx(100, abs=5)
    assert link.session.counters().missed == link.session.counters().late == 0


def ramp(rate_ppm_s: float, begin_s: float, end_s: float) -> Callable[[float], float]:
    """Phase of a clock whose rate grows by `rate_ppm_s` between two moments, then stays."""

    def bend(s: float) -> float:
        ramped = min(max(s - begin_s, 0.0), end_s - begin_s)
        return rate_ppm_s * (ramped**2 / 2 + ramped * max(s - end_s, 0.0))

    return bend


LINES = {
    "quiet": lambda sim: (sim.uniform(0.5, 0.5), sim.uniform(0.5, 0.5)),
    "jitter": lambda sim: (sim.uniform(0.1, 8), sim.uniform(0.1, 8)),
    "asymmetric": lambda sim: (sim.uniform(0.1, 0.4), sim.uniform(2, 6)),
    "batched 1 ms": lambda sim: (sim.batched(sim.usb()), sim.batched(sim.usb())),
    "batched in": lambda sim: (sim.usb(), sim.batched(sim.usb(), MS)),
    "slow": lambda sim: (sim.uniform(15, 40), sim.uniform(15, 40)),
}
CLOCKS = {
    "true": (0.0, lambda _s: 0.0),
    "500 ppm fast": (500.0, lambda _s: 0.0),
    "500 ppm slow": (-500.0, lambda _s: 0.0),
    "thermal ramp": (30.0, ramp(0.3, 5, 25)),
    "fast thermal ramp": (-20.0, ramp(1.0, 8, 18)),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("clock", CLOCKS)
def test_fault_10_and_11_bound_covers_the_truth_in_every_step(make: Any, sim: Any, line: str, clock: str) -> None:
    ppm, bend = CLOCKS[clock]
    up, down = LINES[line](sim)
    link = make(len(line) * 31 + len(clock), ppm=ppm, bend=bend, up=up, down=down)
    link.run(25)
    assert link.states()[-1] is LinkState.READY
    assert link.session.counters().fired > 45
    assert link.worst_ratio <= 1.0
    assert link.session.peer.watch.sync.contradictions == 0


def test_fault_10_a_rate_beyond_every_limit_is_never_silent(make: Any) -> None:
    """5000 ppm is no clock: the answers contradict each other, and the link says so instead of flashing wrongly."""
    link = make(3, ppm=5000)
    link.excused = True
    link.run(30)
    assert LinkState.DEGRADED in link.states()
    assert link.states()[-1] is not LinkState.READY


@pytest.mark.parametrize("jump_ms", [-400.0, 50.0, 3000.0])
def test_fault_09_a_step_is_noticed_and_followed(make: Any, jump_ms: float) -> None:
    link = make(4, ppm=20)
    link.run(20)
    link.excused = True
    link.clock.offset_us += jump_ms * 1000
    link.run(1.0)
    assert link.states()[-1] is LinkState.READY  # again
    assert LinkState.HANDSHAKE in link.states()[3:]
    link.excused = False
    link.run(20)
    assert link.states()[-1] is LinkState.READY
    assert max(link.flash_errors_us(after_s=22)) < 500


def test_fault_09_a_clock_that_stands_still_degrades_the_link_until_it_runs(make: Any) -> None:
    link = make(5)
    link.run(10)
    link.excused = True
    link.clock.stopped_at = link.now
    link.run(3)
    assert link.states()[-1] is LinkState.DEGRADED
    flashes = len(link.flashes)
    link.run(5)
    assert len(link.flashes) == flashes
    assert link.states()[-1] is LinkState.DEGRADED
    link.clock.offset_us -= link.now / 1000 - link.clock.stopped_at / 1000  # goes on from where it stood
    link.clock.stopped_at = None
    link.run(6)
    link.excused = False
    link.run(10)
    assert link.states()[-1] is LinkState.READY
    assert max(link.flash_errors_us(after_s=25)) < 500


def test_fault_11_phase_lock_pings_meet_every_phase_of_the_usb_frame(make: Any, sim: Any) -> None:
    link = make(6, up=sim.batched(sim.usb()))
    sent = []
    send = link._send

    def spy(line: str, kind: Any, writes: Any) -> None:
        decoder = FrameDecoder()
        sent.extend(link.now % MS / MS for write in writes for frame in decoder.receive(write) if frame.type == Ping.TYPE)
        send(line, kind, writes)

    link._send = spy
    link.run(30)
    steady = sorted(sent[40:])
    assert max(b - a for a, b in itertools.pairwise(steady)) < 0.15


@pytest.mark.parametrize("bits", [32, 64])
def test_fault_07_counters_wrap(make: Any, sim: Any, bits: int) -> None:
    """A 32-bit counter that wraps after 10 s, and a session number that wraps at the reset behind it."""
    link = make(7, ppm=40, identity=sim.NodeIdentity(b"old", 1, clock_bits=bits))
    link.clock.offset_us = float((1 << 32) - 10_000_000)
    link.node = link.boot(announce=False)
    link.session.peer.channel.session = 0xFFFF
    link.session.peer.requests.clear()
    link.session.peer.begin_session(link.now, None)
    assert link.session.peer.channel.session == 1
    link.run(30)
    counters = link.session.counters()
    assert counters.fired > 55
    assert counters.missed == counters.late == counters.cancelled == 0
    assert max(link.flash_errors_us(after_s=1)) < 500
    assert link.session.peer.channel.lost_frames == 0  # 8-bit frame numbers wrapped too
    assert counters.frames_in > 256
