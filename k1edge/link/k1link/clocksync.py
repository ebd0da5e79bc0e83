"""Host to node clock from four-timestamp pings: an estimate, and a bound that holds for every clock within the stated limits.

A ping leaves the host at t1, reaches the node at t2, its answer leaves at t3 and is read at t4. Delays are not negative, so with N the
node's clock N(t1) <= t2 and N(t4) >= t3; each is a half-plane (`envelope`). Two corridors are kept:

- *hard*: every clock off by up to HARD_RATE_PPM and wandering by up to HARD_WANDER is inside, so its extent is the published bound;
- *likely*: a crystal in a room. Its most likely line is the estimate; where the measurements contradict it, it gives up its oldest ones.

The middle of one-way envelopes, not of single round trips: USB-CDC delays differ by direction and come in steps of 1 ms, which a
midpoint hides. Without negative delays a contradiction in the hard corridor means that a clock stepped or stopped.
Pure; owned by the thread that owns the dialect.
"""

import math
from dataclasses import dataclass, field

from k1edge.events import ClockMap
from k1edge.link.k1link.envelope import Corner, Corridor, extent
from k1edge.timebase import NS_PER_S, NS_PER_US, AffineMap, HostTime, NodeTime

HARD_RATE_PPM = 1100.0
"""A bad node oscillator (500 ppm), the host's clock under an NTP slew (500 ppm), and a margin."""

HARD_WANDER = 1.0
"""ppm per s: ten times what a crystal under a hair dryer does; more is noticed as a contradiction or stays within the slack."""

RATE_DOUBT_PPM = 30.0
"""Scale of what crystals are off by; Laplace, so that a bad one is believed after a few seconds."""

LIKELY_WANDER = 0.03
"""ppm per s: 1 degree a minute on a crystal of 1 to 2 ppm per degree."""

HARD_WINDOW_NS = 60 * NS_PER_S
LIKELY_WINDOW_NS = 120 * NS_PER_S

LIKELY_PINGS = 480
"""Exchanges in the likely window."""

TRUSTED_PINGS = 100
"""Exchanges before the rate is worth remembering: some 20 s."""

SPAN_S = 1.0
"""The bound covers this long before and after `at_ns`; maps are renewed four times a second."""

QUANTUM_US = 1.0
"""The node's counter is cut to whole us."""

ASYMMETRY = 0.1
"""Share of the likely half-width by which the delays of both directions differ at best; only for the likely error."""


