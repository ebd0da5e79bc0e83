"""The tracker run over sound in memory, and what it announced."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import DEFAULT_LEAD_MS, Pipeline
from k1edge.drift.score import WINDOW_S
from k1edge.events import Beat, BeatGrid
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex

Samples = NDArray[np.float32]

BLOCK = 441
LEAST_APART_S = 0.16
"""No two beats of a forecast nearer than this: the tracker itself commits none nearer."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the tracker told of one sound.

    Attributes:
        beats: committed ones.
        grids: all that were published.
        seconds: length of the sound.
        cpu_s: what it cost.
    """

    beats: list[Beat]
    grids: list[BeatGrid]
    seconds: float
    cpu_s: float

    @property
    def announced(self) -> list[tuple[float, float]]:
        """(beat, sound heard when it was committed) in s."""
        return [(beat.sample / SAMPLE_RATE_HZ, beat.heard / SAMPLE_RATE_HZ) for beat in self.beats]

    @property
    def times(self) -> list[float]:
        """Beats in s."""
        return [beat.sample / SAMPLE_RATE_HZ for beat in self.beats]

    def foreseen(self, lead_s: float) -> list[tuple[float, float]]:
        """The beats as somebody sees them who takes each from the grids published, `lead_s` ahead, and keeps to it."""
        taken: list[tuple[float, float]] = []
        number = 0
        for grid in self.grids:
            if grid.timeline is None:
                continue
            heard_s = grid.heard / SAMPLE_RATE_HZ
            number = max(number, grid.next_index)
            while (due_s := grid.timeline.time_at(number) / SAMPLE_RATE_HZ) <= heard_s + lead_s:
                if due_s >= heard_s and (not taken or due_s >= taken[-1][0] + LEAST_APART_S):
                    taken.append((due_s, heard_s))
                number += 1
        return taken


def hear(samples: Samples, *, lead_ms: float = DEFAULT_LEAD_MS, block: int = BLOCK, pipeline: Pipeline | None = None) -> Heard:
    """Run a fresh tracker (or `pipeline`) over `samples`, mono at 44.1 kHz."""
    pipeline = pipeline or Pipeline(lead_ms)
    samples = np.array(samples, dtype=np.float32)  # the tracker may keep its blocks
    begin = time.process_time()
    blocks = (AudioBlock(samples[start : start + block], SampleIndex(start), 0, None) for start in range(0, len(samples), block))
    events = [event for each in blocks for event in pipeline.push(each)]
    cpu_s = time.process_time() - begin
    beats = [event for event in events if isinstance(event, Beat)]
    grids = [event for event in events if isinstance(event, BeatGrid)]
    return Heard(beats, grids, len(samples) / SAMPLE_RATE_HZ, cpu_s)


def flywheel_off_s(samples: Samples, at_s: float) -> float:
    """How far the tracker, that has heard everything before `at_s`, expects the nearest beat from there, light or not; 0 and more."""
    pipeline = Pipeline()
    hear(samples[: round(at_s * SAMPLE_RATE_HZ) // BLOCK * BLOCK], pipeline=pipeline)
    wheel = pipeline.flywheel()
    beats = wheel.beat_at(at_s * SAMPLE_RATE_HZ)
    return abs(beats - round(beats)) * wheel.period / SAMPLE_RATE_HZ


def shared(one: Sequence[float], other: Sequence[float], within_s: float) -> float:
    """Share of the beats of both that have a counterpart in the other within +- `within_s`; 1 where neither has any."""
    total = len(one) + len(other)
    if not total:
        return 1.0
    first, second = np.asarray(one), np.asarray(other)
    near = np.abs(first[:, None] - second[None, :]) <= within_s + 1e-9
    return float(near.any(axis=1).sum() + near.any(axis=0).sum()) / total


class Clockwork:
    """Tells on stderr how far a long run has come: a line per stage, and the share done where there is a terminal."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._begin = now()

    def stage(self, what: str) -> None:
        """A new part of the work."""
        sys.stderr.write(f"[{self._now() - self._begin:5.0f} s] {what}\n")
        sys.stderr.flush()

    def step(self, done: int, of: int, what: str = "") -> None:
        """So much of it is done."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r[{self._now() - self._begin:5.0f} s] {done}/{of} {what[:60]:60}" + ("\n" if done == of else ""))
        elif done % 20 == 0:
            sys.stderr.write(f"[{self._now() - self._begin:5.0f} s] {done}/{of}\n")
        sys.stderr.flush()


__all__ = ["BLOCK", "WINDOW_S", "Clockwork", "Heard", "Samples", "hear", "shared"]
