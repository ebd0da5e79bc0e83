"""Musical time: from beats to seconds through steady stretches, steps and ramps, exactly. Owns no state."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TempoSegment:
    """A stretch of `beats` whose tempo goes from `bpm` to `bpm_end`, linearly in time.

    Attributes:
        beats: its length, > 0.
        bpm: tempo at its start, > 0.
        bpm_end: tempo at its end, > 0; equal to `bpm` for a steady stretch.
    """

    beats: float
    bpm: float
    bpm_end: float

    def __post_init__(self) -> None:
        if not (self.beats > 0.0 and self.bpm > 0.0 and self.bpm_end > 0.0):
            msg = f"a tempo segment needs a length and tempi above 0, got {self}"
            raise ValueError(msg)

    @property
    def seconds(self) -> float:
        """Its duration: a tempo that is linear in time passes through its mean."""
        return 120.0 * self.beats / (self.bpm + self.bpm_end)


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Consecutive segments, beat 0 at `origin_s`. Before beat 0 and after the last segment the nearest tempo carries on.

    With v the tempo in beats per s and a its slope, beats b = v t + a t^2 / 2 inverts to t = 2 b / (v + sqrt(v^2 + 2 a b)),
    which stays exact as a goes to 0.
    """

    segments: tuple[TempoSegment, ...]
    origin_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.segments:
            msg = "a tempo map needs at least one segment"
            raise ValueError(msg)

    @property
    def beats(self) -> float:
        """Beats in all segments together."""
        return sum(s.beats for s in self.segments)

    def time_at(self, beat: ArrayLike) -> Floats:
        """Seconds at which each beat position falls (fractions allowed), the shape of `beat`."""
        start_s, local, speed, slope = self._located(beat)
        return np.asarray(start_s + 2.0 * local / (speed + np.sqrt(speed**2 + 2.0 * slope * local)))

    def bpm_at(self, beat: ArrayLike) -> Floats:
        """Momentary tempo at each beat position; at a step, that of the new stretch."""
        _, local, speed, slope = self._located(beat)
        return np.asarray(60.0 * np.sqrt(speed**2 + 2.0 * slope * local))

    def _located(self, beat: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
        """Start in s, beats since the start, speed there and its slope, of the segment each beat lies in."""
        position = np.asarray(beat, dtype=np.float64)
        edges = np.cumsum([0.0, *(s.beats for s in self.segments)])
        starts = np.cumsum([self.origin_s, *(s.seconds for s in self.segments)])
        first, last = self.segments[0], self.segments[-1]
        speeds = np.array([first.bpm, *(s.bpm for s in self.segments), last.bpm_end]) / 60.0
        slopes = np.array([0.0, *((s.bpm_end - s.bpm) / 60.0 / s.seconds for s in self.segments), 0.0])
        which = np.searchsorted(edges, position, side="right")  # 0 = before the first, len + 1 - 1 = after the last
        anchor = np.maximum(which - 1, 0)
        return starts[anchor], position - edges[anchor], speeds[which], slopes[which]
