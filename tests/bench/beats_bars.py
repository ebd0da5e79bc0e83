"""Places in the bar: how many of the beats announced have one, and how many of those are right.

Counted are the beats whose tempo is right: those that fall on a true beat as the one before fell on the true beat before. What is twice as
fast as what is annotated has bars of its own. Bars of two are right where odd beats are called odd.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from k1edge.audio import synth
from k1edge.beat.bar import Bars
from k1edge.beat.pipeline import DEFAULT_LEAD_MS
from k1edge.beat.spectrum import HOP, Spectrum
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.bench.beats_hearing import Heard, Samples, hear
from tests.bench.figures import Figures

WITHIN_S = 0.07
SONG_S = 60.0
SEEDS = (3, 7)
MOST_BEATS = 7
"""More between two annotated downbeats are a hole in the annotation."""

Told = Sequence[tuple[float, int | None]]
"""Beats in s and their places, as announced."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A true beat: when, where in its bar (0 = not known), and beats of that bar."""

    time_s: float
    place: int
    metre: int


def counted(beats_s: Sequence[float], downbeats_s: Sequence[float]) -> list[Truth]:
    """Places by counting from each annotated downbeat to the next; the last bar is as long as the one before it."""
    beats = np.asarray(beats_s)
    first = sorted({int(np.abs(beats - down).argmin()) for down in downbeats_s if np.abs(beats - down).min() < WITHIN_S})
    truth = [Truth(beat, 0, 0) for beat in beats_s]
    metre = 0
    for at, end in pairwise([*first, len(truth)]):
        metre = end - at if end < len(truth) else min(metre, end - at)
        for number in range(at, at + metre if 1 < metre <= MOST_BEATS else at):
            truth[number] = Truth(beats_s[number], number - at + 1, metre)
    return truth


def judged(truth: Sequence[Truth], told: Told) -> list[bool | None]:
    """Of the beats whose tempo is right and whose place is known: whether the place told is right, None = none was told."""
    times = np.array([beat.time_s for beat in truth])
    found: list[bool | None] = []
    before = None
    for beat_s, place in told:
        near = int(np.abs(times - beat_s).argmin()) if len(times) else 0
        at = near if len(times) and abs(times[near] - beat_s) <= WITHIN_S else None
        if at is not None and before == at - 1 and truth[at].place:
            found.append(None if place is None else _same(place, truth[at]))
        before = at
    return found


def _same(place: int, truth: Truth) -> bool:
    return place % 2 == truth.place % 2 if truth.metre == 2 else place == truth.place


def of(heard: Heard) -> Told:
    """What the pipeline told."""
    return [(beat.sample / SAMPLE_RATE_HZ, beat.beat_in_bar) for beat in heard.beats]


def given(samples: Samples, beats_s: Sequence[float]) -> Told:
    """What is told of beats that are known to be right, each as far ahead as the pipeline commits it."""
    spectrum, bars = Spectrum(), Bars(71)
    beats = np.asarray(beats_s) * SAMPLE_RATE_HZ
    periods = np.gradient(beats) if len(beats) > 1 else np.ones(len(beats))
    told: list[tuple[float, int | None]] = []
    for now in range(HOP, len(samples) + 1, HOP):
        bars.hear(spectrum.process(samples[now - HOP : now]), now)
        while len(told) < len(beats) and beats[len(told)] - DEFAULT_LEAD_MS * 1e-3 * SAMPLE_RATE_HZ <= now:
            number = len(told)
            bars.promise(float(beats[number]), float(periods[max(number - 1, 0)]), lit=True)
            told.append((beats_s[number], bars.place().beat_in_bar))
    return told


def figures_of(figures: Figures, name: str, tracks: Iterable[Sequence[bool | None]], *, at_least: float | None = None) -> None:
    """Share told and share right, over all beats of all tracks."""
    rows = [row for row in tracks if row]
    beats = [each for row in rows for each in row]
    right = [each for each in beats if each is not None]
    if not beats:
        return
    note = f"of {len(beats)} beats of {len(rows)} tracks whose tempo was right"
    figures.add(f"{name}_beats_with_place", len(right) / len(beats), note=note)
    figures.add(f"{name}_places_right", sum(right) / len(right) if right else None, at_least=at_least, note="of those that have one")


def own(figures: Figures, names: Sequence[str]) -> None:
    """Synthesised songs, by the tracker and with the true beats given."""
    tracked, known = [], []
    for name in names:
        for seed in SEEDS:
            song = synth.song(name, seed=seed, seconds=SONG_S)
            beats_s = song.beats_s.tolist()
            truth = counted(beats_s, song.downbeats_s.tolist())
            tracked.append(judged(truth, of(hear(song.samples))))
            known.append(judged(truth, given(song.samples, beats_s)))
    figures_of(figures, "own_tracked", tracked, at_least=0.95)
    figures_of(figures, "own_given", known, at_least=0.95)
