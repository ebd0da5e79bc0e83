"""What exchanges of timestamps prove about two clocks: a convex polygon of all (offset, rate) that no measurement contradicts.

Each measurement is one half-plane. With theta the offset and r the rate difference (us per s = ppm) at the host instant h, and x = t - h in s:

    theta + r x <= u + w x^2 / 2        (a message that left the host at t reached the node at offset u or before)
    theta + r x >= l - w x^2 / 2        (a message that left the node at offset l or later reached the host at t)

The last term is the most that the rate, wandering by up to w ppm per second, can have bent the line in between. So old measurements
fade by themselves, and the polygon is exact for every clock that obeys |r| <= R and |dr/dt| <= w: its extent is a hard bound, not a guess.
After the one-way envelopes of Moon, Skelly and Towsley (INFOCOM 1999) and the convex hulls of Zhang, Liu and Xia (INFOCOM 2002). Pure.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from k1edge.timebase import NS_PER_S

MAX_CORNERS = 64
"""Measurements kept on a side. Convexity keeps 5 to 20; only a line without any jitter has more, and there the last 16 s tell everything."""

GOLDEN = 0.6180339887498949
RATE_STEP_PPM = 0.05
"""Finer than any crystal holds still."""

FORLORN = 6.0
"""Rates whose log-likelihood is this much below the best are left out."""

HOPELESS = 1e-9
"""All nodes together weigh less than this against the peak itself."""

NODES = 12
"""Rates at which the weighed mean is taken."""

Corner = tuple[float, float]
"""(theta us, r ppm)"""


@dataclass(slots=True)
class Envelope:
    """The measurements of one side that can still matter: the lower convex hull of (t, value + w t^2 / 2).

    Which ones those are does not depend on h, since moving h adds a straight line to all of them; so the hull grows at its end only,
    at constant cost. `value` is u, or -l for the other side. Owned by the estimator.
    """

    wander: float
    """w in ppm per s"""
    points: list[tuple[int, float]] = field(default_factory=list)
    """(host ns, value us), times strictly growing"""

    def add(self, t_ns: int, value: float) -> None:
        """Take a measurement; times must not fall."""
        points = self.points
        if points and points[-1][0] == t_ns:
            value = min(value, points.pop()[1])
        while len(points) >= 2 and self._useless(points[-2], points[-1], (t_ns, value)):
            points.pop()
        points.append((t_ns, value))
        del points[:-MAX_CORNERS]

    def drop_before(self, t_ns: int) -> None:
        """Forget measurements older than `t_ns`, but never the newest."""
        while len(self.points) > 1 and self.points[0][0] < t_ns:
            self.points.pop(0)

    def half_planes(self, h_ns: int) -> list[tuple[float, float]]:
        """Return (x, c) of each: sign * (theta + r x) <= c at instant `h_ns`."""
        half = self.wander / 2
        return [(x := (t - h_ns) / NS_PER_S, value + half * x * x) for t, value in self.points]

    def _useless(self, a: tuple[int, float], b: tuple[int, float], c: tuple[int, float]) -> bool:
        """True where `b` lies on or above the line from `a` to `c` (x measured from c, so that c is at 0)."""
        xa, xb = (a[0] - c[0]) / NS_PER_S, (b[0] - c[0]) / NS_PER_S
        za, zb = a[1] - c[1] + self.wander / 2 * xa * xa, b[1] - c[1] + self.wander / 2 * xb * xb
        return zb * xa <= za * xb  # both x negative


@dataclass(slots=True)
class Corridor:
    """Both envelopes: what is known of theta and r."""

    wander: float
    """w: the most the rate changes, ppm per s"""
    rate_limit: float
    """R: the most the rate is off, ppm"""
    upper: Envelope = field(init=False)
    """from the host's messages: values u"""
    lower: Envelope = field(init=False)
    """from the node's messages: values -l"""

    def __post_init__(self) -> None:
        self.upper = Envelope(self.wander)
        self.lower = Envelope(self.wander)

    def polygon(self, h_ns: int) -> list[Corner]:
        """Corners of what is possible at `h_ns`; empty = the measurements contradict each other."""
        above, below, limit = self.upper.half_planes(h_ns), self.lower.half_planes(h_ns), self.rate_limit
        top = min(c + limit * abs(x) for x, c in above)
        bottom = -min(c + limit * abs(x) for x, c in below)
        if top < bottom:
            return []
        corners: list[Corner] = [(bottom, -limit), (bottom, limit), (top, limit), (top, -limit)]
        for x, c in above:
            corners = clip(corners, 1.0, x, c)
        for x, c in below:
            corners = clip(corners, -1.0, -x, c)
        return corners

    def likely_line(self, h_ns: int, gain: float, hint: float, doubt: float) -> tuple[float, float, float]:
        """Return (theta us, r ppm, half-width us) of the line to expect at `h_ns`; a half-width below 0 = a contradiction.

        Given r, theta is half-way between U = min(u - r x) and L = max(l - r x). With exponential one-way delays the likelihood of r grows
        with the width U - L; `gain` is the number of exchanges per mean delay above the least (1/us). The rate itself is expected near
        `hint`, Laplace with scale `doubt` (ppm). The mean over r, weighed so, beats the most likely r: the edges of an envelope are
        no place for maximum likelihood (Pitman 1939).
        """
        above, below = self.upper.half_planes(h_ns), self.lower.half_planes(h_ns)

        def strip(r: float) -> tuple[float, float]:
            return min([c - r * x for x, c in above]), -min([c + r * x for x, c in below])

        def score(r: float) -> float:
            top, bottom = strip(r)
            return (top - bottom) * gain - abs(r - hint) / doubt

        best = _peak(score, -self.rate_limit, self.rate_limit)
        top, bottom = strip(best)
        if top < bottom:
            return (top + bottom) / 2, best, (top - bottom) / 2
        floor = score(best) - FORLORN
        low, high = (_edge(score, best, way * self.rate_limit, floor) for way in (-1, 1))
        weight_sum = theta_sum = rate_sum = 0.0
        for n in range(NODES):
            rate = low + (high - low) * (n + 0.5) / NODES
            up, down = strip(rate)
            weight = math.exp((up - down - top + bottom) * gain - (abs(rate - hint) - abs(best - hint)) / doubt)
            weight_sum += weight
            theta_sum += weight * (up + down) / 2
            rate_sum += weight * rate
        if weight_sum < HOPELESS:  # without jitter the peak is narrower than the step
            return (top + bottom) / 2, best, (top - bottom) / 2
        return theta_sum / weight_sum, rate_sum / weight_sum, (top - bottom) / 2

    def drop_before(self, t_ns: int) -> None:
        """Forget older measurements; that only widens the polygon."""
        self.upper.drop_before(t_ns)
        self.lower.drop_before(t_ns)

    def drop_oldest(self) -> bool:
        """Forget the oldest measurement; False where one of each side is all there is."""
        sides = [side for side in (self.upper, self.lower) if len(side.points) > 1]
        if not sides:
            return False
        min(sides, key=lambda side: side.points[0][0]).points.pop(0)
        return True


