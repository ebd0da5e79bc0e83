"""Host to node clock from four-timestamp pings: an estimate, and a bound that holds for every clock within the stated limits.

A ping leaves the host at t1, reaches the node at t2, its answer leaves at t3 and is read at t4. Delays are not negative, so with N the
node's clock N(t1) <= t2 and N(t4) >= t3; each is a half-plane (`envelope`). Two pictures are kept:

- *hard*: every clock off by up to HARD_RATE_PPM and wandering by up to HARD_WANDER is inside, so its extent is the published bound;
- *likely*: a crystal in a room, straight for 50 s. Its most likely line is the estimate (`likely`).

The middle of one-way envelopes, not of single round trips: USB-CDC delays differ by direction and come in steps of 1 ms, which a
midpoint hides. Without negative delays a contradiction in the hard corridor means that a clock stepped or stopped.
Pure; owned by the thread that owns the dialect.
"""

from dataclasses import dataclass, field

from k1edge.events import ClockMap
from k1edge.link.k1link.envelope import Corner, Corridor, extent
from k1edge.link.k1link.likely import LikelyLine
from k1edge.timebase import NS_PER_S, NS_PER_US, AffineMap, HostTime, NodeTime

HARD_RATE_PPM = 1100.0
"""A bad node oscillator (500 ppm), the host's clock under an NTP slew (500 ppm), and a margin."""

HARD_WANDER = 5.0
"""ppm per s: what freeze spray does to a crystal; one under a hair dryer stays below 1. It costs 30 us of bound per ppm per s on USB, and also
covers a rate that changes by 100 ppm at once (an NTP daemon on the host). Beyond, the bound may be wrong until the contradiction shows: 3 s."""

RATE_DOUBT_PPM = 30.0
"""Scale of what crystals are off by; Laplace, so that a bad one is believed after a few seconds."""

KNOWN_DOUBT_PPM = 5.0
"""The same once this crystal's rate is known: what a change of temperature makes of it."""

HARD_WINDOW_NS = 60 * NS_PER_S
LIKELY_WINDOW_NS = 50 * NS_PER_S
"""A crystal that wanders by 0.02 ppm per s (1 degree a minute, 1 ppm per degree) is within 6 us of a straight line for so long."""

TRUSTED_PINGS = 100
"""Exchanges before the rate is worth remembering: some 20 s."""

SPAN_S = 1.0
"""The bound covers this long before and after `at_ns`; maps are renewed four times a second."""

QUANTUM_US = 1.0
"""The node's counter is cut to whole us."""

ASYMMETRY = 1 / 3
"""Share of the half-width that the likely error allows for what nobody can see: one way is up to twice as long as the other at its quickest."""


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
    _likely: LikelyLine = field(init=False)
    """what is plausible"""
    _last: tuple[HostTime, NodeTime, NodeTime, HostTime] | None = None
    """the newest exchange"""
    _rate_ppm: float = 0.0
    """of the newest fit"""
    _prior: tuple[float, float] = (0.0, RATE_DOUBT_PPM)
    """where the rate is expected and how surely, both ppm"""

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the node's clock; the totals and, as a hint, its rate stay."""
        if self.pings >= TRUSTED_PINGS:
            self.expect(self._rate_ppm)
        self.pings = 0
        self._hard = Corridor(HARD_WANDER, HARD_RATE_PPM)
        self._likely = LikelyLine(HARD_RATE_PPM, LIKELY_WINDOW_NS)
        self._last = None

    def expect(self, rate_ppm: float) -> None:
        """Take the rate that this node had when it was met before: its crystal is the same, its temperature may not be."""
        self._prior = (rate_ppm, KNOWN_DOUBT_PPM)

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
        self._last = (t1, t2, t3, t4)
        u = (t2 * NS_PER_US - t1 - self._base_ns) / NS_PER_US + QUANTUM_US
        low = (t3 * NS_PER_US - t4 - self._base_ns) / NS_PER_US
        self._hard.upper.add(t1, u)
        self._hard.lower.add(t4, -low)
        self._hard.drop_before(t4 - HARD_WINDOW_NS)
        self._likely.add(t1, u, t4, low)
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
        line = self._likely.line(now, *self._prior)
        self._rate_ppm = line.rate_ppm
        return ClockMap(
            to_node=self._map(now, line.theta_us, line.rate_ppm),
            bound_us=_bound(hard, line.theta_us, line.rate_ppm),
            sync_error_us=ASYMMETRY * line.half_width_us + 2 * line.spread_us,
            drift_ppm=line.rate_ppm,
            at_ns=now,
            pings=self.pings,
        )

    def _map(self, now: HostTime, theta: float, rate: float) -> AffineMap:
        node_ns = now + self._base_ns + round(theta * NS_PER_US)
        node_us = round(node_ns / NS_PER_US)
        per_ns = (1.0 + rate * 1e-6) / NS_PER_US
        return AffineMap(now + node_us * NS_PER_US - node_ns, node_us, per_ns)


def _bound(hard: list[Corner], theta: float, rate: float) -> float:
    """Largest distance from the estimate to what is possible within SPAN_S. Convex in x, so the ends tell."""
    worst = 0.0
    for x in (-SPAN_S, 0.0, SPAN_S):
        low, high = extent(hard, x)
        bend = HARD_WANDER / 2 * x * x
        worst = max(worst, high + bend - theta - rate * x, theta + rate * x - low + bend)
    return worst + QUANTUM_US
