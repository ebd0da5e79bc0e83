"""What "drift" means, in one place: the flash against the music, the prediction against the music, the node against its orders.

Everything is signed, + = that thing is late, on the host clock:

| field               | reading                                                                                              |
|---------------------|------------------------------------------------------------------------------------------------------|
| `drift_ms`          | the light was seen, minus the onset that was heard at the beat it stood for; wrapped to +- half a beat |
| `beat_residual_ms`  | the beat as predicted, minus the onset that confirmed it                                              |
| `fire_error_us`     | the light was seen, minus when the host had wanted it                                                 |

Drift is what people in the room see, so the user's `offset_ms` is *not* taken out of it: a light set 20 ms late is 20 ms late.
It does not enter `beat_residual_ms`, which is about the tracker alone, nor `fire_error_us`, whose `due_ns` already holds it.
A beat that no onset confirmed (a break, a rest, a syncopation) has neither drift nor residual: silence is no evidence.

Facts may come in any order: a node's report can beat the onset, which is heard some 50 ms after its attack. Nothing is paired
before `status` asks, so the answer depends on the facts and on `now` alone.

State is owned by one thread, the daemon's event loop.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from k1edge.events import Beat, FlashReport
from k1edge.snapshot import DriftStatus
from k1edge.timebase import NS_PER_MS, NS_PER_S, NS_PER_US, HostTime

WINDOW_NS = 10 * NS_PER_S
"""How far back the medians reach: 20 beats at 120 bpm, enough for a p95, short enough to show a change."""

CONFIRM_NS = 70 * NS_PER_MS
"""An onset this near can be the beat (the window of MIREX); the next sixteenth at 120 bpm is 125 ms away."""

CONFIRM_BEATS = 0.25
"""... and never further than a quarter of the beat, so that fast music cannot be confirmed by its off-beats."""

MAX_BEATS = 128
"""Beats and flashes kept: 10 s at 300 bpm are 50."""

MAX_ONSETS = 1024
"""Onsets kept: 10 s at the pipeline's 100 frames a second are 1,000."""


@dataclass(frozen=True, slots=True)
class _HeardBeat:
    index: int
    at_ns: HostTime
    period_ns: float


@dataclass(frozen=True, slots=True)
class _HeardOnset:
    at_ns: HostTime
    strength: float


class DriftMeter:
    """Keeps the last seconds of beats, onsets and flashes and compares them. Memory is bounded whatever comes in."""

    def __init__(self) -> None:
        self._beats: deque[_HeardBeat] = deque(maxlen=MAX_BEATS)  # committed beats, as they came
        self._onsets: deque[_HeardOnset] = deque(maxlen=MAX_ONSETS)  # what was heard, as it came
        self._flashes: deque[FlashReport] = deque(maxlen=MAX_BEATS)  # only those that made light

    def add_beat(self, beat: Beat, at_ns: HostTime) -> None:
        """Take a committed beat; `at_ns` is when `beat.sample` is in the air, without the user's offset."""
        self._beats.append(_HeardBeat(beat.index, at_ns, 60.0 * NS_PER_S / beat.bpm))

    def add_onset(self, at_ns: HostTime, strength: float) -> None:
        """Take an onset whose attack was in the air at `at_ns`; `strength` 0 to 1."""
        self._onsets.append(_HeardOnset(at_ns, strength))

    def add_flash(self, report: FlashReport) -> None:
        """Take what became of a beat; only beats that made light (fired, late) enter a figure."""
        if report.fired_ns is not None:
            self._flashes.append(report)

    def reset(self) -> None:
        """Forget everything: beat numbers begin anew, or the clock under them was fitted anew."""
        self._beats.clear()
        self._onsets.clear()
        self._flashes.clear()

    def status(self, now: HostTime) -> DriftStatus:
        """Medians, and p95 of the absolute values, over what lies in the `WINDOW_NS` before `now`; None where nothing does."""
        since = now - WINDOW_NS
        onset_of = {beat: self._confirming(beat) for beat in self._beats if since < beat.at_ns <= now}
        by_index = {beat.index: beat for beat in onset_of}  # a number used twice means the newer one
        drifts_ns: list[float] = []
        errors_ns: list[float] = []
        for flash in self._flashes:
            if flash.fired_ns is None or not since < flash.fired_ns <= now:
                continue
            errors_ns.append(flash.fired_ns - flash.due_ns)
            beat = by_index.get(flash.beat_id)
            onset_ns = None if beat is None else onset_of[beat]
            if beat is not None and onset_ns is not None:
                drifts_ns.append(wrap(flash.fired_ns - onset_ns, beat.period_ns))
        residuals_ns = [beat.at_ns - onset_ns for beat, onset_ns in onset_of.items() if onset_ns is not None]
        return DriftStatus(
            drift_ms=_scaled(median(drifts_ns), NS_PER_MS),
            drift_p95_ms=_scaled(percentile_abs(drifts_ns, 95), NS_PER_MS),
            drift_ref="onset" if drifts_ns else None,
            beat_residual_ms=_scaled(median(residuals_ns), NS_PER_MS),
            fire_error_us=_scaled(median(errors_ns), NS_PER_US),
            fire_error_p95_us=_scaled(percentile_abs(errors_ns, 95), NS_PER_US),
            flashes=len(errors_ns),
        )

    def _confirming(self, beat: _HeardBeat) -> HostTime | None:
        """The onset that belongs to `beat`: the strongest within reach (the drum, not the hi-hat's flam), the nearer of equals."""
        reach_ns = min(CONFIRM_NS, CONFIRM_BEATS * beat.period_ns)
        near = [onset for onset in self._onsets if abs(onset.at_ns - beat.at_ns) <= reach_ns]
        if not near:
            return None
        return max(near, key=lambda onset: (onset.strength, -abs(onset.at_ns - beat.at_ns), -onset.at_ns)).at_ns


def wrap(difference_ns: float, period_ns: float) -> float:
    """Bring a difference into [-period/2, period/2): a flash one whole beat late looks right."""
    return (difference_ns + period_ns / 2) % period_ns - period_ns / 2


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
    return sorted(map(abs, values))[max(0, ceil(len(values) * percent / 100) - 1)]


def _scaled(value_ns: float | None, unit_ns: int) -> float | None:
    return None if value_ns is None else value_ns / unit_ns
