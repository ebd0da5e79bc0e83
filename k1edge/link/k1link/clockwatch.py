"""The node's clock as the host sees it: pings out, answers in, the newest map, and what an answer gives away about the node.

Pure; owned by the thread that owns the dialect.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from k1edge.events import ClockMap
from k1edge.link.k1link.clocksync import ClockSync
from k1edge.link.k1link.delivery import Pinger
from k1edge.link.k1link.messages import Ping, Pong
from k1edge.timebase import NS_PER_MS, NS_PER_US, HostTime, NodeTime, unwrap

REFIT_NS = 400 * NS_PER_MS
"""Without an answer the map is renewed after this long, so that its bound grows with its age."""

STUCK_NS = 50 * NS_PER_MS
"""A counter that did not move for this long stands still."""


class Answer(Enum):
    """What a PONG meant."""

    TAKEN = auto()
    REFUSED = auto()  # no ping of ours, or times that cannot be true
    FELL = auto()  # the counter is behind where it was: the node started anew
    STEPPED = auto()  # contradicts the answers before it
    STOOD = auto()  # the counter does not move


@dataclass(slots=True)
class ClockWatch:
    """One session's clock; `start` begins another."""

    sync: ClockSync = field(default_factory=ClockSync)
    pinger: Pinger = field(default_factory=Pinger)
    map: ClockMap | None = None
    """the newest fit; None before the first answer of the session"""
    _bits: int = 64
    """width of the node's counter"""
    _last: tuple[NodeTime, HostTime] | None = None
    """t2 and arrival of the newest answer that showed the counter moved; t2, since two pings of a burst may arrive before one answer leaves"""

    def start(self, now: HostTime, bits: int) -> None:
        """Begin afresh with a burst; `bits` is the width of the node's counter."""
        self.stop()
        self.sync.reset()
        self._bits = bits
        self.pinger.start(now)

    def stop(self) -> None:
        """Ask no more, and trust no map."""
        self.pinger.stop()
        self.map = self._last = None

    def ping(self, now: HostTime) -> Ping | None:
        """The ping to write at `now`, if one is due."""
        return self.pinger.ping(now) if self.pinger.due(now) else None

    def answer(self, pong: Pong, now: HostTime) -> Answer:
        """Take a PONG that arrived at `now`, and renew the map."""
        t1 = self.pinger.answered(pong)
        if t1 is None:
            return Answer.REFUSED
        t2, t3 = self.extend(pong.t2, now), self.extend(pong.t3, now)
        if self._last is not None and t2 < self._last[0]:
            return Answer.FELL
        stood = self._last is not None and t3 == self._last[0] and now - self._last[1] > STUCK_NS
        if not self.sync.add(t1, t2, t3, now):
            return Answer.REFUSED
        if self._last is None or t2 != self._last[0]:
            self._last = (t2, now)
        before = self.sync.contradictions
        self.map = self.sync.fit(now)
        if stood:
            return Answer.STOOD
        return Answer.STEPPED if self.sync.contradictions > before else Answer.TAKEN

    def refresh(self, now: HostTime) -> bool:
        """Renew a map that has become old; True where it was."""
        if self.map is None or now - self.map.at_ns < REFIT_NS:
            return False
        self.map = self.sync.fit(now)
        return True

    def extend(self, time: int, now: HostTime) -> NodeTime:
        """Undo the wrap of the node's counter: the value nearest to where the map says it is at `now`."""
        if self._bits == 64:
            return NodeTime(time)
        if self.map is not None:
            return NodeTime(unwrap(time, self.map.to_node.forward(now), self._bits))
        if self._last is not None:
            return NodeTime(unwrap(time, self._last[0] + (now - self._last[1]) // NS_PER_US, self._bits))
        return NodeTime(time)

    def cut(self, time: int) -> int:
        """A time as the node's counter shows it."""
        return time & ((1 << self._bits) - 1)

    def next_deadline(self) -> HostTime | None:
        """When a ping or a renewal is due."""
        times = [self.pinger.next_deadline(), None if self.map is None else HostTime(self.map.at_ns + REFIT_NS)]
        return min((time for time in times if time is not None), default=None)
