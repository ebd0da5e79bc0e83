"""Onsets: transients as events of their own, reported some 30 ms after their attack and dated back to it.

Owned by the thread that pushes the pipeline. Found by peak picking in the flux (Boeck, Krebs and Schedl, "Evaluating the online capabilities
of onset detection methods", ISMIR 2012) with one hop of look-ahead; dated by the steepest rise of the sound itself, for the flux knows an
attack only as it enters the flank of a 46 ms window, and low drums enter later than cymbals.
"""

from dataclasses import dataclass

import numpy as np

from k1edge.beat.spectrum import HOP, Floats, Novelty

NEIGHBOURS = 3
"""Hops before that a peak must top (30 ms): one attack rises over several overlapping windows."""

AVERAGE = 50
"""Hops of the local mean (0.5 s) that a peak must stand above: dense passages raise the bar."""

TIMES = 2.2
"""A peak is this many times the local mean: steady noise reaches 1.9, a drum 5 and more."""

RISE = 0.05
"""... and this share of the running largest."""

AUDIBLE = 6e-4
"""Least mean rise of the compressed bands: hum and dither ripple below, a bass drum brings 0.02."""

APART = 5
"""Hops between onsets (50 ms): a flam is one transient."""

STEP = 44
"""Samples per step of the attack search (1 ms)."""

SEARCHED = 66
"""Steps searched: the peak's hop and the one after, the window's rising half, and room for what was before."""

BEFORE = 12
AFTER = 6
"""Steps averaged before and after a candidate attack: longer than a period of a bass drum's onset, shorter than a drum."""


@dataclass(frozen=True, slots=True)
class Transient:
    """A peak of the flux.

    Attributes:
        age_samples: how long before the newest sample its attack was, >= 0.
        strength: 0 to 1.
    """

    age_samples: int
    strength: float


class OnsetDetector:
    """One hop of samples and its `Novelty` in, at most one `Transient` out."""

    def __init__(self) -> None:
        self._flux = np.ones(AVERAGE)  # unknown yet: the first ripple of noise is no attack
        self._samples = np.zeros(SEARCHED * STEP, dtype=np.float32)
        self._raw_before = 0.0
        self._since = APART

    def process(self, hop: Floats, novelty: Novelty) -> Transient | None:
        """Look whether the hop before this one was a peak."""
        self._samples[:-HOP] = self._samples[HOP:]
        self._samples[-HOP:] = hop
        flux = self._flux
        flux[:-1] = flux[1:]
        flux[-1] = novelty.flux
        raw, self._raw_before = self._raw_before, novelty.raw
        self._since += 1
        peak = float(flux[-2])
        if self._since < APART or raw < AUDIBLE or peak < flux[-1] or peak < flux[-2 - NEIGHBOURS : -1].max():
            return None
        if peak < max(TIMES * float(flux.mean()), RISE):
            return None
        self._since = 0
        return Transient(self._attack_age(), min(peak, 1.0))

    def _attack_age(self) -> int:
        """Samples from the steepest rise of the sound to the newest sample."""
        steps = self._samples.reshape(SEARCHED, STEP)
        loudness = np.abs(steps).max(axis=1)
        total = np.concatenate(([0.0], np.cumsum(loudness)))
        at = np.arange(BEFORE, SEARCHED - AFTER + 1)
        after = (total[at + AFTER] - total[at]) / AFTER
        before = (total[at] - total[at - BEFORE]) / BEFORE
        best = int(np.argmax(after - before))
        return int((SEARCHED - at[best]) * STEP)
