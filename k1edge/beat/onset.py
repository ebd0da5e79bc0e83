"""Onsets: transients as events of their own, reported some 20 ms after their attack and dated back to it.

Owned by the thread that pushes the pipeline. Peak picking after Boeck, Krebs and Schedl, "Evaluating the online capabilities of onset
detection methods" (ISMIR 2012), with one hop of look-ahead.
"""

from dataclasses import dataclass

import numpy as np

from k1edge.beat.spectrum import HOP, Novelty

NEIGHBOURS = 3
"""Hops before that a peak must top (30 ms): one attack rises over several overlapping windows."""

AVERAGE = 20
"""Hops of the local mean (0.2 s) that a peak must stand above: dense passages raise the bar."""

RISE = 0.12
"""... by this share of the running largest."""

AUDIBLE = 0.04
"""Least mean rise of the compressed bands (natural log units): the ripple of steady noise and hum stays below it."""

APART = 5
"""Hops between onsets (50 ms): a flam is one transient."""

DELAY_SAMPLES = 500
"""From the attack to the middle of its peak in the flux: the attack must first travel into the flank of the Hann window."""


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
    """One `Novelty` a hop in, at most one `Transient` out."""

    def __init__(self) -> None:
        self._flux = np.zeros(AVERAGE)
        self._raw_before = 0.0
        self._since = APART

    def process(self, novelty: Novelty) -> Transient | None:
        """Look whether the hop before this one was a peak."""
        flux = self._flux
        flux[:-1] = flux[1:]
        flux[-1] = novelty.flux
        raw, self._raw_before = self._raw_before, novelty.raw
        self._since += 1
        peak = float(flux[-2])
        if self._since < APART or raw < AUDIBLE or peak < flux[-1] or peak < flux[-2 - NEIGHBOURS : -1].max():
            return None
        if peak < float(flux.mean()) + RISE:
            return None
        self._since = 0
        # the vertex of the parabola through three hops: finer than the hop
        left, right = float(flux[-3]), float(flux[-1])
        bend = left - 2.0 * peak + right
        vertex = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
        return Transient(max(round((1.0 - vertex) * HOP) + DELAY_SAMPLES, 0), min(peak, 1.0))
