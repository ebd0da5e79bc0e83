"""Which of the tempi and places that a stretch of music allows is the one that people tap: a learned reading of the last sixteen beats.

A network of one second (`activation`) knows what a beat sounds like, not whether it is every second one, nor whether bass drum and snare come
on the beat or between. That shows in the pattern of bars: so whatever was heard is laid out in slots of a twelfth of a beat, under the tempo
that is believed and under each of its relatives, and a small network says which layout looks like music, if any does. Laid out so, fast music
and slow look alike, and nothing but the pattern decides. Trained by `tests/train`; how and on what is in `docs/training.md`.

Owned by the thread that pushes the pipeline.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.activation import Chances, shipped
from k1edge.beat.spectrum import Floats

SLOTS = 12
"""Of a beat: eighths, sixteenths and triplets each have their own."""

BEATS = 16
"""That are read: four bars of four. Of single readings on 93 songs 91 % prefer the true place to the one half a beat off; of eight beats 89 %."""

SLOT_EDGES = (np.arange(BEATS * SLOTS + 1) - 0.5) / SLOTS - BEATS
"""In beats from the newest one, which itself is not read: it has only begun."""

EDGES = (0, 3, 6, 10, 15, 21, 28, 35, 42, 49, 56, 64)
"""First bands of the twelve groups in which rises are laid out, from 65 Hz to 9.3 kHz, each some half an octave wide."""

CHANNELS = len(EDGES) + 3

RISES_LATER = 2
"""Hops that rises wait, so that they and the chances speak of the same moment, 4 hops before."""

RELATIVES = (
    (1.0, 0.0), (1.0, 0.5), (0.5, 0.0), (2.0, 0.0), (2.0, 1.0), (2 / 3, 0.0), (2 / 3, 1 / 3), (1.5, 0.0), (1.5, 0.5), (1.5, 1.0),
    (3.0, 0.0), (3.0, 1.0), (3.0, 2.0), (1 / 3, 0.0),
)  # fmt: skip
"""What music is mistaken for: (period, place of its beat), in beats. The first is what is believed."""

FASTEST, SLOWEST = 27.5, 109.5
"""Periods in hops, 218 to 55 bpm, that it was trained on: judged all of them, for music is music whatever tempi a person wants."""

SHARPNESS = 0.5
MOST = 4.0
"""Log-likelihood a beat for what looks likelier by a factor e, and what is the most to be said. Sixteen beats overlap with the sixteen before."""

SETTLES_BEATS = 32
LEAST_SHARPNESS = 0.06
SAME_TEMPO = 0.05
"""A tempo that has been held (within 5 %) gives way to others less and less, half as readily after 32 beats: a passage in half time is no other song.

The least is about what sixteen beats say shared out among the sixteen readings that they are part of.
"""

FIRST_AFTER_BEATS = 2.0
"""Nothing is read before so many beats have been heard."""

NEAREST_HOPS = 16
"""No two readings nearer than this: an estimate may waver about its beat."""

CENTRE = 0.5
"""From a hop's first edge to its middle."""

LARGEST = 30.0
"""Log-odds beyond which exp need not go."""

MEMORY = 2048
"""Hops that are kept: 18 beats at 55 bpm. Where a slower tempo is asked for (30 bpm: ten beats), older ones are read as silence."""


class Reading(NamedTuple):
    """How much likelier than what is believed another tempo and place is.

    Attributes:
        period_frames: frames per beat.
        phase: where in that beat the newest hop lies, [0, 1).
        nepers: log-likelihood against what is believed, of which it is 0.
    """

    period_frames: float
    phase: float
    nepers: float


class Verdict(NamedTuple):
    """What the last bars look like.

    Attributes:
        readings: what to believe more or less.
        right: chance that what is believed is the beat, 0 to 1.
        music: chance that it or one of its relatives is: that there is a beat at all.
        found: something else to believe from now on (`search`).
    """

    readings: list[Reading]
    right: float
    music: float
    found: Reading | None = None


UNREAD = Verdict([], 0.0, 0.0)


def relatives(period: float, beat: float, fastest: float, slowest: float) -> list[tuple[float, float]]:
    """Period and newest beat of every layout that is compared, in the unit of the arguments: first what is believed, then those within the tempi that may be."""
    return [
        (ratio * period, beat + (place - ratio if place > 0.0 else 0.0) * period)
        for ratio, place in RELATIVES
        if ratio == 1.0 or fastest <= ratio * period <= slowest
    ]


