"""Tempo and phase from the taps of a finger: late, early, doubled, or left out. Pure: a tap is a moment, its clock the caller's.

A line through (number of the beat, moment): its slope first as the median of those through any two taps (Theil 1950; Sen 1968), which bears a
quarter of them wrong, then least squares over the taps near it. State is owned by whoever adds taps, one at a time.
"""

from collections import deque
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import hypot, sqrt
from statistics import fmean, median

LEAST_TAPS = 4
"""Three gaps: with two of them one wrong tap could not be told from a right one."""

MOST_TAPS = 12
"""Three bars. More would only average over a hand that drifts, and make a new tempo wait."""

BOUNCE_S = 0.15
"""A tap so soon after another is the same one, by a key that bounced or a finger that slipped; the fastest tempo has 0.2 s."""

PAUSE_S = 2.5
"""A tap so long after another begins anew: the slowest tempo has 2 s."""

ANOTHER = 0.15
"""Three gaps alike, and further from the tempo so far than this: another tempo has begun."""

HAND_S = 0.015
"""Scatter of a practised hand; what is measured over a few taps may be less by chance."""

NEAR = 0.18
"""A tap further from the line than this share of a beat is wrong; a sixteenth is 0.25 away."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """What the taps say, each with its standard error.

    Attributes:
        bpm: tempo.
        bpm_share: error of the tempo, as a share of it.
        beat_at: the beat nearest to the newest tap, in ticks.
        beat_s: its error, s.
    """

    bpm: float
    bpm_share: float
    beat_at: float
    beat_s: float


class Taps:
    """The newest series of taps.

    Args:
        ticks_per_s: of the clock that the taps are told in.
    """

    def __init__(self, ticks_per_s: float) -> None:
        self._rate = ticks_per_s
        self._at: deque[float] = deque(maxlen=MOST_TAPS)

    def __len__(self) -> int:
        """How many taps count now."""
        return len(self._at)

    def clear(self) -> None:
        """Begin anew with the next tap."""
        self._at.clear()

    def add(self, at: float) -> Tapped | None:
        """Take a tap, in ticks; what the series says so far, None while it says nothing.

        A tap that lies a little before another is dropped: it came late over its socket. One that lies far before it begins anew, as after a
        pause: the clock itself has begun anew.
        """
        since_s = (at - self._at[-1]) / self._rate if self._at else PAUSE_S
        if -PAUSE_S < since_s < BOUNCE_S:
            return None
        if abs(since_s) >= PAUSE_S:
            self._at.clear()
        self._at.append(at)
        self._begin_another()
        return self._fit()

    def _begin_another(self) -> None:
        """Drop all but the newest taps where those are of another tempo."""
        gaps = [b - a for a, b in pairwise(self._at)]
        before, newest = gaps[:-3], gaps[-3:]
        if len(before) < LEAST_TAPS - 1:
            return
        middle = median(newest)
        if max(newest) - min(newest) < ANOTHER * middle and abs(middle / median(before) - 1.0) > ANOTHER:
            for _ in before:
                self._at.popleft()

    def _fit(self) -> Tapped | None:
        if len(self._at) < LEAST_TAPS:
            return None
        zero = self._at[0]
        times = [(at - zero) / self._rate for at in self._at]
        period, origin = median([b - a for a, b in pairwise(times)]), 0.0
        for _ in range(2):  # the first line may number a late tap wrongly
            numbers = [round((time - origin) / period) for time in times]
            slopes = [(t1 - t0) / (n1 - n0) for (n0, t0), (n1, t1) in combinations(zip(numbers, times, strict=True), 2) if n1 > n0]
            if not slopes:
                return None
            period = median(slopes)
            origin = median([time - number * period for number, time in zip(numbers, times, strict=True)])
        near = [(n, t) for n, t in zip(numbers, times, strict=True) if abs(t - origin - n * period) <= NEAR * period]
        return self._line(near, zero) if len({n for n, _ in near}) >= LEAST_TAPS else None

    def _line(self, taps: list[tuple[int, float]], zero: float) -> Tapped:
        """Least squares over what is left."""
        middle, centre = fmean(n for n, _ in taps), fmean(t for _, t in taps)
        width = sum((n - middle) ** 2 for n, _ in taps)
        period = sum((n - middle) * (t - centre) for n, t in taps) / width
        off = [t - centre - (n - middle) * period for n, t in taps]
        hand_s = max(HAND_S, sqrt(sum(o * o for o in off) / max(1, len(taps) - 2)))
        last = round(middle + ((self._at[-1] - zero) / self._rate - centre) / period)
        return Tapped(
            bpm=60.0 / period,
            bpm_share=hand_s / (period * sqrt(width)),
            beat_at=zero + (centre + (last - middle) * period) * self._rate,
            beat_s=hand_s * hypot(1.0 / sqrt(len(taps)), (last - middle) / sqrt(width)),
        )
