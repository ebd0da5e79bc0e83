"""The helm: what people say of tempo and beat, from the status socket to the tracker and to the plan. All state is owned by the event loop.

A word becomes a `Steering`, a value, which goes to the DSP thread; a nudge moves the plan. Implements `report.tempo_routes.TempoHelm`.
"""

from collections.abc import Callable

import structlog

from k1edge.beat.manual import Manual, Tracked
from k1edge.beat.pipeline import Pipeline
from k1edge.beat.steering import Steering
from k1edge.beat.tempo import Tempi
from k1edge.config import BeatSettings, Settings
from k1edge.daemon.conductor import FORGET_AFTER_NS, Conductor
from k1edge.errors import PeerError
from k1edge.events import Timeline
from k1edge.held import TempoStatus, Word
from k1edge.timebase import NS_PER_MS, SAMPLE_RATE_HZ, HostTime

log = structlog.get_logger(__name__)

SETTLED_NS = 300 * NS_PER_MS
"""A word has reached the tracker, and a grid that knows of it has come back: a block, a hop, and 50 ms between two grids; a busy host takes longer."""


class Helm:
    """Where the person stands.

    Args:
        settings: what holds while nothing is said.
        conductor: its grid is what people speak of, its scheduler shows the beats.
        steer: hands a steering over to the DSP thread.
    """

    def __init__(self, settings: Settings, conductor: Conductor, steer: Callable[[Steering], None]) -> None:
        self.manual = Manual(_tempi(settings.beat))
        self._conductor = conductor
        self._steer = steer
        self._lead_ms = settings.beat.lead_ms
        self._hearing = settings.beat.hearing
        self._offset_ms = settings.node.offset_ms
        self._bars = False  # somebody said downbeat: the conductor's anchor is a bar's first
        self._told: tuple[Timeline, HostTime] | None = None  # the beats as asked for last, in samples, and when
        self._show()

    def new_pipeline(self) -> Pipeline:
        """A tracker as configured. Called on the DSP thread, which adds what was said (`Hearing.steer`)."""
        return Pipeline(self._lead_ms, self.manual.free, self._hearing)

    def reload(self, ours: Settings, settings: Settings) -> Settings:
        """Take over offset and tempi of a changed configuration, and return `ours` with them. What people have said stays, and goes before it."""
        self._offset_ms = settings.node.offset_ms
        self._show()
        self._hand_over(self.manual.configure(_tempi(settings.beat)))
        node = ours.node.model_copy(update={"offset_ms": self._offset_ms})
        beat = settings.beat.model_copy(update={"lead_ms": self._lead_ms, "hearing": self._hearing})
        return ours.model_copy(update={"node": node, "beat": beat})

    def status(self) -> TempoStatus:
        """What holds."""
        manual = self.manual
        return TempoStatus(
            held_by=None if manual.verb is None else manual.verb.value,
            bpm_min=manual.tempi.bpm_min,
            bpm_max=manual.tempi.bpm_max,
            nudge_ms=manual.nudge_ms,
            taps=len(manual.taps),
        )

    def say(self, word: Word, now: HostTime) -> float | None:
        """Follow a word; the tempo that it asks for, None where it asks for none.

        Raises:
            PeerError: it can't be followed; says why, and what to do.
        """
        match word:
            case Word.AUTO:
                steering = self.manual.auto()
            case Word.HALF:
                steering = self.manual.half(self._heard(now))
            case Word.DOUBLE:
                steering = self.manual.double(self._heard(now))
            case Word.LOCK:
                steering = self.manual.lock(self._heard(now))
            case Word.DOWNBEAT:
                steering = self.manual.downbeat(self._heard(now))
        return self._follow(word, steering, now)

    def set_to(self, bpm: float, now: HostTime) -> float | None:
        """Follow the tempo `bpm`, 30 to 300; errors as `say`."""
        return self._follow("set", self.manual.set_to(bpm, self._tracked(now)), now)

    def tap(self, at: HostTime, now: HostTime) -> float | None:
        """Take a tap at host time `at`; the tempo, None while more taps are needed.

        The audio clock tells which sample was in the air then, so that no latency is left to be taken off but the hand's own.

        Raises:
            PeerError: no sound comes in, so there is nothing that a tap could be laid on.
        """
        clock, heard_ns = self._conductor.to_host, self._conductor.heard_ns
        if clock is None or heard_ns is None or now - heard_ns > FORGET_AFTER_NS:
            msg = 'no sound comes in that a tap could be laid on; see "sound" in k1edge status'
            raise PeerError(msg)
        return self._follow("tap", self.manual.tap(clock.inverse(at)), now)

    def nudge(self, ms: float) -> float | None:
        """Show beats `ms` later than now, - = earlier; errors as `say`."""
        self.manual.nudge(ms)
        self._show()
        log.info("tempo", word="nudge", nudge_ms=self.manual.nudge_ms)
        return None

    def _heard(self, now: HostTime) -> Tracked:
        tracked = self._tracked(now)
        if tracked is None:
            msg = "no beat is followed now that this could be said of; tap it, or set a tempo"
            raise PeerError(msg)
        return tracked

    def _tracked(self, now: HostTime) -> Tracked | None:
        """The beats that a person hears and sees at `now`; None while it is dark."""
        clock, grid = self._conductor.to_host, self._conductor.grid
        if clock is None or grid is None:
            return None
        if self._told is not None and now - self._told[1] < SETTLED_NS:
            return Tracked(self._told[0], clock.inverse(now), 0)
        if grid.timeline is None or self._conductor.timeline(now) is None:
            return None
        return Tracked(grid.timeline, clock.inverse(now), self._downbeat())

    def _downbeat(self) -> int | None:
        """The number of a beat that is a bar's first, by people's word, else by the newest whose place in the bar is known."""
        if self._conductor.anchor is not None:
            return self._conductor.anchor
        places = ((each.beat.index, each.beat.beat_in_bar) for each in reversed(self._conductor.committed))
        return next((index - place + 1 for index, place in places if place is not None), None)

    def _follow(self, word: str, steering: Steering | None, now: HostTime) -> float | None:
        if steering is None:
            return None
        self._show()  # some words take the nudge back
        self._hand_over(steering)
        self._anchor(word, steering, now)
        if steering.bpm is not None and steering.beat_at is not None:
            self._told = Timeline(60.0 * SAMPLE_RATE_HZ / steering.bpm, 0.0, steering.beat_at), now
        log.info("tempo", word=word, bpm=steering.bpm, bpm_min=steering.tempi.bpm_min, bpm_max=steering.tempi.bpm_max)
        return steering.bpm

    def _anchor(self, word: str, steering: Steering, now: HostTime) -> None:
        """Remember which beats a later `half` has to keep: those that were there before `double`, and the downbeat's."""
        since = HostTime(now + SETTLED_NS)
        match word:
            case Word.DOWNBEAT:
                self._bars = True
                self._conductor.name(steering.downbeat_at, since)
            case Word.DOUBLE:
                self._conductor.name(steering.beat_at, since)
            case Word.HALF:
                self._conductor.name(steering.beat_at if self._bars else None, since)
            case Word.LOCK:
                pass  # beats and numbers stay
            case _:
                self._bars = False
                self._conductor.name(None, since)

    def _hand_over(self, steering: Steering | None) -> None:
        if steering is not None:
            self._steer(steering)

    def _show(self) -> None:
        self._conductor.scheduler.offset_ns = round((self._offset_ms + self.manual.nudge_ms) * NS_PER_MS)


def _tempi(beat: BeatSettings) -> Tempi:
    return Tempi(beat.bpm_min, beat.bpm_max, beat.prior_bpm, beat.prior_octaves)
