"""Label the beats of recorded music of strictly constant tempo, offline, with k1edge's own front end.

    python -m tests.train.free.label AUDIO...    one JSON line a file: the stretches on one strict grid, their beats' period, origin, confidence

A stretch is found without asking what a beat is (`grid`); which multiple of its period is the beat, and where it lies, is asked afterwards
(`readings`). What is doubtful, or what k1edge's own tracker contradicts, is dropped. Nothing is learned. Deterministic.
"""

import json
import sys
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import Pipeline
from k1edge.events import Beat
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex
from tests.train.free.grid import Stretch, jitter, stretches
from tests.train.free.hearing import Floats, Sound, hear, read, rhythm
from tests.train.free.readings import WEIGHTS, Reading, family, readings

FAMILY_MARGIN, OCTAVE_MARGIN, BARE_MARGIN, BACKBEAT, PLACE_MARGIN, STEADY_SHARE = 0.05, 0.3, 0.1, 0.15, 0.25, 0.7
FASTEST_S, SLOWEST_S = 60 / 164, 60 / 78

JITTER_S = 0.018
"""What sequencers and click tracks keep within (all but 3 of 80 such pieces), and people at a piano mostly do not."""

PART_S = 20.0

OPINION_S, LOCKED_S = 50.0, 12.0
"""How much the tracker hears for its opinion, and how much of that it may spend on finding the beat."""

CLEAR_FAMILY, CLEAR_PLACE = 0.1, 0.9
"""Margins that stand against the tracker's opinion: it mistakes three halves for the beat more often than this comparison does."""


@dataclass(frozen=True)
class Label:
    """A stretch with its beats: at origin + n * period.

    Attributes:
        family, octave, place: by how much the reading wins against three halves of its tempo, twice or half of it, other places in the beat.
        bare: by how much it wins against half its tempo without the prior; ballads read twice too fast do not.
        backbeat: how much bass drum and snare take turns.
        steady: share of the stretch's parts that by themselves are read alike.
        jitter: how far single bars stray from the grid (s).
    """

    start: float
    end: float
    period: float
    origin: float
    family: float
    octave: float
    place: float
    bare: float
    backbeat: float
    steady: float
    jitter: float

    @property
    def sure(self) -> bool:
        """Whether to keep it."""
        return (
            self.family >= FAMILY_MARGIN
            and self.octave >= OCTAVE_MARGIN
            and (self.bare >= BARE_MARGIN or self.backbeat >= BACKBEAT)
            and self.place >= PLACE_MARGIN
            and self.steady >= STEADY_SHARE
            and self.jitter <= JITTER_S
            and FASTEST_S <= self.period <= SLOWEST_S
        )


def main() -> None:
    """One line a file."""
    for name in sys.argv[1:]:
        sys.stdout.write(json.dumps({"audio": name, "labels": [asdict(about) for about in labels(Path(name))]}) + "\n")


def labels(path: Path) -> list[Label]:
    """What can be trusted of a piece; nothing where its stretches contradict each other."""
    sound = hear(path)
    found = [about for stretch in stretches(rhythm(sound)) if (about := label(sound, stretch)) is not None]
    sure = [about for about in found if about.sure]
    if not sure or not all(agree(one, other) for one in sure for other in sure):
        return []
    samples = read(path)
    return [about for about in sure if not contradicted(about, tracked(samples, about.start, about.end))]


def label(sound: Sound, stretch: Stretch) -> Label | None:
    """The likeliest reading and how sure it is; None where nothing plays."""
    found = readings(sound, stretch)
    if not found:
        return None
    best = found[0]
    _, family_margin = family(sound, stretch)
    octave = next((best.score - other.score for other in found if abs(other.period / best.period - 1) > 0.1), 9.0)
    place = next((best.score - other.score for other in found[1:] if abs(other.period / best.period - 1) < 0.1), 9.0)
    slow = [other.score - WEIGHTS["prior"] * other.parts["prior"] for other in found if other.period > 1.1 * best.period]
    bare = best.score - WEIGHTS["prior"] * best.parts["prior"] - max(slow) if slow else 9.0
    steady = steadiness(sound, stretch, best)
    return Label(
        stretch.start,
        stretch.end,
        best.period,
        best.origin,
        family_margin,
        octave,
        place,
        bare,
        best.parts["backbeat"],
        steady,
        jitter(rhythm(sound), stretch),
    )


def agree(one: Reading | Label, other: Reading | Label) -> bool:
    """Whether both are the same beats."""
    off = (one.origin - other.origin) / one.period
    return abs(one.period / other.period - 1) < 0.01 and abs(off - round(off)) < 0.1


def steadiness(sound: Sound, stretch: Stretch, best: Reading) -> float:
    """Share of the stretch's parts that are read alike."""
    edges = np.linspace(stretch.start, stretch.end, max(2, round((stretch.end - stretch.start) / PART_S) + 1))
    pieces = [Stretch(stretch.period, stretch.origin, float(a), float(b)) for a, b in pairwise(edges)]
    tops = [readings(sound, piece, best.period) for piece in pieces]
    return float(np.mean([bool(top) and agree(top[0], best) for top in tops]))


def tracked(samples: NDArray[np.float32], start: float, end: float) -> Floats:
    """What k1edge's causal tracker takes for beats (s) in a span, once it has had time to lock; not asked of the network, which learns from this."""
    pipeline, first = Pipeline(way="flux"), int(start * SAMPLE_RATE_HZ)
    last = int(min(end, start + OPINION_S) * SAMPLE_RATE_HZ)
    events = [
        event
        for at in range(first, last, SAMPLE_RATE_HZ)
        for event in pipeline.push(AudioBlock(samples[at : min(at + SAMPLE_RATE_HZ, last)], SampleIndex(at - first), 0, None))
    ]
    beats = np.array([event.sample / SAMPLE_RATE_HZ + start for event in events if isinstance(event, Beat)])
    return beats[beats > start + LOCKED_S]


def contradicted(about: Label, beats: Floats) -> bool:
    """Whether the tracker hears other beats, and the label is not clear enough to stand against it."""
    if len(beats) < 8:
        return about.place < 2 * PLACE_MARGIN
    ratio = about.period / float(np.median(np.diff(beats)))
    off = np.abs((beats - about.origin) / about.period - np.round((beats - about.origin) / about.period))
    if min(abs(np.log2(ratio)), abs(np.log2(ratio / 2)), abs(np.log2(ratio * 2))) > 0.1:
        return about.family < CLEAR_FAMILY
    stands = np.mean(off < 0.12) > 0.7 if ratio < 1.4 else np.mean((off < 0.12) | (off > 0.38)) > 0.7
    return not stands and about.place < CLEAR_PLACE


if __name__ == "__main__":
    main()