def _peak(score: Callable[[float], float], low: float, high: float) -> float:
    """Golden section: where a concave score is highest."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = score(left), score(right)
    while high - low > RATE_STEP_PPM:
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = score(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = score(left)
    return (low + high) / 2


def _edge(score: Callable[[float], float], best: float, limit: float, floor: float) -> float:
    """How far towards `limit` a concave score stays above `floor`, a little beyond."""
    step = RATE_STEP_PPM
    while step < abs(limit - best) and score(best + math.copysign(step, limit)) > floor:
        step *= 2.0
    return best + math.copysign(min(step, abs(limit - best)), limit)


def clip(corners: list[Corner], a: float, b: float, c: float) -> list[Corner]:
    """Cut a convex polygon with the half-plane a theta + b r <= c (Sutherland and Hodgman 1974)."""
    over = [a * theta + b * rate - c for theta, rate in corners]
    if not over or max(over) <= 0.0:
        return corners
    if min(over) > 0.0:
        return []
    kept: list[Corner] = []
    for at, here in enumerate(corners):
        d0, d1 = over[at - 1], over[at]
        if (d0 <= 0.0) != (d1 <= 0.0):
            before, share = corners[at - 1], d0 / (d0 - d1)
            kept.append((before[0] + share * (here[0] - before[0]), before[1] + share * (here[1] - before[1])))
        if d1 <= 0.0:
            kept.append(here)
    return kept


def extent(corners: list[Corner], x: float) -> tuple[float, float]:
    """Smallest and largest theta + r x over a polygon, us."""
    values = [theta + rate * x for theta, rate in corners]
    return min(values), max(values)
