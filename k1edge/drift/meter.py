"""What "drift" means, in one place: the flash against the music, the prediction against the music, the node against its orders.

Everything is signed, + = that thing is late, on the host clock:

| field               | reading                                                                                              |
|---------------------|------------------------------------------------------------------------------------------------------|
| `drift_ms`          | the light was seen, minus the onset that was heard at the beat it stood for; wrapped to +- half a beat |
| `beat_residual_ms`  | the beat as predicted, minus the onset that confirmed it                                              |
| `fire_error_us`     | the light was seen, minus when the host had wanted it                                                 |
| `aim_ms`            | when the host had wanted it, minus the beat as predicted: the user's offset, and late revisions        |

so that drift = fire error + aim + residual, before wrapping. Drift is what people in the room see, so the user's `offset_ms` is *not*
taken out of it: a light set 20 ms late is 20 ms late. It does not enter `beat_residual_ms`, which is about the tracker alone, nor
`fire_error_us`, whose `due_ns` already holds it.
A beat that no onset confirmed (a break, a rest, a syncopation) has neither drift nor residual: silence is no evidence. The onset is
looked for around the beat, never around the flash, so a light that is 120 ms late shows 120 ms and not the next onset; what wrapping
can tell apart ends at half a beat, which is 167 ms at 180 bpm and 140 ms at 215 bpm.

Facts may come in any order: a node's report can beat the onset, which is heard some 50 ms after its attack. A beat is settled once,
`HOLD_NS` after its time, so the answer depends on the facts and on `now` alone. State is owned by one thread, the daemon's event loop.
"""

from collections import deque
from dataclasses import dataclass

from k1edge.events import Beat, FlashReport
from k1edge.timebase import NS_PER_MS, NS_PER_S, NS_PER_US, HostTime

HOLD_NS = NS_PER_S
"""A beat's facts are waited for this long: capture may lag 0.3 s, the user's offset is up to 0.5 s, a report takes milliseconds."""

CONFIRM_NS = 70 * NS_PER_MS
"""An onset this near can be the beat (the window of MIREX); the next sixteenth at 120 bpm is 125 ms away."""

CONFIRM_BEATS = 0.2
"""... and never further than a fifth of the beat: a sixteenth is a quarter away, and fast music must not be confirmed by it."""

MAX_BEATS = 128
"""Beats and flashes kept until they are settled: 10 s at 300 bpm are 50."""

MAX_ONSETS = 1024
"""Onsets kept: more than 10 s at one per 50 ms, which is as near as onsets come."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one beat, or of a flash whose beat is not known; see the module. None where there is nothing to say.

    Attributes:
        index: the beat's number.
        at_ns: the beat's time as predicted, without the user's offset; the flash's due time where the beat is not known.
        drift_ms: within +- half a beat.
        beat_residual_ms: within +- `CONFIRM_NS`.
        aim_ms: see the module.
        fire_error_us: see the module; it carries the bound of the clock map, `FlashReport.bound_us`.
    """

    index: int
    at_ns: HostTime
    drift_ms: float | None
    beat_residual_ms: float | None
    aim_ms: float | None
    fire_error_us: float | None


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
    """Brings beats, onsets and flashes together. Memory is bounded whatever comes in."""

    def __init__(self) -> None:
        self._beats: deque[_HeardBeat] = deque(maxlen=MAX_BEATS)  # committed beats that are not settled, as they came
        self._onsets: deque[_HeardOnset] = deque(maxlen=MAX_ONSETS)  # what was heard, as it came
        self._flashes: deque[FlashReport] = deque(maxlen=MAX_BEATS)  # those that made light and are not settled

    def add_beat(self, beat: Beat, at_ns: HostTime) -> None:
        """Take a committed beat; `at_ns` is when `beat.sample` is in the air, without the user's offset."""
        self._beats.append(_HeardBeat(beat.index, at_ns, 60.0 * NS_PER_S / beat.bpm))

    def add_onset(self, at_ns: HostTime, strength: float) -> None:
        """Take an onset whose attack was in the air at `at_ns`; `strength` 0 to 1."""
        self._onsets.append(_HeardOnset(at_ns, strength))

    def add_flash(self, report: FlashReport) -> None:
        """Take what became of a beat; only beats that made light (fired, late) enter a reading."""
        if report.fired_ns is not None:
            self._flashes.append(report)

    def settle(self, now: HostTime) -> list[Reading]:
        """The beats and flashes that are over by `HOLD_NS` and were not told yet, in order of their time."""
        over_ns = now - HOLD_NS
        by_index = {beat.index: beat for beat in self._beats if beat.at_ns <= over_ns}  # a number used twice means the newer one
        waiting = [beat for beat in self._beats if beat.at_ns > over_ns]
        awaited = {beat.index for beat in waiting}
        flash_of: dict[int, FlashReport] = {}
        strays: list[FlashReport] = []
        still: list[FlashReport] = []
        for flash in self._flashes:
            if flash.beat_id in by_index:
                flash_of[flash.beat_id] = flash
            elif flash.due_ns <= over_ns and flash.beat_id not in awaited:
                strays.append(flash)
            else:
                still.append(flash)
        self._beats = deque(waiting, MAX_BEATS)
        self._flashes = deque(still, MAX_BEATS)
        readings = [self._read(beat, flash_of.get(beat.index)) for beat in by_index.values()]
        readings += [Reading(flash.beat_id, flash.due_ns, None, None, None, _fire_error_us(flash)) for flash in strays]
        return sorted(readings, key=lambda reading: (reading.at_ns, reading.index))

    def _read(self, beat: _HeardBeat, flash: FlashReport | None) -> Reading:
        onset_ns = self._confirming(beat)
        fired_ns = None if flash is None else flash.fired_ns
        return Reading(
            index=beat.index,
            at_ns=beat.at_ns,
            drift_ms=None if fired_ns is None or onset_ns is None else wrap(fired_ns - onset_ns, beat.period_ns) / NS_PER_MS,
            beat_residual_ms=None if onset_ns is None else (beat.at_ns - onset_ns) / NS_PER_MS,
            aim_ms=None if flash is None else (flash.due_ns - beat.at_ns) / NS_PER_MS,
            fire_error_us=None if flash is None else _fire_error_us(flash),
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


def _fire_error_us(flash: FlashReport) -> float | None:
    return None if flash.fired_ns is None else (flash.fired_ns - flash.due_ns) / NS_PER_US
