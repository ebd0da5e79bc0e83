"""How a quantity spreads: over the last seconds exactly, since the start in a histogram of fixed size. Pure.

State is owned by one thread, the daemon's event loop.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from k1edge.snapshot import Figure, Spread
from k1edge.timebase import NS_PER_S, HostTime

WINDOW_NS = 10 * NS_PER_S
"""How far back "now" reaches: 20 beats at 120 bpm, enough for a p95, short enough to show a change."""

MAX_RECENT = 128
"""Values kept of the window: 50 beats at 300 bpm, 40 looks at a clock."""

LEAST: Final = 0.01
"""Sizes below count as 0: 10 us of a drift in ms, a hundredth of a us or ppm."""

STEP: Final = 1.02
"""Upper over lower edge of a bin of the histogram: what it tells is within 1 % of a value that was there."""

BINS: Final = 1_047
"""Per sign: up to 10^7, ten seconds of a fire error in us; larger sizes count into the last bin."""

_NOTHING: Final = Spread(median=None, p95=None, worst=None, count=0)


class Histogram:
    """Counts by size in bins of `STEP`, signs kept apart: 17 KB, whatever comes."""

    def __init__(self) -> None:
        self._counts = np.zeros(2 * BINS + 1, np.int64)  # from the most negative bin to the most positive; 0 in the middle
        self.count = 0
        self.worst: float | None = None  # the value of the largest size, exactly; the positive one of equals
        self._spread: Spread | None = _NOTHING  # as told last; None = values have come since

    def add(self, value: float) -> None:
        """Count a finite value."""
        self._counts[BINS + _bin(value)] += 1
        self.count += 1
        self._spread = None
        if self.worst is None or (abs(value), value) > (abs(self.worst), self.worst):
            self.worst = value

    def spread(self) -> Spread:
        """Median and p95 by nearest rank, to half a bin and never beyond the worst."""
        if self._spread is None:
            self._spread = self._told()
        return self._spread

    def _told(self) -> Spread:
        sizes = self._counts[BINS:].copy()
        sizes[1:] += self._counts[:BINS][::-1]
        most = abs(self.worst or 0.0)
        middle = _value(_rank(self._counts, 50) - BINS)
        return Spread(
            median=max(-most, min(most, middle)),
            p95=min(most, _value(_rank(sizes, 95))),
            worst=self.worst,
            count=self.count,
        )


class Running:
    """One quantity: its newest value, the last `WINDOW_NS`, and everything since the start. Memory is bounded whatever comes in."""

    def __init__(self) -> None:
        self._recent: deque[tuple[HostTime, float]] = deque(maxlen=MAX_RECENT)  # as they came
        self._ever = Histogram()

    def add(self, at_ns: HostTime, value: float | None) -> None:
        """Take the value at `at_ns`; None says nothing, and neither does what is no number."""
        if value is not None and math.isfinite(value):
            self._recent.append((at_ns, value))
            self._ever.add(value)

    def figure(self, now: HostTime) -> Figure:
        """All of it, as it stands in the `WINDOW_NS` before `now` and since the start."""
        recent = [(at_ns, value) for at_ns, value in self._recent if now - WINDOW_NS < at_ns <= now]
        return Figure(
            newest=max(recent)[1] if recent else None,
            last_10s=spread([value for _, value in recent]),
            since_start=self._ever.spread(),
        )


def spread(values: Sequence[float]) -> Spread:
    """Of these values, exactly."""
    worst = max(values, key=lambda value: (abs(value), value), default=None)
    return Spread(median=median(values), p95=percentile_abs(values, 95), worst=worst, count=len(values))


def median(values: Iterable[float]) -> float | None:
    """The middle value, the mean of the middle two for an even count; None for no values."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile_abs(values: Sequence[float], percent: float) -> float | None:
    """The smallest |value| that `percent` (0 to 100] of all |values| do not exceed (nearest rank); None for no values."""
    if not values:
        return None
    return sorted(map(abs, values))[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _bin(value: float) -> int:
    size = abs(value)
    if size < LEAST:
        return 0
    return (1 if value > 0 else -1) * min(BINS, 1 + int(math.log(size / LEAST) / math.log(STEP)))


def _value(number: int) -> float:
    """The middle of a bin, by ratio."""
    size = 0.0 if number == 0 else LEAST * STEP ** (abs(number) - 0.5)
    return math.copysign(size, number)


def _rank(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]", percent: int) -> int:
    """Index of the bin that holds the nearest rank of `percent`."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, math.ceil(int(total[-1]) * percent / 100)))
