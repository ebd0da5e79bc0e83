"""What a beat sounds like, in the features that tell the beats of a bar apart.

Owned by the thread that pushes the pipeline. A hop costs one copy of its bands; the work is done once a beat. All features are relative to
the running loudest, so that the microphone's gain cancels out.
"""

from math import exp, nan

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.spectrum import FORGET_S, FRAME_RATE_HZ, HOP, QUIETEST, Floats

Features = NDArray[np.float64]

REGIONS = (0, 4, 12, 39, 59)
"""First band of each: bass drum to 0.13 kHz, bass to 0.32, chords to 1.5, snare and voice to 4.7, cymbals."""

CHORDS = slice(14, 50)
BASS = slice(0, 10)
CYMBALS = slice(50, 71)
"""Bands compared between beats: 0.37 to 2.9 kHz, to 0.28 kHz, and from there up. No folding into twelve: octaves tell chords apart too."""

FEATURES = (
    *("bass drum", "bass", "chords", "snare", "cymbals"),  # rise on the beat
    *("bass drum off", "bass off", "chords off", "snare off", "cymbals off"),  # rise half a beat later
    *("harmony 1", "harmony 2", "harmony 4"),  # change against as many beats before
    *("bass note 1", "bass note 2", "bass note 4"),
    *("brightness 1", "brightness 2"),
)
"""Names of the features, in order."""

ONSET_GAIN = 10.0
TONE_GAIN = 100.0
"""log(1 + gain x), x = a band's share of the running loudest: attacks nearly linear, chords so that soft notes count. 10 to 1000 do alike."""

DELAY_HOPS = 420.0 / HOP + 1.0
"""From the hop that ends at the beat to the one with most of its rise: to the first that shows it (see `timeline`), and one more."""

AROUND = 1.0 / 8.0
"""Half the width of a slot, in beats: beat and half beat, and the quarters between them in neither."""

FAINT = 0.03
"""Size of a chord that is none: what is left between clicks reaches 0.01, chords of music begin at 0.07, and are 0.5 to 4 as a rule."""

TONE_FROM = 0.1
"""Of a beat, and a hop more: where the attack is over and the tone is heard."""

KEPT_HOPS = 512
"""Two beats at 30 bpm and their surroundings."""

PHRASE = 8
"""Beats of which the tones are kept: four against the four before."""


class Listener:
    """Bands of each hop in, features of a beat out."""

    def __init__(self, bands: int) -> None:
        self._rows = np.zeros((2 * KEPT_HOPS, bands), dtype=np.float32)
        self._next = 0  # row to be written, and again KEPT_HOPS further on, so that any stretch lies in one piece
        self._known = 0  # rows without a gap before the newest
        self._now = 0
        self._loudest = QUIETEST
        self._loud_at = 0
        self._tones = np.zeros((PHRASE, bands))  # of each beat, the newest last
        self._beats = 0  # of them that were heard
        self._sizes = np.diff((*REGIONS, bands))

    def hear(self, bands: Floats, now: int) -> None:
        """Take the bands, shape (71,), of the hop that ends at sample `now`; a hop left out is a gap."""
        if now != self._now + HOP:
            self._known = 0
        self._now = now
        at = self._next
        self._rows[at] = bands
        self._rows[at + KEPT_HOPS] = bands
        self._next = (at + 1) % KEPT_HOPS
        self._known = min(self._known + 1, KEPT_HOPS)

    def forget(self) -> None:
        """Compare nothing with the beats so far: the next are of another length, or of another song."""
        self._beats = 0

    def describe(self, beat: float, after: float) -> Features | None:
        """Features of the beat at sample `beat`, the next being at `after`; beats are told in order.

        Returns:
            Shape (18,), in the order of `FEATURES`, nan for what needs more beats before it; None where not all of it was heard, up to an eighth of a beat before `after`.
        """
        newest = self._next + KEPT_HOPS - 1
        first = (beat - self._now) / HOP + DELAY_HOPS + newest
        period = (after - beat) / HOP
        begin, end = round(first - AROUND * period) - 1, round(first + (1.0 - AROUND) * period)
        if end > newest + 1 or newest - begin >= self._known or period < 1.0:
            return None
        rows = self._rows[begin:end]
        self._weigh(rows)
        sounding = rows[min(round(first + TONE_FROM * period) + 1 - begin, len(rows) - 1) :]
        tones = np.log1p(sounding * (TONE_GAIN / self._loudest)).mean(axis=0)
        self._tones[:-1] = self._tones[1:]
        self._tones[-1] = tones
        self._beats += 1
        return np.concatenate((self._attacks(rows, first - begin, period), self._changes()))

    def _weigh(self, rows: Floats) -> None:
        """Keep the running loudest, as `spectrum` does, but looked at once a beat."""
        hops = (self._now - self._loud_at) / HOP
        self._loud_at = self._now
        self._loudest = max(float(rows.sum(axis=1).max()), self._loudest * exp(-hops / (FORGET_S * FRAME_RATE_HZ)), QUIETEST)

    def _attacks(self, rows: Floats, beat: float, period: float) -> Features:
        """Rise per region on the beat and half a beat later, shape (10,)."""
        loud = np.log1p(rows * np.float32(ONSET_GAIN / self._loudest))
        wide = loud[:-1].copy()
        np.maximum(wide[:, 1:], loud[:-1, :-1], out=wide[:, 1:])
        np.maximum(wide[:, :-1], loud[:-1, 1:], out=wide[:, :-1])
        rise = np.add.reduceat(np.maximum(loud[1:] - wide, 0.0), REGIONS, axis=1) / self._sizes
        slots = []
        for at in (beat, beat + 0.5 * period):
            low, high = round(at - AROUND * period) - 1, round(at + AROUND * period) - 1
            slots.append(rise[max(low, 0) : max(high, low + 1)].sum(axis=0))
        return np.concatenate(slots)

    def _changes(self) -> Features:
        """How far the tones of the last beats are from as many before, shape (8,); nan before enough was heard."""
        found = []
        pairs = {n: (self._tones[-n:].mean(axis=0), self._tones[-2 * n : -n].mean(axis=0)) for n in (1, 2, 4)}
        for part in (CHORDS, BASS):
            for n, (new, old) in pairs.items():
                found.append(_distance(new[part], old[part]) if self._beats >= 2 * n else nan)
        for n in (1, 2):
            new, old = pairs[n]
            found.append(float(np.abs(new[CYMBALS] - old[CYMBALS]).mean()) if self._beats >= 2 * n else nan)
        return np.array(found)


def _distance(a: Features, b: Features) -> float:
    """Sine of half the angle between two spectra, up to a factor: 0 for the same chord at any loudness, 1 for nothing in common; 0 if faint."""
    size = float(np.sqrt((a @ a + FAINT**2) * (b @ b + FAINT**2)))
    return float(np.sqrt(max(0.0, 1.0 - (float(a @ b) + FAINT**2) / size)))
