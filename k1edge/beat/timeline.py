"""The published grid: from what the filter holds to be true to beats that are promised ahead and never taken back.

Owned by the thread that pushes the pipeline. Times are samples since the stream began, fractions allowed.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate, pairwise
from math import ceil
from statistics import linear_regression, median

from k1edge.beat.spectrum import HOP
from k1edge.beat.tracker import Estimate
from k1edge.events import Timeline
from k1edge.timebase import SAMPLE_RATE_HZ

DELAY_SAMPLES = 420.0
"""From the attack to where the novelty sees the beat begin (9.5 ms): the attack must first travel into the flank of the Hann window."""

SLEW_SHARE = 0.25
SLEW_SAMPLES = 0.020 * SAMPLE_RATE_HZ
"""Once locked a beat follows a quarter of the phase error, 20 ms at most: corrections stay unseen."""

JUMP_BEATS = 0.12
"""A phase error beyond this is no jitter: the grid moves at once, a slow slide would be wrong for many beats."""

REFRACTORY_BEATS = 0.6
"""Nearest that two beats may come, in beats of the new tempo, so never nearer than 168 ms: no double flash when the tempo doubles."""

JITTER_SAMPLES = 2.0 * HOP
"""A beat that was seen just ahead and is now seen just behind is still the next one, and due at once: with a lead of 0 every ninth was lost."""

CONFIRM_SAMPLES = 0.035 * SAMPLE_RATE_HZ
"""An attack this near to a promised beat is the beat's own."""

TRUST = 0.08
"""Share of such a difference that goes into the standing correction: a dozen beats decide, one flam does not."""

MOST_BIAS_SAMPLES = 0.015 * SAMPLE_RATE_HZ
"""Slow attacks, and windows that low drums enter late, explain no more than this."""

HIT_SHARE = 0.3
FADE = 0.93
"""Strength follows the last few hits, and fades by half in nine beats that nobody plays."""

MEAN_OVER = 8
"""Beat intervals averaged for bpm: two bars of four."""

STEADY = 0.06
"""Intervals further than this from the filter's period belong to another tempo and are not averaged."""


WHEEL_BEATS = 24
"""A break is coasted through along the straight line through so many beats as the filter saw them: of 41 returns after four bars 80 % are within 40 ms of it (with an earlier reading 85 %; along 12 beats 78 %)."""

WHEEL_LEAST = 6
"""Fewer beats make no line."""

WHEEL_TRUSTED_BEATS = 64
"""So long after the last of them music is expected on the line; eight bars were measured. What comes later may begin anywhere."""

UNSURE_BEATS = 2
"""The last two beats before a break are left out: they were seen when nobody played any more."""


class Follow(Enum):
    """How the grid follows the filter."""

    FREELY = "freely"  # nobody sees it yet
    SMOOTHLY = "smoothly"  # locked: small errors are slewed, large ones jumped
    STEADILY = "steadily"  # held: small errors are slewed, large ones are not believed
    COASTING = "coasting"  # a break: nothing is heard, the beat goes on by itself


@dataclass(frozen=True, slots=True)
class Promise:
    """A beat promised ahead: when it falls, and the beat period at that moment, both in samples."""

    sample: float
    period: float