class Reader:
    """Keeps what was heard, and reads it once a beat."""

    def __init__(self) -> None:
        weights = shipped("reading")
        self._dense, self._dense_bias = np.ascontiguousarray(weights["dense.weight"].T), weights["dense.bias"]
        self._layer, self._layer_bias = np.ascontiguousarray(weights["layer.weight"].T), weights["layer.bias"]
        self._out, self._out_bias = weights["out.weight"][0], weights["out.bias"]
        self._sizes: Floats = np.diff([*EDGES, 71]).astype(np.float32)
        self._edges = np.array(EDGES)
        self._waiting: deque[Floats] = deque([np.zeros(len(EDGES), dtype=np.float32)] * RISES_LATER)
        self._sums = np.zeros((MEMORY, CHANNELS))  # of all that was heard up to each hop: a slot is a difference
        self._hops = 0
        self._phase = 0.0
        self._read_at = 0
        self._believed = 1.0  # period at the last reading, frames
        self._held_beats = 0

    def hear(self, rises: Floats, chances: Chances) -> None:
        """Take the next hop: rises of its bands, shape (71,), as the network has them, and what the network says."""
        groups: Floats = np.add.reduceat(rises, self._edges, dtype=np.float32)
        self._waiting.append(groups / self._sizes)
        self._take(self._waiting.popleft(), chances)

    @property
    def hops(self) -> int:
        """So many were heard or missed."""
        return self._hops

    def beats_heard(self) -> NDArray[np.float64]:
        """The network's chances of a beat, summed from the beginning up to 0, 1, 2, ... hops ago, shape (MEMORY - 1,)."""
        upto = np.maximum(self._hops - np.arange(MEMORY - 1), 0) % MEMORY
        told: NDArray[np.float64] = self._sums[upto, len(EDGES)]
        return told

    def miss(self, hops: int) -> None:
        """So many hops are lost: time has passed, and nothing is known of it."""
        for _ in range(min(hops, MEMORY)):
            self._take(0.0, (0.0, 0.0, 0.0))

    def _take(self, rises: Floats | float, chances: tuple[float, float, float]) -> None:
        before = self._sums[self._hops % MEMORY]
        self._hops += 1
        now = self._sums[self._hops % MEMORY]
        now[: len(EDGES)] = rises
        now[len(EDGES) :] = chances
        now += before

    def read(self, period_frames: float, phase: float, fastest: float, slowest: float) -> Verdict | None:
        """Once a beat, where a beat begins: judge what is believed and its relatives.

        Args:
            period_frames: the tempo that is believed, frames a beat.
            phase: where in its beat the newest hop lies, [0, 1).
            fastest: least period that may be, frames.
            slowest: largest one.

        Returns:
            What is to be believed from now on; None between beats.
        """
        begins = phase < 0.5 < self._phase
        self._phase = phase
        if not begins or self._hops - self._read_at < NEAREST_HOPS or self._hops < FIRST_AFTER_BEATS * period_frames:
            return None
        self._read_at = self._hops
        beat = self._hops - phase * period_frames
        periods, beats = np.array(relatives(period_frames, beat, min(fastest, FASTEST), max(slowest, SLOWEST))).T
        odds = self.judge(periods, beats + CENTRE)
        self._held_beats = self._held_beats + 1 if abs(period_frames / self._believed - 1.0) < SAME_TEMPO else 0
        self._believed = period_frames
        settled = max(LEAST_SHARPNESS, SHARPNESS * SETTLES_BEATS / (SETTLES_BEATS + self._held_beats))
        nepers = np.where(periods == period_frames, SHARPNESS, settled) * np.clip(odds - odds[0], -MOST, MOST)
        readings = [
            Reading(period, (self._hops - at) / period % 1.0, by)
            for period, at, by in list(zip(periods.tolist(), beats.tolist(), nepers.tolist(), strict=True))[1:]
            if fastest <= period <= slowest
        ]
        likely = np.exp(np.minimum(odds, LARGEST).astype(np.float64))
        return Verdict(readings, float(likely[0] / (1.0 + likely.sum())), float(1.0 - 1.0 / (1.0 + likely.sum())))

    def judge(self, periods: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.float32]:
        """Log-odds, shape (n,), against there being no beat, of layouts whose newest beat is `beats` (in hops since the beginning) and whose period is `periods`."""
        heard = self._laid_out(periods, beats)
        dense = np.maximum(heard @ self._dense + self._dense_bias, 0.0)  # a small product for each layout: none wakes the BLAS's threads
        layer = np.maximum(dense.reshape(len(periods), 1, -1) @ self._layer + self._layer_bias, 0.0)
        told: NDArray[np.float32] = layer[:, 0] @ self._out + self._out_bias
        return told

    def _laid_out(self, periods: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.float32]:
        """Slots of the last beats, shape (n, BEATS, SLOTS * CHANNELS), the oldest first: the newest ends before the beat that begins now."""
        oldest = max(self._hops - MEMORY + 1, 0)
        edges = np.clip(beats[:, None] + periods[:, None] * SLOT_EDGES, oldest, self._hops - 1e-6)
        whole = edges.astype(np.intp)
        part = (edges - whole)[..., None]
        sums = self._sums[whole % MEMORY] * (1.0 - part) + self._sums[(whole + 1) % MEMORY] * part
        slots = np.log1p(np.maximum(np.diff(sums, axis=1), 0.0)).astype(np.float32)
        return slots.reshape(len(periods), BEATS, SLOTS * CHANNELS)
