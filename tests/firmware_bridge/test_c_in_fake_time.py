"""The whole host and the C library in fake time, over good lines and bad ones; `PortWorld.check` holds the invariants after every event."""

from ctypes import CDLL
from typing import Any

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.node.flash_queue import Flash
from k1edge.link.node.reports import NodeIdentity
from k1edge.timebase import NodeTime
from tests.firmware_bridge.c_node import CNode, build, compiler
from tests.sim.conftest import T0, NodeClock, S
from tests.sim.damage import bursts, single_bytes
from tests.sim.port_world import PortWorld

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler (gcc, clang or cc) is installed")


class CCore:
    """The C library where a world expects a node core and its console."""

    _replies = ()
    session = 1

    def __init__(self, library: CDLL, who: NodeIdentity, started: NodeTime) -> None:
        self.c = CNode(library, who, started, announce=False)
        self._now = started

    @property
    def queue(self) -> range:
        return range(self.c.stats().queued)

    def receive(self, data: bytes, now: NodeTime) -> None:
        self._now = now
        self.c.receive(data, now)

    def fire(self, now: NodeTime) -> list[Flash]:
        self._now = now
        return [Flash(number, NodeTime(sched), NodeTime(latch), strength, bar) for number, sched, latch, strength, bar in self.c.fire(now)]

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        self._now = now
        return self.c.send(now)

    def next_fire(self) -> NodeTime | None:
        due = self.c.next_due(self._now)
        return None if due is None else NodeTime(due)

    def next_send(self) -> None:
        return None


class CWorld(PortWorld):
    """The node is the C library."""

    def __init__(self, library: CDLL, seed: int, **parts: Any) -> None:
        super().__init__(seed, **parts)
        self.brain: Any = CCore(library, self.identity, self.node_time())
        self.node: Any = self.brain


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    return build(tmp_path_factory.mktemp("k1link"))


LOSSES = {"none": lambda: single_bytes(0.0), "20 % in bursts": lambda: bursts(0.2, 64), "3 % singly": lambda: single_bytes(0.03)}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bits", [64, 32])
def test_fault_01_the_c_node_flashes_on_time_and_every_beat_has_its_end(library: CDLL, loss: str, bits: int) -> None:
    near_wrap = NodeClock(ppm=30.0, offset_us=float((1 << 32) - 20_000_000))
    link = CWorld(library, 1, clock=near_wrap, identity=NodeIdentity(b"c-node", 1, clock_bits=bits))
    link.run_until_ready(10.0)
    link.tempo_bpm = 120
    link.run(2)
    link.flashes.clear()
    link.up.damage, link.down.damage = LOSSES[loss](), LOSSES[loss]()
    link.run(20)
    assert len(link.flashes) >= 0.95 * 40
    grid = [(at - T0) % (S // 2) for at, _ in link.flashes]
    assert max(min(off, S // 2 - off) for off in grid) < 1_500_000
    link.up.damage = link.down.damage = single_bytes(0.0)
    link.tempo_bpm = None
    link.run(4)
    counters, stats = link.counters(), link.node.c.stats()
    assert counters.pending == stats.queued == 0
    assert link.states()[-1] is LinkState.READY
    if loss == "none":
        ends = (counters.fired, counters.late, counters.missed, counters.cancelled)
        assert ends == (stats.fired, stats.late, stats.missed, stats.cancelled)
        assert (stats.bad_frames, stats.refused) == (0, 0)
