"""Three ways to know a node's clock from the same exchanges of timestamps: ours, and two that the field uses, written here from their descriptions.

*Klipper* (docs/Code_Overview.md and MCU_Commands.md of that project: the clock of a printer's board): one query a second, a linear regression of the board's
clock on the time of sending, in which each sample fades by 1/30; samples far off the prediction are left out; half the least round trip
ever seen is added. *NTP* (RFC 5905, section 10): of the last eight exchanges the one with the least round trip counts, by its midpoint; the
rate is a least-squares line through those of the last minute.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from k1edge.link.k1link.clocksync import ClockSync
from k1edge.timebase import NS_PER_S

Exchange = tuple[int, int, int, int]
"""t1 ns, t2 us, t3 us, t4 ns"""


class Estimator(Protocol):
    """Exchanges in, the node's clock out."""

    def add(self, exchange: Exchange) -> None: ...

    def at(self, h: float) -> float:
        """The node's counter in us at host ns `h`, not before the newest exchange."""
        ...


class Ours:
    """`ClockSync`, fitted at each exchange, or later where `holdover` asks."""

    def __init__(self, hint_ppm: float | None = None) -> None:
        self.sync = ClockSync()
        if hint_ppm is not None:
            self.sync.expect(hint_ppm)
        self._t4 = 0

    def add(self, exchange: Exchange) -> None:
        self.sync.add(*exchange)  # type: ignore[arg-type] # HostTime and NodeTime, both ints
        self._t4 = exchange[3]
        self.map = self._fit(self._t4)

    def at(self, h: float) -> float:
        fit = self.map if h - self._t4 < NS_PER_S else self._fit(round(h))  # without answers the map is renewed all the same
        return fit.to_node.y0 + (h - fit.to_node.x0) * fit.to_node.rate

    def _fit(self, h: int) -> Any:
        fit = self.sync.fit(h)  # type: ignore[arg-type] # as above
        assert fit is not None
        return fit


class KlipperStyle:
    """Decaying regression; `every_s` thins the exchanges to its own pace of one a second."""

    FADE = 1 / 30
    RTT_AGE = 10e-6 / 3600  # the least round trip grows by 10 us an hour

    def __init__(self, every_s: float = 0.95) -> None:
        self._every_s = every_s
        self._last_s = -1e9  # newest sample taken
        self._origin: tuple[int, int] | None = None  # floats keep their digits
        self._mean_s = self._mean_us = self._var = self._cov = 0.0
        self._half_trip_s, self._half_trip_at_s = 1e9, 0.0
        self._miss2 = 0.0  # squared error of predictions, fading
        self._trusted_s = 0.0
        self._rate = 1e6  # us per s

    def add(self, exchange: Exchange) -> None:
        t1, t2, t3, t4 = exchange
        if self._origin is None:
            self._origin = (t1, t2)
            self._miss2 = 1000.0**2
        sent_s, clock_us = (t1 - self._origin[0]) / NS_PER_S, float(t2 - self._origin[1])
        if sent_s - self._last_s < self._every_s:
            return
        self._last_s = sent_s
        half_s = ((t4 - t1) / NS_PER_S - (t3 - t2) / 1e6) / 2
        if half_s < self._half_trip_s + (sent_s - self._half_trip_at_s) * self.RTT_AGE:
            self._half_trip_s, self._half_trip_at_s = half_s, sent_s
        miss_us = clock_us - self._mean_us - (sent_s - self._mean_s) * self._rate
        if miss_us**2 > 25 * self._miss2 and abs(miss_us) > 500:
            if miss_us > 0 and sent_s < self._trusted_s + 10:
                return  # it only came late
            self._miss2 = 1000.0**2
        else:
            self._trusted_s = sent_s
            self._miss2 = (1 - self.FADE) * (self._miss2 + miss_us**2 * self.FADE)
        away_s, away_us = sent_s - self._mean_s, clock_us - self._mean_us
        self._mean_s += self.FADE * away_s
        self._mean_us += self.FADE * away_us
        self._var = (1 - self.FADE) * (self._var + self.FADE * away_s**2)
        self._cov = (1 - self.FADE) * (self._cov + self.FADE * away_s * away_us)
        if self._var > 0:
            self._rate = self._cov / self._var

    def at(self, h: float) -> float:
        assert self._origin is not None
        return self._origin[1] + self._mean_us + ((h - self._origin[0]) / NS_PER_S - self._mean_s - self._half_trip_s) * self._rate


class MinimumFilter:
    """Midpoint of the quickest of the last eight, and the slope of those of the last minute once they span 10 s."""

    def __init__(self, keep: int = 8) -> None:
        self._recent: deque[Exchange] = deque(maxlen=keep)
        self._picks: dict[int, float] = {}  # host ns: node minus host, us

    def add(self, exchange: Exchange) -> None:
        self._recent.append(exchange)
        t1, t2, t3, t4 = min(self._recent, key=lambda x: (x[3] - x[0]) - (x[2] - x[1]) * 1000)
        middle = (t1 + t4) // 2
        self._picks[middle] = (t2 + t3) / 2 - middle / 1000
        self._newest = middle
        for old in [h for h in self._picks if h < exchange[3] - 60 * NS_PER_S]:
            del self._picks[old]

    def at(self, h: float) -> float:
        oldest = next(iter(self._picks))
        rate = 0.0
        if self._newest - oldest > 10 * NS_PER_S:
            x = np.array([(t - self._newest) / NS_PER_S for t in self._picks])
            y = np.array(list(self._picks.values()))
            rate = float(np.polyfit(x, y - y[-1], 1)[0])
        return h / 1000 + self._picks[self._newest] + rate * (h - self._newest) / NS_PER_S


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "ours": Ours,
    "klipper_style": KlipperStyle,
    "klipper_style_4_hz": lambda: KlipperStyle(0.0),
    "min_filter": MinimumFilter,
}


def errors_us(
    estimator: Estimator, exchanges: Sequence[Exchange], truth: Callable[[float], float], ahead_s: float, *, settled_ns: int, every: int = 1
) -> list[float]:
    """Error of the estimator, `ahead_s` after each `every`th exchange that ended after `settled_ns` (host ns)."""
    errors = []
    for n, exchange in enumerate(exchanges):
        estimator.add(exchange)
        if exchange[3] >= settled_ns and n % every == 0:
            h = exchange[3] + ahead_s * NS_PER_S
            errors.append(estimator.at(h) - truth(h))
    return errors