class Grid:
    """Turns estimates into promises, one beat at a time.

    Args:
        lead_samples: how far ahead a beat is promised.
        delay_samples: from an attack to where the filter sees the beat begin.
    """

    def __init__(self, lead_samples: float, delay_samples: float = DELAY_SAMPLES) -> None:
        self._delay = delay_samples
        self.lead_samples = max(lead_samples, float(HOP))  # looked at once a hop: a later promise could come too late
        self._last: float | None = None  # the last beat promised
        self._last_raw: float | None = None  # and where the filter had seen it
        self._gaps: deque[float] = deque(maxlen=MEAN_OVER)
        self._period = 0.0
        self._freed: float | None = None  # the period before a person moved the beat; None once the next is promised
        self._seen_beats: deque[float] = deque(maxlen=WHEEL_BEATS + UNSURE_BEATS)
        self._wheel: tuple[float, float] | None = None  # while coasting: a beat and the period
        self._bias = 0.0
        self.strength = 0.5
        """How hard the next beat is expected to be hit, 0 to 1, from those before it."""
        self._promised: deque[float] = deque(maxlen=2)

    def confirm(self, attack: float, strength: float) -> None:
        """An onset was heard with its attack at `attack`: if it belongs to a promised beat, learn how late and how hard such beats are."""
        for due in self._promised:
            if abs(attack - due) <= CONFIRM_SAMPLES:
                bias = self._bias + TRUST * (attack - due)
                self._bias = max(-MOST_BIAS_SAMPLES, min(MOST_BIAS_SAMPLES, bias))
                self.strength += HIT_SHARE * (strength - self.strength)

    def phase_of(self, beat_at: float, now: float, period: float) -> float:
        """Phase at the hop ending at `now` that lets the filter see a beat at `beat_at`; the inverse of what `step` does with one."""
        return (now - self._delay + self._bias - beat_at) / period % 1.0

    def free(self) -> None:
        """A person has moved the beat: the next one goes where it is seen at once, and may come as soon as the tempo so far allows."""
        self._freed = self._period if self._freed is None else min(self._freed, self._period)
        self._gaps.clear()
        self._seen_beats.clear()
        self._wheel = self._last_raw = None

    def step(self, now: float, estimate: Estimate, *, follow: Follow) -> Promise | None:
        """Look at the estimate of the hop ending at `now`; promise a beat if one is less than the lead away."""
        if follow is not Follow.COASTING:
            self._wheel = None
        elif self._wheel is None:
            self._wheel = self._fitted()
        self._period = self._mean_period(estimate.period_frames * HOP) if self._wheel is None else self._wheel[1]
        raw, due = self._next(now, estimate, follow)
        if due - now > self.lead_samples:
            return None
        due = max(due, now)
        if self._wheel is None:
            self._remember(raw)
        self._last, self._last_raw, self._freed = due, raw, None
        self.strength *= FADE
        self._promised.append(due)
        return Promise(due, self._period)

    def forecast(self, now: float, estimate: Estimate, *, follow: Follow) -> Timeline:
        """Beats from the next one on; the next unpromised beat has number 0."""
        return Timeline(self._period, 0.0, self._next(now, estimate, follow)[1])

    def coasting_phase(self, now: float) -> float | None:
        """In a break: the phase at the hop ending at `now` of a filter that sees the beats where they are expected; None = nothing is expected, or no longer."""
        if self._wheel is None:
            return None
        beat, period = self._wheel
        return self.phase_of(beat, now, period) if now - beat <= WHEEL_TRUSTED_BEATS * period else None

    def _next(self, now: float, estimate: Estimate, follow: Follow) -> tuple[float, float]:
        """The next beat as it is seen, and as it may be promised."""
        if self._wheel is not None:
            beat, period = self._wheel
            raw = beat + ceil((self._earliest(now, period) - beat) / period) * period
            return raw, raw
        raw = self._seen(now, estimate.phase, estimate.period_frames * HOP)
        return raw, self._smoothed(now, raw, follow=follow)

    def _remember(self, raw: float) -> None:
        gap = 0.0 if self._last_raw is None else raw - self._last_raw
        if self._last_raw is not None:
            self._gaps.append(gap)
        if abs(gap / self._period - 1.0) > STEADY:
            self._seen_beats.clear()
        self._seen_beats.append(raw)

    def _fitted(self) -> tuple[float, float] | None:
        """The last beat, and the period, of the straight line through the last beats; None where there are too few."""
        beats = list(self._seen_beats)[:-UNSURE_BEATS]
        if len(beats) < WHEEL_LEAST:
            return None
        usual = median(b - a for a, b in pairwise(beats))
        numbers = list(accumulate((round((b - a) / usual) for a, b in pairwise(beats)), initial=0))  # some may be missing
        period, first = linear_regression(numbers, beats)
        return first + numbers[-1] * period, period

    def _mean_period(self, raw: float) -> float:
        near = [g for g in self._gaps if abs(g / raw - 1.0) <= STEADY]
        return sum(near) / len(near) if len(near) >= MEAN_OVER // 2 else raw

    def _seen(self, now: float, phase: float, period: float) -> float:
        """The next beat as the filter sees it: after the last promised one, not before `now` but for what estimates jitter by."""
        due = now - self._delay + self._bias + (1.0 - phase) * period
        earliest = self._earliest(now, period)
        while due < earliest:
            due += period
        return due

    def _earliest(self, now: float, period: float) -> float:
        spacing = period if self._freed is None else min(period, self._freed)
        return now - JITTER_SAMPLES if self._last is None else max(now - JITTER_SAMPLES, self._last + REFRACTORY_BEATS * spacing)

    def _smoothed(self, now: float, due: float, *, follow: Follow) -> float:
        """The same beat as it may be promised."""
        if self._last is None or self._freed is not None or follow is Follow.FREELY:
            return due
        expected = self._last + self._period
        error = due - expected
        if abs(error) > JUMP_BEATS * self._period:
            return max(expected, now) if follow is Follow.STEADILY else due
        step = max(-SLEW_SAMPLES, min(SLEW_SAMPLES, SLEW_SHARE * error))
        return max(expected + step, now)
