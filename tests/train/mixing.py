"""From parts to what a microphone or a record brings: amplifiers, balance, rooms, equalisers, compressors, noise. All seeded."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, lfilter, sosfilt

from k1edge.timebase import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]


def driven(part: Samples, drive: float, rng: np.random.Generator) -> Samples:
    """A guitar through an amplifier that clips and a loudspeaker that ends at some 5 kHz."""
    size = float(np.sqrt(np.mean(part**2))) + 1e-9
    pushed = np.tanh(part * np.float32(drive / size * rng.uniform(0.6, 1.8)))
    speaker = butter(2, [rng.uniform(70, 120), rng.uniform(4000, 7000)], "band", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(sosfilt(speaker, pushed), dtype=np.float32)


def level(part: Samples) -> float:
    """RMS where it plays."""
    power = part[: len(part) // 4410 * 4410].reshape(-1, 4410).astype(np.float64) ** 2
    loud = power.mean(axis=1)
    return float(np.sqrt(loud[loud > 0.01 * loud.max(initial=1e-12)].mean())) if loud.size and loud.max() > 0 else 1e-9


def room(mix: Samples, rng: np.random.Generator) -> Samples:
    """Sound in a room: exponentially fading noise, 0.15 to 1.2 s, with early reflections."""
    seconds = float(np.exp(rng.uniform(np.log(0.12), np.log(1.2))))
    times = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.normal(0.0, 1.0, len(times)) * np.exp(-6.9 * times / seconds)
    tail[: int(0.004 * SAMPLE_RATE_HZ)] = 0.0
    tail *= 10.0 ** (rng.uniform(-20.0, -4.0) / 20.0) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = next_fast_len(len(mix) + len(tail))
    return np.asarray(irfft(rfft(mix, size) * rfft(tail, size), size)[: len(mix)], dtype=np.float32)


def equalised(mix: Samples, rng: np.random.Generator) -> Samples:
    """A smooth random curve over the spectrum, some 4 dB; and sometimes a loudspeaker or microphone that ends early."""
    size = next_fast_len(len(mix))
    spectrum = rfft(mix, size)
    octaves = np.log2(np.maximum(np.arange(len(spectrum)) * SAMPLE_RATE_HZ / size, 20.0) / 20.0)
    curve = np.interp(octaves, np.linspace(0.0, 10.0, 8), rng.normal(0.0, 4.0, 8))
    if rng.random() < 0.25:
        curve -= 12.0 * np.maximum(np.log2(rng.uniform(80, 250) / 20.0) - octaves, 0.0)
    if rng.random() < 0.25:
        curve -= 12.0 * np.maximum(octaves - np.log2(rng.uniform(3500, 9000) / 20.0), 0.0)
    return np.asarray(irfft(spectrum * 10.0 ** (curve / 20.0), size)[: len(mix)], dtype=np.float32)


def compressed(mix: Samples, rng: np.random.Generator) -> Samples:
    """A bus compressor with a release of 50 to 300 ms: pumps as records do."""
    block = 64
    count = len(mix) // block * block
    peaks = np.abs(mix[:count]).reshape(-1, block).max(axis=1)
    keep = float(np.exp(-block / (rng.uniform(0.05, 0.3) * SAMPLE_RATE_HZ)))
    smooth = np.asarray(lfilter([1.0 - keep], [1.0, -keep], peaks))
    threshold = float(np.percentile(smooth, 50)) * rng.uniform(0.3, 1.0) + 1e-9
    gains = np.minimum(1.0, (threshold / np.maximum(smooth, 1e-9)) ** rng.uniform(0.3, 0.85))
    curve = np.interp(np.arange(len(mix)), np.arange(len(gains)) * block, gains)
    return np.asarray(mix * curve, dtype=np.float32)


def mastered(mix: Samples, rng: np.random.Generator) -> Samples:
    """A record, or what a microphone hears of it."""
    mix = mix / np.float32(level(mix) + 1e-9)
    if rng.random() < 0.4:
        mix = room(mix, rng)
    if rng.random() < 0.7:
        mix = equalised(mix, rng)
    if rng.random() < 0.6:
        mix = compressed(mix, rng)
    if rng.random() < 0.6:
        mix = np.tanh(mix / np.float32(level(mix) + 1e-9) * np.float32(rng.uniform(0.2, 1.6)))
    mix = mix / np.float32(level(mix) + 1e-9)
    if rng.random() < 0.4:
        mix = mix + rng.normal(0.0, 10.0 ** (rng.uniform(-55, -22) / 20.0), len(mix))
    return np.asarray(mix * np.float32(0.1), dtype=np.float32)
