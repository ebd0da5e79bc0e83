"""Manual help: what people know better than the tracker, from their words to a `Steering`.

| word       | tempi from then on                          | the beat                                                              |
|------------|---------------------------------------------|-----------------------------------------------------------------------|
| half       | the range by half, an octave if it was free | every other one stays: the downbeat's, those of before `double`; else  |
|            |                                             | the one nearest to now                                                |
| double     | the range doubled, an octave if it was free | each stays, and one comes between                                     |
| set N      | N +- 8 %                                    | goes on from the one nearest to now, then follows the music            |
| tap        | the taps' tempo +- 8 %, from four taps on   | where the finger was; a nudge is taken back                            |
| lock       | the present tempo +- 4 %                    | where it is                                                           |
| auto       | as configured                               | follows the music; a nudge is taken back                               |
| nudge MS   | as they are                                 | shown later or earlier, whatever else is said                          |
| downbeat   | as they are                                 | the one nearest to now is a bar's first                                |

Tempi hold until the next word on them: through breaks, other songs, a changed configuration, and a tracker that was started anew. A beat that
stays drifts with the music and does not change its place in it (from the kick to the snare, say) as long as there is light: what the music
contradicts goes dark, and comes back where the music has it. A nudge holds until `auto` or a tap. Nothing outlives the daemon.

Pure; state is owned by the event loop.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from k1edge.beat.steering import Steering
from k1edge.beat.taps import Taps
from k1edge.beat.tempo import HIGHEST_BPM, LOWEST_BPM, Tempi
from k1edge.errors import PeerError
from k1edge.events import Timeline
from k1edge.timebase import SAMPLE_RATE_HZ

OCTAVE = sqrt(2.0)
"""Times and divided by: an octave about the tempo, so that neither its half nor its double is in it."""

NAMED = 1.08
"""... about a tempo that was named or tapped: wider than a finger errs, and than a band drifts within a song."""

LOCKED = 1.04
"""... about a tempo that the tracker has found itself."""

MOST_NUDGE_MS = 500.0
"""In sum, as for `node.offset_ms`: half a beat at 60 bpm. Who needs more means another beat."""


class Verb(StrEnum):
    """What holds by a person's word."""

    HALF = "half"
    DOUBLE = "double"
    SET = "set"
    TAP = "tap"
    LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Tracked:
    """The grid as it is when a person speaks.

    Attributes:
        timeline: beats in samples.
        at: the sample that is in the air.
        downbeat: the number of a beat that is a bar's first, or that was there before `double`; None while unknown.
    """

    timeline: Timeline
    at: float
    downbeat: int | None = None

    @property
    def bpm(self) -> float:
        """Tempo in beats per minute."""
        return self.timeline.bpm(SAMPLE_RATE_HZ)

    def nearest(self) -> int:
        """The number of the beat nearest to now."""
        return round(self.timeline.beat_at(self.at))

    def kept(self) -> int:
        """The number of a beat that stays when every other one goes."""
        nearest = self.nearest()
        return nearest if self.downbeat is None else nearest + (nearest - self.downbeat) % 2


class Manual:
    """What holds now.

    A word that can't be followed is a PeerError, and nothing has changed.

    Args:
        free: the tempi as configured.
    """

    def __init__(self, free: Tempi) -> None:
        self.free = free
        self.tempi = free
        """Those in force."""
        self.verb: Verb | None = None
        """By whose word; None = automatic."""
        self.nudge_ms = 0.0
        """How much later beats are shown, + = later."""
        self.taps = Taps(SAMPLE_RATE_HZ)

    def configure(self, free: Tempi) -> Steering | None:
        """Take over a changed configuration; None while a person's word stands before it."""
        changed, self.free = free != self.free, free
        if not changed or self.verb is not None:
            return None
        self.tempi = free
        return Steering(free)

    def auto(self) -> Steering:
        """Everything by itself again, the nudge taken back."""
        self.verb, self.tempi, self.nudge_ms = None, self.free, 0.0
        self.taps.clear()
        return Steering(self.free)

    def half(self, tracked: Tracked) -> Steering:
        """Half the tempo."""
        return self._octave(Verb.HALF, 0.5, tracked, tracked.kept())

    def double(self, tracked: Tracked) -> Steering:
        """Twice the tempo."""
        return self._octave(Verb.DOUBLE, 2.0, tracked, tracked.kept())

    def set_to(self, bpm: float, tracked: Tracked | None) -> Steering:
        """The tempo `bpm`, 30 to 300."""
        if not LOWEST_BPM <= bpm <= HIGHEST_BPM:
            msg = f"{bpm:g} bpm is beyond what can be followed; name one from {LOWEST_BPM:g} to {HIGHEST_BPM:g}"
            raise PeerError(msg)
        self._hold(Verb.SET, bpm, NAMED)
        return Steering(self.tempi, bpm, None if tracked is None else tracked.timeline.time_at(tracked.nearest()))

    def lock(self, tracked: Tracked) -> Steering:
        """Tempo and place of the beat as they are."""
        self._hold(Verb.LOCK, min(max(tracked.bpm, LOWEST_BPM), HIGHEST_BPM), LOCKED)
        return Steering(self.tempi, keep=True)

    def downbeat(self, tracked: Tracked) -> Steering:
        """The beat nearest to now is a bar's first; tempi and beat stay as they are."""
        return Steering(self.tempi, downbeat_at=tracked.timeline.time_at(tracked.nearest()))

    def tap(self, at: float) -> Steering | None:
        """Take a tap at sample `at`; None while more of them are needed."""
        tapped = self.taps.add(at)
        if tapped is None or not LOWEST_BPM <= tapped.bpm <= HIGHEST_BPM:
            return None
        self._hold(Verb.TAP, tapped.bpm, NAMED)
        self.nudge_ms = 0.0
        return Steering(self.tempi, tapped.bpm, tapped.beat_at, tapped.bpm_share, tapped.beat_s, keep=True)

    def nudge(self, ms: float) -> None:
        """Show beats `ms` later than now, - = earlier.

        Raises:
            PeerError: the sum of all nudges would be too much.
        """
        total = self.nudge_ms + ms
        if abs(total) > MOST_NUDGE_MS:
            msg = (
                f"beats are nudged by {self.nudge_ms:+g} ms, and {ms:+g} more would be beyond {MOST_NUDGE_MS:g}; "
                "tap the beat anew, or take the nudge back with auto"
            )
            raise PeerError(msg)
        self.nudge_ms = total

    def _octave(self, verb: Verb, factor: float, tracked: Tracked, beat: int) -> Steering:
        bpm = factor * tracked.bpm
        if not LOWEST_BPM <= bpm <= HIGHEST_BPM:
            msg = f"{verb} of {tracked.bpm:.1f} bpm would be {bpm:.1f}; only {LOWEST_BPM:g} to {HIGHEST_BPM:g} bpm can be followed"
            raise PeerError(msg)
        if self.verb is None:
            self._hold(verb, bpm, OCTAVE)
        else:
            self._within(verb, min(factor * self.tempi.bpm_min, bpm), max(factor * self.tempi.bpm_max, bpm))
        return Steering(self.tempi, bpm, tracked.timeline.time_at(beat), keep=True)

    def _hold(self, verb: Verb, bpm: float, width: float) -> None:
        self._within(verb, bpm / width, bpm * width)

    def _within(self, verb: Verb, low: float, high: float) -> None:
        self.verb = verb
        self.tempi = Tempi(max(low, LOWEST_BPM), min(high, HIGHEST_BPM), self.free.prior_bpm, self.free.prior_octaves)
        if verb is not Verb.TAP:
            self.taps.clear()
