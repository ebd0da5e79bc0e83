"""Where else the beat may lie, for when the reading of bars says that it is not where it is believed.

A filter that has settled on three quarters of the tempo, or a third of a beat aside, has no belief left in what is right, and finds nothing
but itself. The reading does not care what is believed: so whatever lies where beats were heard is proposed to it, and what it finds right twice
in a row is believed. Half and double, the off-beat and three halves are left to `reading`, which weighs them every beat: which of those people tap
is a matter of degree, and to jump there did more harm than good (docs/beats-ablation.md).

Owned by the thread that pushes the pipeline.
"""

from math import exp

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.reading import BEATS, CENTRE, FASTEST, SLOWEST, Reader, Reading

DOUBTED = 0.15
"""A chance of being right below which something else is looked for."""

CONVINCING = 0.8
TIMES = 2
"""A chance from which something else is believed, once it has come so often in a row."""

TEMPI, PLACES, COMBED = 96, 16, 12
"""Periods tried, in equal ratios; places of the beat for each; beats back that are summed."""

HALF_WIDTH_BEATS, LEAST_HALF_WIDTH_HOPS = 0.05, 1.5
"""How far about a place beats are looked for."""

PROPOSED = 8
"""Of the best periods so many are judged."""

FINE_TEMPI = np.linspace(0.988, 1.012, 7)
FINE_PLACES = np.linspace(-0.04, 0.04, 5)
"""About a proposal, over all beats that are read: to half a hop at the oldest."""

LEAST_HOPS = 300
"""Heard before anything is proposed."""

OTHERS_CONCERN = (0.5, 2.0, 2.0 / 3.0, 1.5)
ALIKE_TEMPO, ALIKE_PLACE, SAME_TEMPO = 0.05, 0.12, 0.03

Layout = tuple[float, float]
"""Period and newest beat, in hops since the beginning; beats as `Reader.judge` takes them."""


class Search:
    """Asked once a beat with what is believed; tells of something better."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._found: list[Layout] = []
        self._periods = np.exp(np.linspace(np.log(FASTEST + 0.5), np.log(SLOWEST - 0.5), TEMPI))
        self._places = np.arange(PLACES) / PLACES
        back = self._periods[:, None, None] * (self._places[None, :, None] + np.arange(COMBED))
        half = np.maximum(LEAST_HALF_WIDTH_HOPS, HALF_WIDTH_BEATS * self._periods)[:, None, None]
        self._since = np.rint(back + half).astype(np.intp)
        self._until = np.rint(np.maximum(back - half, 0.0)).astype(np.intp)
        self._widths = (2.0 * half)[:, :, 0]

    def look(self, believed: Layout, right: float, fastest: float, slowest: float) -> Reading | None:
        """Something better than what is believed, if it has been found often enough.

        Args:
            believed: what it is that may be wrong.
            right: the chance that it is right, 0 to 1.
            fastest: least period that may be, hops.
            slowest: largest one.
        """
        heard = self._reader.hops
        if right >= DOUBTED or heard < LEAST_HOPS:
            self._found.clear()
            return None
        layouts = [each for each in self._proposals() if fastest <= each[0] <= slowest and not of_others_concern(each, believed)]
        if not layouts:
            self._found.clear()
            return None
        odds = self._reader.judge(*np.array([believed, *layouts]).T)
        best = int(odds[1:].argmax())
        layout, likelier = layouts[best], float(odds[1 + best])
        chance = 1.0 / (1.0 + exp(-likelier) + exp(float(odds[0]) - likelier))
        if chance < CONVINCING:
            self._found.clear()
            return None
        if self._found and not goes_on(layout, self._found[-1]):
            self._found.clear()
        self._found.append(layout)
        if len(self._found) < TIMES:
            return None
        self._found.clear()
        period, beat = layout
        return Reading(period, (heard - beat + CENTRE) / period % 1.0, likelier - float(odds[0]))

    def _proposals(self) -> list[Layout]:
        """Periods whose beats, at their best place, were heard better than those of their neighbours; the best first."""
        sums = self._reader.beats_heard()
        counts = np.clip(self._reader.hops / self._periods, 4.0, COMBED)[:, None]
        heard = (sums[self._until] - sums[self._since]).sum(axis=2) / (self._widths * counts)
        best = heard.max(axis=1)
        padded = np.pad(best, 1, constant_values=-np.inf)
        tops = np.flatnonzero((best >= padded[:-2]) & (best >= padded[2:]))
        tops = tops[np.argsort(-best[tops], kind="stable")][:PROPOSED]
        return [self._refined(self._periods[top], self._places[heard[top].argmax()], sums) for top in tops]

    def _refined(self, period: float, place: float, sums: NDArray[np.float64]) -> Layout:
        """A proposal's period and place, finer."""
        periods, places = period * FINE_TEMPI[:, None, None], place + FINE_PLACES[:, None]
        back = periods * (places + np.arange(BEATS))
        half = max(LEAST_HALF_WIDTH_HOPS, HALF_WIDTH_BEATS * period)
        since, until = (np.clip(np.rint(back + by), 0, len(sums) - 1).astype(np.intp) for by in (half, -half))
        tempo, at = np.unravel_index((sums[until] - sums[since]).sum(axis=2).argmax(), (len(FINE_TEMPI), len(FINE_PLACES)))
        exact = float(period * FINE_TEMPI[tempo])
        return exact, self._reader.hops - float(place + FINE_PLACES[at]) * exact


def of_others_concern(layout: Layout, believed: Layout) -> bool:
    """Whether it is what is believed, or a relative of it that `Reader` weighs anyway."""
    ratio = layout[0] / believed[0]
    if abs(ratio - 1.0) < ALIKE_TEMPO:
        beats = 2.0 * (layout[1] - believed[1]) / believed[0]  # in half beats: the beat itself, and the off-beat
        return abs(beats - round(beats)) < 2.0 * ALIKE_PLACE
    return any(abs(ratio / other - 1.0) < ALIKE_TEMPO for other in OTHERS_CONCERN)


def goes_on(layout: Layout, before: Layout) -> bool:
    """Whether two layouts, found one after the other, are one tempo and one place of the beat."""
    beats = (layout[1] - before[1]) / layout[0]
    return abs(layout[0] / before[0] - 1.0) < SAME_TEMPO and abs(beats - round(beats)) < ALIKE_PLACE
