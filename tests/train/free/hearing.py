"""What the offline labels listen to: the rises of five voices over a whole file, as k1edge's own front end has them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from k1edge.beat.spectrum import FRAME_RATE_HZ, VOICES
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train.bands import spectra

Floats = NDArray[np.float64]

LIMIT_S = 120.0
"""Longer files are cut: variety is worth more than minutes."""

EDGES = (0, 6, 19, 39, 59)
"""First band of each voice: bass drum to 130 Hz, bass, low mids, snare, cymbals."""

KICK, BASS, MIDS, SNARE, HATS = range(5)

DELAY_S = 0.022
"""An attack peaks this much later in the novelty than it sounds (tracker modules, whose rows are exact, say 26 ms, recorded songs 22, drums 16)."""


@dataclass(frozen=True)
class Sound:
    """What a file sounds like, 100 frames a second.

    Attributes:
        flux, evidence, off_beat: like k1edge's novelty, but level over the past and the future.
        voices: rises of five voices, shape (n, 5), each level with itself over some seconds.
        seconds: length of what was read.
    """

    flux: Floats
    evidence: Floats
    off_beat: Floats
    voices: Floats
    seconds: float


def read(path: Path) -> NDArray[np.float32]:
    """Mono at 44.1 kHz, at most `LIMIT_S`."""
    with soundfile.SoundFile(path) as file:
        samples = file.read(int(LIMIT_S * file.samplerate), dtype="float32", always_2d=True).mean(axis=1)
        rate = file.samplerate
    return np.asarray(samples if rate == SAMPLE_RATE_HZ else soxr.resample(samples, rate, SAMPLE_RATE_HZ), dtype=np.float32)


def level(rises: Floats, keep_s: float = 6.0) -> Floats:
    """Rises against their largest nearby, on both sides in time."""
    fall = np.arange(len(rises)) / (keep_s * FRAME_RATE_HZ)
    logs = np.log(rises + 1e-9)
    before = np.maximum.accumulate(logs + fall[:, None], axis=0) - fall[:, None]
    after = (np.maximum.accumulate((logs - fall[:, None])[::-1], axis=0))[::-1] + fall[:, None]
    largest = np.exp(np.maximum(before, after))
    floor = 0.02 * largest.max(axis=1, keepdims=True)
    return np.asarray((rises / np.maximum(largest, np.maximum(floor, 1e-4))) ** 0.7)


def hear(path: Path) -> Sound:
    """Read a file and run the front end over it."""
    samples = read(path)
    bands = spectra(samples)
    loud = np.percentile(bands.sum(axis=1), 98) + 1e-6
    logs = np.log1p(bands * (10.0 / loud))
    wide = np.maximum(np.maximum(logs, np.roll(logs, 1, 1)), np.roll(logs, -1, 1))
    rise = np.maximum(logs[1:] - wide[:-1], 0.0)
    groups = np.add.reduceat(rise, EDGES, axis=1) / np.diff((*EDGES, bands.shape[1]))
    voices = level(np.vstack((np.zeros((1, 5)), groups)))
    four = np.stack((voices[:, :2].max(axis=1), *voices[:, 2:].T), axis=1)
    flux, evidence, off_beat = (four @ (np.array(weights) / np.abs(weights).sum()) for weights in VOICES)
    return Sound(flux, evidence - running(evidence, 3.0), off_beat - running(off_beat, 3.0), voices, len(samples) / SAMPLE_RATE_HZ)


def running(curve: Floats, seconds: float) -> Floats:
    """The mean around each frame."""
    width = int(seconds * FRAME_RATE_HZ)
    return np.asarray(np.convolve(curve, np.ones(width) / width, mode="same"))


def times(count: int) -> Floats:
    """When each frame's attack sounded."""
    return (np.arange(count) + 1.0) / FRAME_RATE_HZ - DELAY_S


def rhythm(sound: Sound) -> Floats:
    """One curve for the tempo: all voices, level with themselves, less their running mean."""
    curve = sound.voices @ np.array([1.0, 0.5, 0.5, 1.0, 0.7]) + sound.flux
    return np.asarray(curve - running(curve, 2.0))
