"""People: speech-like sound and applause. Full of onsets, and no beat in them. Pure and seeded; owns no state.

Speech here is a source and a filter (Fant 1960): glottal pulses or noise through three gliding formants, syllables of irregular length
(3 to 6 a second, as in real speech), phrases, pauses, speakers taking turns. It says nothing, at the rhythm of somebody saying something.
"""

from dataclasses import dataclass

import numpy as np

from k1edge.audio.synth.noise import hiss
from k1edge.audio.synth.shaping import Floats, Samples, add_at, at_level, band_noise, faded, fast_length, frames, ticks
from k1edge.timebase import SAMPLE_RATE_HZ

_VOWELS_HZ = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (660, 1720, 2410),
    (490, 1350, 1690),
)
"""First three formants of men's vowels (Peterson and Barney 1952)."""

_BANDWIDTHS_HZ = (80.0, 110.0, 160.0)


@dataclass(frozen=True, slots=True)
class _Speaker:
    """One voice: pitch in Hz, formants against the table, median syllable in s."""

    pitch_hz: float
    formant_scale: float
    syllable_s: float


def speech_like(seconds: float, dbfs: float = -22.0, *, seed: int = 0, speakers: int = 2) -> Samples:
    """A conversation: `speakers` take turns in irregular phrases with pauses, sometimes into each other's word.

    Args:
        seconds: duration.
        dbfs: RMS of the whole, pauses included; at most -14.
        seed: of everything.
        speakers: how many people, >= 1.
    """
    _check(dbfs, speakers)
    rng = np.random.default_rng(seed)
    people = [_speaker(rng) for _ in range(speakers)]
    out = np.zeros(frames(seconds), dtype=np.float32)
    at_s = float(rng.uniform(0.0, 0.4))
    while at_s < seconds:
        who = people[int(rng.integers(speakers))]
        for _ in range(int(rng.integers(1, 5))):  # phrases of one turn
            at_s += _phrase(out, at_s, who, rng)
            at_s += float(rng.lognormal(np.log(0.35), 0.55))  # breath
        at_s += float(rng.uniform(-0.35, 0.7))  # the next one cuts in, or waits
    return at_level(out + hiss(seconds, seed=seed) * float(np.max(np.abs(out), initial=0.0)), dbfs)


def babble(seconds: float, dbfs: float = -22.0, *, seed: int = 0, speakers: int = 6) -> Samples:
    """A full room: `speakers` people talking at once, each alone with themselves."""
    _check(dbfs, speakers)
    voices = [speech_like(seconds, -22.0, seed=seed * 1000 + k, speakers=1) for k in range(speakers)]
    return at_level(np.sum(voices, axis=0), dbfs)


def applause_like(seconds: float, dbfs: float = -22.0, *, seed: int = 0, claps_per_s: float = 120.0) -> Samples:
    """Applause: claps of many pairs of hands as a Poisson process whose rate swells and sinks over seconds.

    Args:
        seconds: duration.
        dbfs: RMS of the whole; at most -14.
        seed: of everything.
        claps_per_s: mean rate; above some 50 single claps melt together, 5 is a handful of people.
    """
    _check(dbfs, 1)
    rng = np.random.default_rng(seed)
    n = frames(seconds)
    hands = [_clap(rng) for _ in range(24)]
    out = np.zeros(n, dtype=np.float32)
    count = int(rng.poisson(2.0 * claps_per_s * seconds))
    at = rng.uniform(0.0, seconds, count)
    swell = 0.5 + 0.25 * np.sin(2 * np.pi * 0.07 * at + rng.uniform(0, 6.28)) * np.sin(2 * np.pi * 0.19 * at + rng.uniform(0, 6.28))
    kept = np.sort(at[rng.random(count) < swell])  # thinning (Lewis and Shedler 1979)
    which = rng.integers(0, len(hands), kept.size)
    gains = np.minimum(rng.lognormal(-0.5, 0.6, kept.size), 2.5)  # near and far
    for start_s, hand, gain in zip(kept.tolist(), which.tolist(), gains.tolist(), strict=True):
        add_at(out, frames(start_s), hands[hand], gain)
    return at_level(out + band_noise(rng, n, 400.0, 6000.0, 1) * 0.02, dbfs)


def _clap(rng: np.random.Generator) -> Samples:
    n = frames(0.06)
    centre = float(rng.uniform(700.0, 2400.0))
    shot = band_noise(rng, n, centre * 0.6, centre * 1.8, 2) * np.exp(-ticks(n) / rng.uniform(0.003, 0.009))
    return faded(shot.astype(np.float32), 0.0004, 0.01)


def _speaker(rng: np.random.Generator) -> _Speaker:
    pitch_hz = float(rng.choice([rng.uniform(85.0, 140.0), rng.uniform(165.0, 240.0)]))
    return _Speaker(pitch_hz, 0.95 + 0.18 * float(pitch_hz > 150.0) + float(rng.uniform(-0.04, 0.04)), float(rng.uniform(0.16, 0.24)))


