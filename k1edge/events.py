"""The frozen values that flow between the rooms.

Sound to beats (`Onset`, `Beat`, `BeatGrid`), beats to the node (`BeatPlan`), and back from the node (`ClockMap`, `FlashReport`).
Values only: nothing here can be called to do something.
"""

from dataclasses import dataclass
from enum import StrEnum

from k1edge.timebase import AffineMap, HostTime, NodeTime, SampleIndex


class LockState(StrEnum):
    """How sure the tracker is; only LOCKED and HOLDING make light."""

    UNLOCKED = "unlocked"
    LOCKING = "locking"
    LOCKED = "locked"
    HOLDING = "holding"  # no evidence now (a break): the last grid carries on, for two bars at most


@dataclass(frozen=True, slots=True)
class Timeline:
    """Beats as a line, not as pulses: beat `beat_origin` falls at `time_origin`, then one every `period` ticks.

    The clock is whichever the owner says (samples in beat/, host ns from the daemon on). After Ableton Link's Timeline.
    Whole beats carry the numbers of `Beat.index`.

    Attributes:
        period: ticks per beat, > 0.
        beat_origin: a beat number; fractions allowed.
        time_origin: the tick at which it falls; fractions allowed.
    """

    period: float
    beat_origin: float
    time_origin: float

    def time_at(self, beat: float) -> float:
        """Tick at which `beat` falls."""
        return self.time_origin + (beat - self.beat_origin) * self.period

    def beat_at(self, time: float) -> float:
        """Beat number, with its fraction, at tick `time`; the exact inverse of `time_at`."""
        return self.beat_origin + (time - self.time_origin) / self.period

    def phase_at(self, time: float) -> float:
        """Phase in [0, 1), 0 = on the beat."""
        phase = self.beat_at(time) % 1.0
        return phase if phase < 1.0 else 0.0  # a hair below a beat rounds up to 1.0

    def bpm(self, ticks_per_s: float) -> float:
        """Tempo in beats per minute, on a clock of `ticks_per_s`."""
        return 60.0 * ticks_per_s / self.period

    def mapped(self, clock: AffineMap) -> "Timeline":
        """The same beats on the clock that `clock` maps to."""
        return Timeline(self.period * clock.rate, self.beat_origin, float(clock.forward(self.time_origin)))

    def shifted(self, ticks: float) -> "Timeline":
        """The same beats `ticks` later."""
        return Timeline(self.period, self.beat_origin, self.time_origin + ticks)


@dataclass(frozen=True, slots=True)
class Bar:
    """Bars as a line of beat numbers, both ways.

    Attributes:
        beats: beats of a bar.
        downbeat: the number of a beat that is a bar's first.
    """

    beats: int
    downbeat: int

    def place(self, index: int) -> int:
        """Place in its bar of the beat with number `index`, 1 = downbeat."""
        return (index - self.downbeat) % self.beats + 1

    def shifted(self, count: int) -> "Bar":
        """The same bars where every beat's number is `count` higher."""
        return Bar(self.beats, self.downbeat + count)


@dataclass(frozen=True, slots=True)
class Onset:
    """A transient in the sound; not a beat.

    Attributes:
        sample: where its attack is.
        heard: how much audio had been consumed when it was reported; >= sample.
        strength: 0 to 1, against the running loudest.
    """

    sample: SampleIndex
    heard: SampleIndex
    strength: float


