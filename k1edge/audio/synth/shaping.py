"""Shaping of short sounds and noise: spectra, envelopes, levels. Pure functions over float arrays at 44.1 kHz.

Levels are RMS in dB against an RMS of 1.0 (dBFS as `BeatGrid.level_dbfs` counts it). Owns no state.
"""

import numpy as np
from numpy.typing import NDArray

from k1edge.timebase import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

PEAK_LIMIT = 0.9
"""No sample of a finished sound lies beyond this, so that no converter behind us clips."""


def frames(seconds: float) -> int:
    """Whole samples in `seconds`, rounded to the nearest."""
    return round(seconds * SAMPLE_RATE_HZ)


def ticks(n: int) -> Floats:
    """Times in s of `n` samples, from 0."""
    return np.arange(n) / SAMPLE_RATE_HZ


def rms_dbfs(samples: NDArray[np.floating]) -> float:
    """RMS level in dBFS; -inf for digital silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return 10.0 * float(np.log10(power)) if power > 0.0 else -np.inf


def at_level(samples: NDArray[np.floating], dbfs: float) -> Samples:
    """`samples` scaled to an RMS of `dbfs`, held within `PEAK_LIMIT`; digital silence stays what it is."""
    level = rms_dbfs(samples)
    gain = 10.0 ** ((dbfs - level) / 20.0) if np.isfinite(level) else 0.0
    return np.clip(samples * gain, -PEAK_LIMIT, PEAK_LIMIT).astype(np.float32)


def peaked(samples: NDArray[np.floating]) -> Samples:
    """`samples` scaled to a peak of 1."""
    return (samples / max(float(np.max(np.abs(samples))), 1e-12)).astype(np.float32)


def band_noise(rng: np.random.Generator, n: int, low_hz: float, high_hz: float, slope: int = 4) -> Floats:
    """Gaussian noise of unit RMS between two corner frequencies, `6 * slope` dB per octave outside, shape (n,)."""
    size = fast_length(n)
    freq = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ) + 1e-3
    gain = 1.0 / np.sqrt((1.0 + (low_hz / freq) ** (2 * slope)) * (1.0 + (freq / high_hz) ** (2 * slope)))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * gain, size)[:n]
    return np.asarray(noise / max(float(np.std(noise)), 1e-12))


def in_room(shot: NDArray[np.floating], wet: float, decay_s: float) -> Samples:
    """`shot` followed by a diffuse tail: -60 dB after `decay_s`, first reflection 7 ms late so that the attack stays where it is."""
    n = frames(decay_s)
    rng = np.random.default_rng(7)  # one room for everybody
    tail = band_noise(rng, n, 250.0, 6000.0, 1) * np.exp(-6.9 * ticks(n) / decay_s)
    tail[: frames(0.007)] = 0.0
    tail *= wet / np.sqrt(np.sum(np.square(tail)))
    tail[0] = 1.0
    size = fast_length(shot.size + n)
    wet_shot = np.fft.irfft(np.fft.rfft(shot, size) * np.fft.rfft(tail, size), size)[: shot.size + n]
    return wet_shot.astype(np.float32)


def faded(samples: Samples, attack_s: float, release_s: float) -> Samples:
    """A copy with raised-cosine edges; edges longer than the sound are shortened to fit."""
    out = samples.copy()
    rise, fall = (min(frames(s), out.size) for s in (attack_s, release_s))
    if rise:
        out[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    if fall:
        out[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return out


def add_at(out: Samples, start: int, shot: Samples, gain: float) -> None:
    """Mix `shot` into `out` from sample `start` on, cutting what hangs over either end."""
    skip = max(0, -start)
    stop = min(out.size, start + shot.size)
    if stop > start + skip:
        out[start + skip : stop] += shot[skip : stop - start] * np.float32(gain)


def fast_length(n: int) -> int:
    """The next 2^k or 3 * 2^k: quick to transform."""
    power = 1 << max(n - 1, 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= n else power
