"""What exchanges of timestamps prove about two clocks: a convex polygon of all (offset, rate) that no measurement contradicts.

Each measurement is one half-plane. With theta the offset and r the rate difference (us per s = ppm) at the host instant h, and x = t - h in s:

    theta + r x <= u + w x^2 / 2        (a message that left the host at t reached the node at offset u or before)
    theta + r x >= l - w x^2 / 2        (a message that left the node at offset l or later reached the host at t)

The last term is the most that the rate, wandering by up to w ppm per second, can have bent the line in between. So old measurements
fade by themselves, and the polygon is exact for every clock that obeys |r| <= R and |dr/dt| <= w: its extent is a hard bound, not a guess.
After the one-way envelopes of Moon, Skelly and Towsley (INFOCOM 1999) and the convex hulls of Zhang, Liu and Xia (INFOCOM 2002). Pure.
"""

from dataclasses import dataclass, field

from k1edge.timebase import NS_PER_S

MAX_CORNERS = 64
"""Measurements kept on a side. Convexity keeps 5 to 20; only a line without any jitter has more, and there the last 16 s tell everything."""

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

    def drop_before(self, t_ns: int) -> None:
        """Forget older measurements; that only widens the polygon."""
        self.upper.drop_before(t_ns)
        self.lower.drop_before(t_ns)


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
