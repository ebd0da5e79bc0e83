"""Sounds that are not music: silence, noise, hum, pads without onsets. Pure and seeded; float32 at 44.1 kHz, |x| <= 0.9. Owns no state."""

import numpy as np

from k1edge.audio.synth.shaping import Floats, Samples, at_level, frames, ticks
from k1edge.timebase import SAMPLE_RATE_HZ

MAX_NOISE_DBFS = -12.0
"""The loudest RMS at which noise keeps its crest within the peak limit."""


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(frames(seconds), dtype=np.float32)


def white(seconds: float, dbfs: float, *, seed: int = 0) -> Samples:
    """White noise (Gaussian) at an RMS of `dbfs`.

    Raises:
        ValueError: `dbfs` above `MAX_NOISE_DBFS`.
    """
    _check_level(dbfs)
    rng = np.random.default_rng(seed)
    return at_level(rng.standard_normal(frames(seconds), dtype=np.float32), dbfs)


def pink(seconds: float, dbfs: float, *, seed: int = 0) -> Samples:
    """Pink noise, -3 dB per octave above 20 Hz, at an RMS of `dbfs`.

    Raises:
        ValueError: `dbfs` above `MAX_NOISE_DBFS`.
    """
    _check_level(dbfs)
    n = frames(seconds)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1.0 / SAMPLE_RATE_HZ), 20.0))
    return at_level(np.fft.irfft(spectrum, n), dbfs)


def hiss(seconds: float, *, seed: int = 0) -> Samples:
    """What a quiet microphone gives in a quiet room: white noise at -60 dBFS."""
    return white(seconds, -60.0, seed=seed)


def hum(seconds: float, dbfs: float = -40.0, *, mains_hz: float = 50.0, seed: int = 0) -> Samples:
    """Mains hum with its odd-heavy harmonics, and a little hiss 30 dB below it."""
    rng = np.random.default_rng(seed)
    t = ticks(frames(seconds))
    heights = {1: 1.0, 2: 0.25, 3: 0.5, 4: 0.08, 5: 0.22, 7: 0.1}
    tone = sum(h * np.sin(2 * np.pi * mains_hz * k * t + rng.uniform(0, 2 * np.pi)) for k, h in heights.items())
    return at_level(tone + 0.03 * rng.standard_normal(t.size), dbfs)


def drone(seconds: float, dbfs: float = -20.0, *, seed: int = 0) -> Samples:
    """Sustained pads without an onset: chords that swell and fade over seconds, each under the next, at irregular intervals."""
    rng = np.random.default_rng(seed)
    out = np.zeros(frames(seconds))
    at_s = -6.0
    while at_s < seconds:
        length_s = float(rng.uniform(9.0, 15.0))
        start, stop = max(0, frames(at_s)), min(out.size, frames(at_s + length_s))
        t = np.arange(start, stop) / SAMPLE_RATE_HZ
        out[start:stop] += np.sin(np.pi * (t - at_s) / length_s) ** 2 * _chord(rng, t)
        at_s += length_s * float(rng.uniform(0.35, 0.6))
    return at_level(out, dbfs)


def _chord(rng: np.random.Generator, t: Floats) -> Floats:
    """Four notes of a pentatonic scale, three harmonics each; no two partials close enough to beat at a rhythm."""
    total = np.zeros(t.size)
    for pitch in rng.choice([45, 52, 57, 60, 64, 67, 69, 74], size=4, replace=False):
        z = np.exp(2j * np.pi * (440.0 * 2.0 ** ((int(pitch) - 69) / 12) * t + rng.random()))
        total += (z * (1.0 + z * (0.3 + 0.12 * z))).imag
    return total


def _check_level(dbfs: float) -> None:
    if not dbfs <= MAX_NOISE_DBFS:
        msg = f"noise louder than {MAX_NOISE_DBFS} dBFS would clip, got {dbfs}"
        raise ValueError(msg)
