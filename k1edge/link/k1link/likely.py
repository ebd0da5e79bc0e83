"""The likely line between two clocks: straight over the last minute, with the delays of each direction above a floor of their own.

With offsets u = t2 - t1 and l = t3 - t4, a line theta + r x lies below all u and above all l. Given the slope r, U = min(u - r x) and
L = max(l - r x) are the edges of the strip, and e_u = mean(u - r x) - U, e_l = L - mean(l - r x) the mean delays above each floor. For
exponential delays of unknown floor and mean the likelihood of r is e_u^-(n-1) e_l^-(n-1), floors and means integrated out. The directions
have each their own e: on USB-CDC one is quick and the other waits for a frame, and one scale for both tilts the line.

The mean over r, weighed so, beats the most likely r: the edges of an envelope are no place for maximum likelihood (Pitman 1939). Pure.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from k1edge.link.k1link.envelope import Envelope
from k1edge.timebase import NS_PER_S

GOLDEN = 0.6180339887498949
RATE_STEP_PPM = 0.05
"""Finer than any crystal holds still."""

FORLORN = 6.0
"""Rates whose log-likelihood is this much below the best are left out."""

NODES = 12
"""Rates at which the weighed mean is taken."""

HOPELESS = 1e-9
"""All nodes together weigh less than this against the peak itself."""

QUANTUM_US = 1.0
"""The counter's step: delays are not known better."""

EXCESS = 2.0
"""The quickest of n exponential delays is e/n above the floor; of n that also wait for a frame, or for a loop, about twice that and more."""


class Line(NamedTuple):
    """The line to expect at an instant, and how it is known."""

    theta_us: float
    rate_ppm: float
    half_width_us: float
    """of the strip; it holds half the least round trip, so no more than this can be asymmetry. Below 0 = a contradiction"""
    spread_us: float
    """standard deviation of theta, as far as it comes from the rate and from too few exchanges"""


@dataclass(slots=True)
class Side:
    """One direction's measurements over the window, as (host ns, value us); the value is u, or -l. Owned by the estimator."""

    points: deque[tuple[int, float]] = field(default_factory=deque)
    hull: Envelope = field(default_factory=lambda: Envelope(0.0))
    """those that can be an edge for some slope"""
    _sum_ns: int = 0
    _sum_us: float = 0.0

    def add(self, t_ns: int, value: float) -> None:
        """Take a measurement; times must not fall."""
        self.points.append((t_ns, value))
        self.hull.add(t_ns, value)
        self._sum_ns += t_ns
        self._sum_us += value

    def drop_before(self, t_ns: int) -> None:
        """Forget measurements older than `t_ns`, but never the newest."""
        edge = self.hull.points[0][0]
        while len(self.points) > 1 and self.points[0][0] < t_ns:
            time, value = self.points.popleft()
            self._sum_ns -= time
            self._sum_us -= value
        if self.points[0][0] > edge:  # it had been hiding younger ones
            self.hull = Envelope(0.0)
            for point in self.points:
                self.hull.add(*point)
            self._sum_us = sum(value for _, value in self.points)  # no rounding is kept for long

    def seen_from(self, h_ns: int) -> Callable[[float], tuple[float, float]]:
        """Return slope -> (least value, mean value above it), both along lines of that slope, at `h_ns`."""
        edges = [((t - h_ns) / NS_PER_S, value) for t, value in self.hull.points]
        n = len(self.points)
        mean_s, mean_us = (self._sum_ns / n - h_ns) / NS_PER_S, self._sum_us / n

        def look(slope: float) -> tuple[float, float]:
            least = min([value - slope * x for x, value in edges])
            return least, mean_us - slope * mean_s - least

        return look


@dataclass(slots=True)
class LikelyLine:
    """The exchanges of the window; `line` is what they say. Owned by the estimator.

    Attributes:
        rate_limit_ppm: rates beyond +- this are not considered.
        window_ns: how long a clock is taken to be straight.
    """

    rate_limit_ppm: float
    window_ns: int
    _upper: Side = field(default_factory=Side)
    _lower: Side = field(default_factory=Side)

    def add(self, t1: int, u: float, t4: int, low: float) -> None:
        """Take an exchange; times must not fall."""
        self._upper.add(t1, u)
        self._lower.add(t4, -low)
        self._drop_before(t4 - self.window_ns)

    def line(self, h_ns: int, hint_ppm: float, doubt_ppm: float) -> Line:
        """Return the line at `h_ns`; the rate is expected near the hint, Laplace with scale `doubt_ppm`.

        A clock that is not straight contradicts itself; it then gives up the older half of its exchanges until it does not.
        """
        while True:
            found = self._line(h_ns, hint_ppm, doubt_ppm)
            if found.half_width_us >= 0.0 or len(self._upper.points) == 1:
                return found
            self._drop_before((self._upper.points[0][0] + self._upper.points[-1][0]) // 2 + 1)

    def _drop_before(self, t_ns: int) -> None:
        self._upper.drop_before(t_ns)
        self._lower.drop_before(t_ns)

    def _line(self, h_ns: int, hint: float, doubt: float) -> Line:
        above, below = self._upper.seen_from(h_ns), self._lower.seen_from(h_ns)
        n = len(self._upper.points)

        def strip(rate: float) -> tuple[float, float, float, float]:
            """Score, middle between the likely floors, half-width, and how far the quickest trips may be from their floors; of this slope."""
            (top, e_u), (bottom, e_l) = above(rate), below(-rate)
            half = (top + bottom) / 2
            # of few exchanges the quickest is not quick yet, and they would prove too much
            careful = QUANTUM_US + (2 * max(0.0, half) + e_u + e_l) / (2 * n)
            score = -(n - 1) * (math.log(e_u + careful) + math.log(e_l + careful)) - abs(rate - hint) / doubt
            return score, (top - bottom - EXCESS * (e_u - e_l) / n) / 2, half, EXCESS * math.hypot(e_u, e_l) / (2 * n)

        def score(rate: float) -> float:
            return strip(rate)[0]

        best = _peak(score, -self.rate_limit_ppm, self.rate_limit_ppm)
        highest, middle, half_width, excess_us = strip(best)
        low, high = (_edge(score, best, way * self.rate_limit_ppm, highest - FORLORN) for way in (-1, 1))
        weight_sum = theta_sum = square_sum = rate_sum = 0.0
        for k in range(NODES):
            rate = low + (high - low) * (k + 0.5) / NODES
            likely, theta, _, _ = strip(rate)
            weight = math.exp(likely - highest)
            weight_sum += weight
            theta_sum += weight * (theta - middle)
            square_sum += weight * (theta - middle) ** 2
            rate_sum += weight * rate
        if half_width < 0.0 or weight_sum < HOPELESS:  # without jitter the peak is narrower than the step
            return Line(middle, best, half_width, excess_us)
        moved = theta_sum / weight_sum
        variance = max(0.0, square_sum / weight_sum - moved * moved)
        return Line(middle + moved, rate_sum / weight_sum, half_width, math.hypot(excess_us, math.sqrt(variance)))


def _peak(score: Callable[[float], float], low: float, high: float) -> float:
    """Golden section: where a score with one peak is highest."""
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
    """How far towards `limit` a score with one peak stays above `floor`, a little beyond."""
    step = RATE_STEP_PPM
    while step < abs(limit - best) and score(best + math.copysign(step, limit)) > floor:
        step *= 2.0
    return best + math.copysign(min(step, abs(limit - best)), limit)