def _phrase(out: Samples, at_s: float, who: _Speaker, rng: np.random.Generator) -> float:
    """Say something from `at_s` on; returns how long it took."""
    count = int(rng.integers(3, 15))
    loudness = float(rng.uniform(0.6, 1.0))
    vowel = np.array(_VOWELS_HZ[int(rng.integers(len(_VOWELS_HZ)))], dtype=np.float64) * who.formant_scale
    passed_s = 0.0
    for index in range(count):
        length_s = float(np.clip(rng.lognormal(np.log(who.syllable_s), 0.38), 0.07, 0.5)) * (1.4 if index == count - 1 else 1.0)
        following = np.array(_VOWELS_HZ[int(rng.integers(len(_VOWELS_HZ)))], dtype=np.float64) * who.formant_scale
        pitch_hz = who.pitch_hz * (1.18 - 0.3 * index / count) * float(rng.uniform(0.9, 1.12))  # declination and accents
        passed_s += _consonant(out, at_s + passed_s, loudness, rng)
        stress = loudness * float(rng.lognormal(-0.2, 0.45))
        add_at(out, frames(at_s + passed_s), _syllable(length_s, pitch_hz, vowel, following, rng), stress)
        passed_s += length_s * float(rng.uniform(0.8, 1.0))
        vowel = following
    return passed_s


def _consonant(out: Samples, at_s: float, loudness: float, rng: np.random.Generator) -> float:
    """A fricative, a plosive or none, before the vowel; returns how long it took."""
    kind = rng.random()
    if kind < 0.45:  # a nasal or a glide: the formants have said it
        return 0.0
    fricative = kind < 0.75
    length_s = float(rng.uniform(0.04, 0.11)) if fricative else 0.012
    closure_s = 0.0 if fricative else float(rng.uniform(0.02, 0.06))
    low_hz = float(rng.uniform(2500.0, 4500.0)) if fricative else float(rng.uniform(600.0, 3000.0))
    noise = band_noise(rng, frames(length_s), low_hz, low_hz * 2.2, 2).astype(np.float32)
    edge_s = 0.02 if fricative else 0.001
    add_at(out, frames(at_s + closure_s), faded(noise, edge_s, edge_s * 2), 0.06 * loudness * float(rng.uniform(0.4, 1.2)))
    return closure_s + length_s


def _syllable(length_s: float, pitch_hz: float, vowel: Floats, following: Floats, rng: np.random.Generator) -> Samples:
    """A vowel gliding to the next one; peak about 0.3."""
    n = frames(length_s)
    glide = np.linspace(rng.uniform(0.95, 1.05), rng.uniform(0.9, 1.05), n)
    knots = np.arange(0, n + 441, 441)  # jitter changes every 10 ms
    wobble = 1.0 + 0.01 * np.interp(np.arange(n), knots, rng.standard_normal(knots.size))
    cycles = np.cumsum(pitch_hz * glide * wobble) / SAMPLE_RATE_HZ + rng.random()
    source = np.diff(np.floor(cycles), prepend=np.floor(cycles[0])) + 0.02 * rng.standard_normal(n)
    size = fast_length(n + frames(0.02))  # room for the resonances to ring out
    spectrum = np.fft.rfft(source, size)
    freq = np.asarray(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ), dtype=np.float64)
    first, last = (np.fft.irfft(spectrum * _vocal_tract(freq, formants), size)[:n] for formants in (vowel, following))
    mix = np.clip(np.linspace(-0.3, 1.3, n), 0.0, 1.0)  # a vowel stands for a while before it moves
    voiced = (1.0 - mix) * first + mix * last
    voiced *= 0.3 / max(float(np.max(np.abs(voiced))), 1e-9)
    return faded(
        voiced.astype(np.float32), min(float(rng.uniform(0.015, 0.06)), length_s / 3), min(float(rng.uniform(0.04, 0.1)), length_s / 2)
    )


def _vocal_tract(freq: Floats, formants: Floats) -> Floats:
    """Magnitude of three resonances over the tilt of the glottis and the lips; zero phase is good enough for babble."""
    tilt = freq**2 / (freq**2 + 110.0**2) / (1.0 + (freq / 450.0) ** 2) ** 0.5
    peaks = np.zeros_like(freq)
    for centre, width in zip(formants, _BANDWIDTHS_HZ, strict=True):
        peaks += 1.0 / np.sqrt(1.0 + ((freq - centre) / (width / 2)) ** 2)
    return np.asarray(tilt * (peaks + 0.02))


def _check(dbfs: float, speakers: int) -> None:
    if dbfs > -14.0 or speakers < 1:
        msg = f"people need dbfs <= -14 and at least one of them, got {dbfs} dBFS and {speakers}"
        raise ValueError(msg)
