"""A whole link in fake time: the host's session, a line with faults, a node with its own clock. Every step checks what must always hold.

host session ── up: delay, loss, damage, duplicates ─► node core ─► flashes
     ▲ ◄──────── down: the same ──────────────────────────┘
"""

import heapq
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from k1edge.events import BeatPlan, ClockMap, FlashReport, PlannedBeat, Timeline
from k1edge.link.dialect import ClockUpdated, LinkEvent, LinkState
from k1edge.link.k1link.session import K1LinkSession
from k1edge.link.node.core import NodeCore
from k1edge.link.node.reports import NodeIdentity
from k1edge.timebase import HostTime, NodeTime

S = 1_000_000_000
MS = 1_000_000
T0 = 5_000 * S  # the host has been up for a while
Delay = Callable[[random.Random, float], float]


def uniform(low_ms: float, high_ms: float) -> Delay:
    return lambda rng, _now: rng.uniform(low_ms, high_ms) * MS


def usb(least_ms: float = 0.08, mean_ms: float = 0.15, hiccup: float = 0.02) -> Delay:
    """Exponential above a least delay, with a rare 3 ms hiccup."""
    return lambda rng, _now: (least_ms + rng.expovariate(1 / mean_ms) + (3.0 if rng.random() < hiccup else 0.0)) * MS