@dataclass(frozen=True, slots=True)
class Beat:
    """A committed beat: predicted ahead of its time, never withdrawn or moved.

    Attributes:
        index: grows by one with every beat since the stream began, from 0. Only a beat that fell into a short gap in the sound spends its
            number unseen, for a plan may have carried it.
        sample: when it falls, from the attack of the sound, in samples of the stream.
        heard: how much audio had been consumed when it was committed; <= sample.
        bpm: tempo from the beat spacing, 30 to 300.
        confidence: 0 to 1, how likely this beat is right.
        strength: 0 to 1, how hard it is hit, from the beats before it.
        beat_in_bar: 1 = downbeat; None while unknown.
        bar_confidence: 0 to 1, how likely the likeliest place in the bar is right, be it told in `beat_in_bar` or not.
    """

    index: int
    sample: SampleIndex
    heard: SampleIndex
    bpm: float
    confidence: float
    strength: float
    beat_in_bar: int | None
    bar_confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class BeatGrid:
    """What the tracker holds to be true after `heard`; the forecast from which light is scheduled further ahead than `Beat`s are committed.

    Attributes:
        heard: how much audio had been consumed.
        lock: the state of the gate.
        timeline: beats in samples; whole numbers continue `Beat.index`; None while UNLOCKED or LOCKING.
        next_index: the number of the next beat to be committed.
        confidence: 0 to 1.
        strength: expected strength of the next beat, 0 to 1.
        level_dbfs: RMS of the last 0.1 s, dB against full scale; None before any sound or for digital silence.
        bar: bars of the beats from `next_index` on; None while unknown.
    """

    heard: SampleIndex
    lock: LockState
    timeline: Timeline | None
    next_index: int
    confidence: float
    strength: float
    level_dbfs: float | None
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class PlannedBeat:
    """One flash to come. `beat_id` is `Beat.index`; `due_ns` is when the light shall be seen."""

    beat_id: int
    due_ns: HostTime
    strength: float
    beat_in_bar: int | None


@dataclass(frozen=True, slots=True)
class BeatPlan:
    """What a node shall play from now on; a newer plan replaces an older one whole. No plan (None) means dark.

    Attributes:
        timeline: beats on the host clock in ns, the user's offset applied; what an untimed node follows.
        beats: the next beats (at most 3), in order; what a timed node is sent.
        valid_until_ns: after this the node must not go on by itself.
    """

    timeline: Timeline
    beats: tuple[PlannedBeat, ...]
    valid_until_ns: HostTime

    @property
    def bpm(self) -> float:
        """Tempo in beats per minute."""
        return self.timeline.bpm(1e9)


@dataclass(frozen=True, slots=True)
class ClockMap:
    """Host to node clock at one moment.

    Attributes:
        to_node: host ns to node us.
        bound_us: hard bound: the true error at `at_ns` is within +- this, given that delays are not negative.
        sync_error_us: the true error is within +- this 19 times in 20, as long as neither way takes twice as long as the other at its quickest.
        drift_ppm: the node's clock against the host's, + = the node runs fast.
        at_ns: the moment this was fitted for.
        pings: answers it rests on.
    """

    to_node: AffineMap
    bound_us: float
    sync_error_us: float
    drift_ppm: float
    at_ns: HostTime
    pings: int


class Severity(StrEnum):
    """How bad a drift is for people in the room, from the best to the worst."""

    OK = "ok"
    AMBER = "amber"
    ALERT = "alert"
    RED = "red"


class Culprit(StrEnum):
    """What a drift or a change of a clock is put down to."""

    NODE_CLOCK = "node_clock"
    AUDIO_CLOCK = "audio_clock"
    HOST_CLOCK = "host_clock"
    TRACKER = "tracker"  # beats predicted elsewhere than they were heard
    NODE = "node"  # the node's firing or the wire: fired at another time than it was told
    OFFSET = "offset"  # the user's own offset_ms, or a beat that moved after it was sent


class BeatFate(StrEnum):
    """How a beat that was sent ended; each ends as exactly one of these."""

    FIRED = "fired"
    LATE = "late"  # fired, up to 10 ms after its time
    MISSED = "missed"  # too late, or never heard of again: not fired as far as the host knows
    CANCELLED = "cancelled"  # withdrawn by a newer plan before its time


@dataclass(frozen=True, slots=True)
class FlashReport:
    """What became of one beat, as told by the node.

    Attributes:
        beat_id: `PlannedBeat.beat_id`.
        fate: how it ended.
        due_ns: when the host wanted it, by its newest plan.
        scheduled_us: what the node had been told, node clock; None where it never reached the node.
        fired_us: when the light was seen, node clock; None unless FIRED or LATE.
        fired_ns: the same on the host clock.
        bound_us: bound of the clock map that was used for fired_ns.
    """

    beat_id: int
    fate: BeatFate
    due_ns: HostTime
    scheduled_us: NodeTime | None
    fired_us: NodeTime | None
    fired_ns: HostTime | None
    bound_us: float | None