@dataclass(slots=True)
class ClockSync:
    """Estimator of one node's clock since its last start, step or `reset`."""

    pings: int = 0
    """exchanges since then"""
    contradictions: int = 0
    """how often a clock stepped or stopped; never cleared"""
    refused: int = 0
    """exchanges that cannot be true; never cleared"""
    _base_ns: int = 0
    """node minus host at the first exchange: what is left is small enough for floats"""
    _hard: Corridor = field(init=False)
    """what is certain"""
    _likely: Corridor = field(init=False)
    """what is plausible"""
    _last: tuple[HostTime, NodeTime, NodeTime, HostTime] | None = None
    """the newest exchange"""
    _previous: tuple[int, float, float] | None = None
    """last estimate: (host ns, theta us, rate ppm)"""
    _hint_ppm: float = 0.0
    """rate of this node before the last reset: its crystal is the same"""
    _trip_us: float = 0.0
    """mean round trip over the likely window"""
    _strip_us: float = 0.0
    """the least round trip, as the envelopes show it"""
    _restless_us: float = 0.0
    """how far new estimates land from where the old ones pointed, running mean"""

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the node's clock; the totals and, as a hint, its rate stay."""
        if self._previous is not None and self.pings >= TRUSTED_PINGS:
            self._hint_ppm = self._previous[2]
        self.pings = 0
        self._hard = Corridor(HARD_WANDER, HARD_RATE_PPM)
        self._likely = Corridor(LIKELY_WANDER, HARD_RATE_PPM)
        self._last = self._previous = None
        self._restless_us = self._trip_us = self._strip_us = 0.0

    def add(self, t1: HostTime, t2: NodeTime, t3: NodeTime, t4: HostTime) -> bool:
        """Take an exchange, in the order of t1; False, and nothing taken, where it cannot be true."""
        away_ns, held_ns = t4 - t1, (t3 - t2) * NS_PER_US
        ordered = self._last is None or (t1 >= self._last[0] and t4 >= self._last[3])
        if not ordered or held_ns < 0 or held_ns > away_ns * (1 + HARD_RATE_PPM * 1e-6) + NS_PER_US:
            self.refused += 1
            return False
        if self.pings == 0:
            self._base_ns = t2 * NS_PER_US - t1
        self.pings += 1
        self._trip_us += ((away_ns - held_ns) / NS_PER_US - self._trip_us) / min(self.pings, LIKELY_PINGS)
        self._last = (t1, t2, t3, t4)
        u = (t2 * NS_PER_US - t1 - self._base_ns) / NS_PER_US + QUANTUM_US
        low = (t3 * NS_PER_US - t4 - self._base_ns) / NS_PER_US
        for corridor, window in ((self._hard, HARD_WINDOW_NS), (self._likely, LIKELY_WINDOW_NS)):
            corridor.upper.add(t1, u)
            corridor.lower.add(t4, -low)
            corridor.drop_before(t4 - window)
        return True

    def fit(self, now: HostTime) -> ClockMap | None:
        """The map for `now`, not before the newest exchange; None before the first.

        After a contradiction the newest exchange alone is the new beginning, and `contradictions` has grown.
        """
        if self._last is None:
            return None
        hard = self._hard.polygon(now)
        if not hard:
            self.contradictions += 1
            newest = self._last
            self.reset()
            self.add(*newest)
            hard = self._hard.polygon(now)
        theta, rate, width = self._estimate(now)
        return ClockMap(
            to_node=self._map(now, theta, rate),
            bound_us=_bound(hard, theta, rate),
            sync_error_us=self._likely_error(now, theta, rate, width),
            drift_ppm=rate,
            at_ns=now,
            pings=self.pings,
        )

    def _estimate(self, now: HostTime) -> tuple[float, float, float]:
        """Return theta (us), rate (ppm) and the likely half-width (us)."""
        # of few exchanges the least delay is not least yet: the more careful figure then
        excess_us = max((self._trip_us - self._strip_us) / 2, self._trip_us / (2 * self.pings), QUANTUM_US)
        gain = min(self.pings, LIKELY_PINGS) / excess_us
        while True:
            theta, rate, width = self._likely.likely_line(now, gain, self._hint_ppm, RATE_DOUBT_PPM)
            if width >= 0 or not self._likely.drop_oldest():
                self._strip_us = 2 * width
                return theta, rate, width

    def _map(self, now: HostTime, theta: float, rate: float) -> AffineMap:
        node_ns = now + self._base_ns + round(theta * NS_PER_US)
        node_us = round(node_ns / NS_PER_US)
        per_ns = (1.0 + rate * 1e-6) / NS_PER_US
        return AffineMap(now + node_us * NS_PER_US - node_ns, node_us, per_ns)

    def _likely_error(self, now: HostTime, theta: float, rate: float, width: float) -> float:
        if self._previous is not None:
            then, theta0, rate0 = self._previous
            moved = abs(theta - theta0 - rate0 * (now - then) / NS_PER_S)
            self._restless_us += 0.1 * (moved - self._restless_us)
        self._previous = (now, theta, rate)
        return math.hypot(ASYMMETRY * width, self._restless_us)


def _bound(hard: list[Corner], theta: float, rate: float) -> float:
    """Largest distance from the estimate to what is possible within SPAN_S. Convex in x, so the ends tell."""
    worst = 0.0
    for x in (-SPAN_S, 0.0, SPAN_S):
        low, high = extent(hard, x)
        bend = HARD_WANDER / 2 * x * x
        worst = max(worst, high + bend - theta - rate * x, theta + rate * x - low + bend)
    return worst + QUANTUM_US