def batched(delay: Delay, frame_ns: int = MS) -> Delay:
    """Delivered at the next tick of a 1 ms USB frame, whose phase is fixed against the host's clock."""
    return lambda rng, now: -(-(now + delay(rng, now)) // frame_ns) * frame_ns - now


@dataclass
class NodeClock:
    """What the node's counter really shows at host ns `h`: offset + rate + bend, then steps and stops."""

    ppm: float = 0.0
    offset_us: float = 123_456_789.0
    bend: Callable[[float], float] = lambda _s: 0.0  # us, of host seconds since T0
    stopped_at: int | None = None

    def at(self, h: float) -> float:
        if self.stopped_at is not None:
            h = min(h, self.stopped_at)
        s = (h - T0) / S
        return self.offset_us + s * (1e6 + self.ppm) + self.bend(s)

    def when(self, node_us: float) -> int:
        """The host ns at which the counter shows `node_us`; the rate is within 1 % of 1."""
        h = T0 + (node_us - self.offset_us) * 1000
        for _ in range(4):
            h += (node_us - self.at(h)) * 1000
        return round(h)


@dataclass
class Line:
    """One direction. `damage` may change, drop or repeat a write: it returns what arrives instead.

    `byte_ns` is what a byte takes on the wire; `delay` begins when the last one has left.
    """

    delay: Delay = field(default_factory=usb)
    damage: Callable[[random.Random, bytes], list[bytes]] = lambda _rng, data: [data]
    blocked: bool = False
    byte_ns: float = 0.0
    free_at: float = 0.0


def losing(share: float) -> Callable[[random.Random, bytes], list[bytes]]:
    return lambda rng, data: [] if rng.random() < share else [data]


class World:
    """See the module. `run(s)` moves time on; `tempo_bpm` None = no plan."""

    def __init__(
        self,
        seed: int,
        *,
        clock: NodeClock | None = None,
        up: Line | None = None,
        down: Line | None = None,
        identity: NodeIdentity | None = None,
    ) -> None:
        print(f"seed {seed}")  # noqa: T201 - pytest shows it where a scenario fails
        self.rng = random.Random(seed)
        self.clock = clock or NodeClock()
        self.up, self.down = up or Line(), down or Line()
        self.identity = identity or NodeIdentity(b"simnode", 1)
        self.now: int = T0
        self.node: NodeCore = self.boot(announce=False)
        self.session = K1LinkSession(HostTime(T0), nonce=seed + 1)
        self.tempo_bpm: float | None = None
        self.origin_ns = T0  # beat 0
        self.first_id = 0
        self.host_stalled_until = 0
        self.excused = False  # a step has happened that nobody can have noticed yet
        self.stale_session = 0  # the node has started anew, and while this is the session the host cannot know
        self.events: list[LinkEvent] = []
        self.reports: list[FlashReport] = []
        self.flashes: list[tuple[int, int]] = []  # (true host ns of the latch, id)
        self.broken = False  # for whoever goes on after an invariant broke
        self.steps = 0  # events after which the invariants were checked
        self.worst_ratio = 0.0  # |clock error| / bound
        self.clock_errors_us: list[float] = []
        self.bounds_us: list[float] = []
        self._order = count()
        self._queue: list[tuple[float, int, str, bytes]] = []
        self._host_wake = self._node_wake = -1
        self._push(T0, "plan")
        self._push(T0, "host")

    def boot(self, *, announce: bool = True) -> NodeCore:
        self.node_started = self.now
        return NodeCore(self.identity, self.node_time(), announce=announce)

    def node_time(self, at: int | None = None) -> NodeTime:
        return NodeTime(int(self.clock.at(self.now if at is None else at)))

    def reset_node(self, *, announce: bool = True) -> None:
        """The node starts anew: another boot id, its counter from 0."""
        self.identity = NodeIdentity(self.identity.unique_id, self.identity.boot_id + 1, clock_bits=self.identity.clock_bits)
        self.clock.offset_us -= self.clock.at(self.now)
        self.node = self.boot(announce=announce)
        self.stale_session = self.session.peer.channel.session
        self._push(self.now, "node")

    def run(self, seconds: float) -> None:
        end = self.now + round(seconds * S)
        while self._queue and self._queue[0][0] <= end:
            at, _, kind, data = heapq.heappop(self._queue)
            self.now = max(self.now, round(at))
            if kind in {"host", "plan", "down"} and self.now < self.host_stalled_until:
                self._push(self.host_stalled_until, kind, data)
                continue
            getattr(self, f"_on_{kind}")(data)
            self.check()
        self.now = end

    def plan(self) -> BeatPlan | None:
        if self.tempo_bpm is None:
            return None
        period = 60 * S / self.tempo_bpm
        first = -(-(self.now + 1 - self.origin_ns) // round(period))
        beats = tuple(
            PlannedBeat(self.first_id + int(n), HostTime(round(self.origin_ns + n * period)), 0.8, int(n) % 4 + 1)
            for n in range(first, first + 3)
        )
        return BeatPlan(Timeline(period, float(self.first_id), float(self.origin_ns)), beats, HostTime(self.now + 4 * S))

    def check(self) -> None:
        """The invariants."""
        self.steps += 1
        counters = self.session.counters()
        ends = counters.fired + counters.late + counters.missed + counters.cancelled
        assert counters.sent == ends + counters.pending
        assert len(self.reports) == ends
        assert len(self.node.queue) <= self.identity.queue_depth
        assert counters.pending <= 64
        assert len(self.node._replies) <= 8
        assert len(self.session.peer.events) == 0
        fit = self.session.clock()
        knows = not self.excused and self.session.peer.channel.session != self.stale_session
        if fit is not None and knows and self.now >= self.host_stalled_until:
            self._check_clock(fit)

    def _check_clock(self, fit: ClockMap) -> None:
        shown = fit.to_node.forward(self.now)
        error = shown - self.clock.at(self.now)
        if self.identity.clock_bits == 32:
            error = (error + (1 << 31)) % (1 << 32) - (1 << 31)
        assert abs(error) <= fit.bound_us, f"{error} us, bound {fit.bound_us}, at {(self.now - T0) / S} s"
        self.worst_ratio = max(self.worst_ratio, abs(error) / fit.bound_us)

    def flash_errors_us(self, after_s: float = 0.0) -> list[float]:
        """True flash against the commanded time of each beat that fired."""
        true = [h for h, _ in self.flashes]
        fired = [r for r in self.reports if r.fired_ns is not None and r.due_ns > T0 + after_s * S]
        return sorted(min(abs(h - r.due_ns) for h in true) / 1000 for r in fired)

    def states(self) -> list[LinkState]:
        return [event.state for event in self.events if hasattr(event, "state")]

    def _push(self, at: float, kind: str, data: bytes = b"") -> None:
        heapq.heappush(self._queue, (at, next(self._order), kind, data))

    def _send(self, line: Line, kind: str, writes: list[bytes]) -> None:
        for write in writes:
            for data in [] if line.blocked else line.damage(self.rng, write):
                left = self.now + len(data) * line.byte_ns
                line.free_at = max(line.free_at, left + line.delay(self.rng, left))
                self._push(line.free_at, kind, data)

    def _on_plan(self, _data: bytes) -> None:
        self.session.follow(self.plan(), HostTime(self.now))
        self._on_host(b"")
        self._push(self.now + 50 * MS, "plan")

    def _on_down(self, data: bytes) -> None:
        self.session.receive_data(data, HostTime(self.now))
        self._on_host(b"")

    def _on_host(self, _data: bytes) -> None:
        self._send(self.up, "up", self.session.data_to_send(HostTime(self.now)))
        while (event := self.session.next_event()) is not None:
            if isinstance(event, FlashReport):
                self.reports.append(event)
            elif isinstance(event, ClockUpdated):
                self.clock_errors_us.append(abs(event.clock.to_node.forward(self.now) - self.clock.at(self.now)))
                self.bounds_us.append(event.clock.bound_us)
            else:
                self.events.append(event)
        wake = self.session.next_deadline()
        if wake is not None and (self._host_wake <= self.now or wake < self._host_wake):
            self._host_wake = max(wake, self.now + 1000)
            self._push(self._host_wake, "host")

    def _on_up(self, data: bytes) -> None:
        self.node.receive(data, self.node_time())
        self._push(self.now + self.rng.uniform(0.01, 0.2) * MS, "node")

    def _on_node(self, _data: bytes) -> None:
        for flash in self.node.fire(self.node_time()) if (self.node.next_fire() or 1 << 70) <= self.node_time() else []:
            true = self.clock.when(flash.t_latch_us)
            assert self.node.session != 0
            assert all(true - h >= 99 * MS for h, _ in self.flashes[-1:])
            self.flashes.append((true, flash.id))
        self._send(self.down, "down", self.node.data_to_send(self.node_time()))
        wakes = [wake for wake in (self.node.next_fire(), self.node.next_send()) if wake is not None]
        if wakes and self.clock.stopped_at is None:
            at = max(self.now + 1000, self.clock.when(min(wakes) + 1))
            if self._node_wake <= self.now or at < self._node_wake:
                self._node_wake = at
                self._push(at, "node")


@pytest.fixture
def world() -> type[World]:
    return World


@pytest.fixture
def sim() -> object:
    """This module: the parts a scenario is made of."""
    return sys.modules[World.__module__]
