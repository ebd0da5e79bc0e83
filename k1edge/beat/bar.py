"""Where in the bar a beat is: what each beat sounded like, weighed against the other places that it could have, along all beats so far.

    promised beats ─► which of them are how far apart ─┐
    bands ─► accent.Listener ─► against what is usual ─┴─► belief over (beats of a bar, place in it) ─► place of the beats to come

Owned by the thread that pushes the pipeline. A beat is known by its sound once the next one has come, and promised before it comes: so its
place is counted on from what is believed of the one before the last. Where that is not sure enough the place is None. Bars of two are heard
as half a bar of four.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.accent import FEATURES, Features, Listener
from k1edge.beat.bar_weights import BIAS, PLACES, RECURRENCE, SPREAD, WEIGHTS
from k1edge.beat.spectrum import Floats
from k1edge.events import Bar

Belief = NDArray[np.float64]

SURE = 0.9
"""Places are told from this chance on ...

The filter thinks itself surer than it is, for rendered music is all that it has learned from: from 0.75 on 90 % of the places told were right
on 66 recorded tracks and 79 % on 59 others; from 0.9 on 93 and 92 %, of 33 and 21 % of the beats.
"""

STILL_SURE = 0.8
"""... and then as long as the count goes on and this holds: 92 and 90 %, of 38 and 25 % of the beats, and fewer bars that are told in part."""

USUAL_BEATS = 32
"""What is usual is learned over so many beats, eight bars: 16 to 64 do alike."""

STEADY_SHARE = 1.0
"""Of the spread in other music: what varies less from beat to beat in this piece tells little, and is not amplified (a click's place in its hop).

At 0.3 clicks of 90 bpm, two thirds of a second apart, became a waltz; on recordings 0.3 to 1 do alike.
"""

SLIP = 0.002
"""Chance a beat that the count is wrong: a beat inserted or left out by tracker or band, or another metre from here on."""

MOST = 6.0
"""Most that one beat may say for or against a place, in nepers: a door that slams is no proof."""

THREES = 0.08
"""Share of music in bars of three, before anything was heard."""

LONGEST_RETURN = 8
"""Beats after which a beat is compared with itself: two bars of four, against two of three."""

MOST_RECURRENCE = 2.0
"""Most that a beat's likeness to those before may count: a mean product of spreads."""

DOUBT = 1e-3
"""Left to the other places when a person has said which one it is, as far as the metre goes."""

BETWEEN = 0.25
"""A beat that comes this much of a beat beside the count was put between beats: bars are not known any more."""

MISSED = 8
"""Beats that may be left out, two bars; the count goes on across them."""

OTHER_TEMPO = 1.25
"""Beats longer or shorter by more than this are other beats: half or double, or another song."""


def _turn(shift: int) -> Belief:
    """Matrix (7, 7) from a beat's place to that of the beat `shift` later, within each metre."""
    turn = np.zeros((len(PLACES), len(PLACES)))
    for row, (metre, place) in enumerate(PLACES):
        turn[row, PLACES.index((metre, (place - 1 + shift) % metre + 1))] = 1.0
    return turn


SPREADS: Final = np.array(SPREAD)
NOTHING: Final = np.zeros(len(FEATURES))
METRES: Final = np.array([metre for metre, _ in PLACES])
PRIOR: Final = np.where(METRES == 3, THREES / 3.0, (1.0 - THREES) / 4.0)
OF_PLACE: Final = np.array([[place == at for at in (1, 2, 3, 4)] for _, place in PLACES], dtype=float)
"""Sums over the metres, shape (7, 4)."""

COUNT: Final = _turn(1)
STEP: Final = (1.0 - SLIP) * COUNT + SLIP * (0.25 * COUNT @ COUNT + 0.25 * np.eye(len(PLACES)) + 0.5 * PRIOR)
"""From one beat to the next: the count goes on, or slips by one, or nothing is known any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a beat is in its bar.

    Attributes:
        beat_in_bar: 1 = downbeat; None where that is not sure enough.
        confidence: chance of the likeliest place, 0 to 1, be it told or not.
    """

    beat_in_bar: int | None
    confidence: float


class Usual:
    """What the beats of this piece have in common, so that what tells them apart stands out. `spread` of each feature over all music."""

    def __init__(self, spread: Features = SPREADS) -> None:
        self._spread = spread
        self._mean = np.zeros(len(FEATURES))
        self._power = spread**2
        self._beats = np.zeros(len(FEATURES))  # heard so far, by feature

    def against(self, features: Features) -> Features:
        """How unusual a beat is, each feature in its own spread, shape (18,); 0 for what is nan."""
        known = np.isfinite(features)
        self._beats += known
        off = np.where(known, features - self._mean, 0.0)
        self._mean += off * np.maximum(1.0 / np.maximum(self._beats, 1), 1.0 / USUAL_BEATS)
        off = np.where(known, features - self._mean, 0.0)
        self._power += np.where(known, off**2 - self._power, 0.0) * np.maximum(1.0 / (self._beats + 2), 1.0 / USUAL_BEATS)
        return np.asarray(off / np.sqrt(self._power + (STEADY_SHARE * self._spread) ** 2))


class Recurrence:
    """Whether beats are like those three and six before, or like those four and eight before, in whatever makes them unusual.

    It needs no idea of what a downbeat sounds like. Without it a waltz is heard in fours: 0.26 of the places right on made-up waltzes, 0.92 with it.
    """

    def __init__(self) -> None:
        self._past = np.zeros((LONGEST_RETURN, len(FEATURES)))

    def hear(self, unusual: Features) -> float:
        """Take the next beat, shape (18,), 0 where nothing was heard; how much more it is like threes, within +-`MOST_RECURRENCE`."""
        past = self._past
        three, four = past[-3] + past[-6], past[-4] + past[-8]
        more = float(unusual @ (three - four)) / (2 * len(FEATURES)) if past[-8].any() else 0.0
        self._past[:-1] = past[1:]
        self._past[-1] = unusual
        return max(-MOST_RECURRENCE, min(MOST_RECURRENCE, more))


class BarFilter:
    """The exact forward filter over the places of a beat, one step a beat (as `tracker`, but over beats)."""

    def __init__(self) -> None:
        self.belief = PRIOR.copy()
        """Chance of each of `PLACES` for the newest beat, shape (7,)."""
        self._weights = np.array(WEIGHTS)
        self._bias = np.array(BIAS)
        self._told = False

    def count(self, beats: int) -> None:
        """Go on by so many beats of which nothing was heard."""
        self.belief = self.ahead(beats)

    def hear(self, unusual: Features, threes: float) -> None:
        """Weigh what the newest beat sounds like, shape (18,), from `Usual`, and what `Recurrence` says."""
        says = np.where(METRES == 3, RECURRENCE * threes, 0.0)
        if not self._told:  # else a place that sounds wrong would speak for the other metre
            says += unusual @ self._weights + self._bias
        self.belief = self.belief * np.exp(np.clip(says - says.mean(), -MOST, MOST))
        self.belief /= self.belief.sum()

    def ahead(self, beats: int) -> Belief:
        """Chances for the beat that comes `beats` later, shape (7,)."""
        return np.asarray(self.belief @ np.linalg.matrix_power(COUNT if self._told else STEP, beats))

    def tell(self, ago: int) -> None:
        """A person says: the beat `ago` beats before the newest (or after it, < 0) is a bar's first. Only the metre is left to the music."""
        metres = np.where(METRES == 3, self.belief[METRES == 3].sum(), self.belief[METRES == 4].sum())
        first = np.array([place == 1 for _, place in PLACES]) @ np.linalg.matrix_power(COUNT, ago % 12)
        self.belief = (1.0 - DOUBT) * first * metres + DOUBT * PRIOR
        self._told = True

    def doubt(self) -> None:
        """A person's word is over, and with it all that was counted from it."""
        if self._told:
            self.belief = PRIOR.copy()
            self._told = False


class Bars:
    """Promised beats and the sound in, places in the bar out. `bands` of the spectrum."""

    def __init__(self, bands: int) -> None:
        self._listener = Listener(bands)
        self._begin()

    def _begin(self) -> None:
        self._listener.forget()
        self._filter = BarFilter()
        self._usual = Usual()
        self._recurrence = Recurrence()
        self._beats: deque[tuple[int, float]] = deque(maxlen=2)  # number and sample of the newest promised
        self._heard = 0  # number of the beat that the filter's belief is about
        self._period = 0.0
        self._place = Place(None, 0.0)
        self._next: tuple[int, int] | None = None  # metre and place of the beat after the newest, kept: it is asked for with every grid

    def hear(self, bands: Floats, now: int) -> None:
        """Take the bands, shape (71,), of the hop that ends at sample `now`; a hop left out is a gap."""
        self._listener.hear(bands, now)

    def promise(self, sample: float, period: float, *, lit: bool) -> None:
        """Take a promised beat and the beat period then, in samples; in the dark a person's word is over."""
        if not lit:
            self._filter.doubt()
        steps = self._steps(sample, period)
        if steps is None:
            self._begin()
        self._period = period
        number = self._beats[-1][0] if self._beats else 0
        if len(self._beats) == 2:
            self._weigh(*self._beats)
        self._beats.append((number + (steps or 0), sample))
        self._place = self._settle()
        self._next = self._foretell()

    def tell(self, sample: float) -> None:
        """A person says: on the beat at `sample`, past or to come, a bar begins."""
        if self._beats:
            number, last = self._beats[-1]
            self._filter.tell(self._heard - number - round((sample - last) / self._period))
            self._next = self._foretell()

    def place(self) -> Place:
        """Where the newest promised beat is."""
        return self._place

    def forecast(self, index: int) -> Bar | None:
        """Bars of the beats to come, the next to be promised being number `index`; None where that is not sure enough."""
        return None if self._next is None else Bar(self._next[0], index - self._next[1] + 1)

    def _foretell(self) -> tuple[int, int] | None:
        chances = self._ahead(1)
        best = int(chances.argmax())
        metre, place = PLACES[best]
        return (metre, place) if chances[best] >= self._least(place) else None

    def _settle(self) -> Place:
        chances = self._ahead(0) @ OF_PLACE
        best = int(chances.argmax())
        place, confidence = best + 1, float(chances[best])
        return Place(place if confidence >= self._least(place) else None, confidence)

    def _least(self, place: int) -> float:
        """Least chance at which `place` is told of a beat after the one settled last."""
        last = self._place.beat_in_bar
        return STILL_SURE if last is not None and place in {last + 1, 1} else SURE

    def _ahead(self, beats: int) -> Belief:
        newest = self._beats[-1][0] if self._beats else self._heard
        return self._filter.ahead(newest - self._heard + beats)

    def _steps(self, sample: float, period: float) -> int | None:
        """Beats from the last promised one to this; None where it is none of the same count."""
        if not self._beats:
            return 0
        gap = (sample - self._beats[-1][1]) / period
        steps = round(gap)
        same = 1.0 / OTHER_TEMPO < period / self._period < OTHER_TEMPO
        return steps if same and 1 <= steps <= MISSED and abs(gap - steps) <= BETWEEN else None

    def _weigh(self, beat: tuple[int, float], after: tuple[int, float]) -> None:
        """Bring the belief to a beat that is over, and weigh it."""
        steps = after[0] - beat[0]
        self._filter.count(beat[0] - self._heard)
        for _ in range(beat[0] - self._heard - 1):
            self._recurrence.hear(NOTHING)
        self._heard = beat[0]
        features = self._listener.describe(beat[1], beat[1] + (after[1] - beat[1]) / steps)
        unusual = NOTHING if features is None else self._usual.against(features)
        threes = self._recurrence.hear(unusual)
        if unusual.any():  # the first beat of all is the only usual one so far, and tells nothing
            self._filter.hear(unusual, threes)
