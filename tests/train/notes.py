"""What a piece is written in: notes whose times are beats, not seconds. A `Pulse` turns beats into seconds, so that any piece takes any tempo."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


class Note(NamedTuple):
    """One note; for drums the pitch is General MIDI's key."""

    beat: float
    beats: float
    pitch: int
    velocity: int


@dataclass
class Part:
    """Notes for one instrument: a General MIDI program, or drums."""

    role: str
    program: int
    notes: list[Note]
    drive: float = 0.0
    """How hard the amplifier is driven; 0 is clean."""


@dataclass(frozen=True)
class Pulse:
    """When each beat sounds, in seconds; straight between beats and beyond the ends."""

    times: Times

    def at(self, beat: float) -> float:
        last = len(self.times) - 1
        index = min(max(int(np.floor(beat)), 0), last - 1)
        return float(self.times[index] + (beat - index) * (self.times[index + 1] - self.times[index]))

    def inverse(self, time: float) -> float:
        """Which beat sounds at `time`."""
        index = min(max(int(np.searchsorted(self.times, time, side="right")) - 1, 0), len(self.times) - 2)
        return float(index + (time - self.times[index]) / (self.times[index + 1] - self.times[index]))


def steady(bpm: float, beats: int, rng: np.random.Generator, drift: float = 0.0) -> Pulse:
    """A pulse at `bpm`; with drift, its tempo wanders smoothly by about that share."""
    knots = rng.normal(0.0, drift, beats // 16 + 3)
    wander = np.interp(np.arange(beats) / 16.0, np.arange(len(knots)), knots)
    return Pulse(np.concatenate([[0.0], np.cumsum(60.0 / (bpm * np.exp(wander)))]))


def between(notes: Iterable[Note], first: float, last: float) -> list[Note]:
    """Notes that begin in [first, last), counted from `first`."""
    return [n._replace(beat=n.beat - first) for n in notes if first - 0.06 <= n.beat < last - 0.06]
