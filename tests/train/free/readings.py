"""Which multiple of a grid's period is the beat and where it lies: what bass drum, snare, off-beat voices and a prior say to each reading."""

from dataclasses import dataclass

import numpy as np

from k1edge.beat.spectrum import FRAME_RATE_HZ
from tests.train.free.grid import Stretch
from tests.train.free.hearing import DELAY_S, KICK, SNARE, Floats, Sound, times

THIRDS = (2 / 3, 3 / 4, 1.0, 4 / 3, 3 / 2)
"""Families of readings that halving and doubling do not lead into each other."""

BEATS_S = (0.33, 1.05)
CENTRE_S, OCTAVES = 0.48, 0.4
"""The prior: log-normal about 125 bpm."""


@dataclass(frozen=True)
class Reading:
    """One reading of a stretch: beats at origin + n * period, and what speaks for it."""

    period: float
    origin: float
    score: float
    parts: dict[str, float]


def sampled(curve: Floats, at: Floats) -> Floats:
    """The curve's peak within 20 ms of each time."""
    frames = np.round((at + DELAY_S) * FRAME_RATE_HZ).astype(int) - 1
    frames = frames[(frames >= 2) & (frames < len(curve) - 2)]
    return np.asarray(np.max([curve[frames + shift] for shift in (-2, -1, 0, 1, 2)], axis=0))


def alike_after(sound: Sound, stretch: Stretch, lag: float) -> float:
    """How like itself the stretch's sound is after so many seconds, 0 to 1."""
    rows = sound.voices[int(stretch.start * FRAME_RATE_HZ) : int(stretch.end * FRAME_RATE_HZ)]
    rows = rows - rows.mean(axis=0)
    rows = (rows[1:-1] + 0.5 * (rows[:-2] + rows[2:])) * np.array([1.0, 0.5, 0.5, 1.0, 0.5])
    frames = round(lag * FRAME_RATE_HZ)
    if frames > len(rows) // 2:
        return float("nan")
    return float(
        (rows[frames:] * rows[: len(rows) - frames]).sum()
        / np.sqrt((rows[frames:] ** 2).sum() * (rows[: len(rows) - frames] ** 2).sum() + 1e-9)
    )


def parts(sound: Sound, stretch: Stretch, period: float, origin: float) -> dict[str, float]:
    """What speaks for beats at origin + n * period."""
    first = np.ceil((stretch.start - origin) / period)
    beats = origin + period * np.arange(first, np.floor((stretch.end - origin) / period))
    evidence = [sampled(sound.evidence, beats + shift * period) for shift in (0.0, 0.5)]
    off = [sampled(sound.off_beat, beats + shift * period) for shift in (0.0, 0.5)]
    kick, snare = (sampled(sound.voices[:, voice], beats) for voice in (KICK, SNARE))
    kick_off, snare_off = (sampled(sound.voices[:, voice], beats + period / 2) for voice in (KICK, SNARE))
    even = evidence[0]
    backbeat = 0.5 * abs((snare[::2].mean() - snare[1::2].mean()) - (kick[::2].mean() - kick[1::2].mean()))
    return {
        "on": float(evidence[0].mean()),
        "contrast": float(evidence[0].mean() - evidence[1].mean()),
        "off": float(off[1].mean() - off[0].mean()),
        "drums": float(min(kick.mean() - kick_off.mean(), snare.mean() - snare_off.mean())),
        "backbeat": float(backbeat),
        "level": float(np.clip(min(even[::2].mean(), even[1::2].mean()) / max(even.mean(), 0.05), 0.0, 1.0)),
        "prior": float(-0.5 * (np.log2(period / CENTRE_S) / OCTAVES) ** 2),
    }


WEIGHTS = {"on": 1.0, "contrast": 1.0, "off": 0.7, "drums": 2.0, "backbeat": 1.0, "level": 1.0, "prior": 0.6}


def family(sound: Sound, stretch: Stretch) -> tuple[float, float]:
    """A period from which halving and doubling lead to the beat, and how much liker itself the sound is on it than on three halves of it."""
    scores = {}
    for factor in THIRDS:
        period = stretch.period * factor
        while period >= 2 * BEATS_S[0]:
            period /= 2
        while period < BEATS_S[0]:
            period *= 2
        scores[round(period, 3)] = float(np.nanmean([alike_after(sound, stretch, count * period) for count in (1, 2, 4, 8)])), period
    ordered = sorted(scores.values(), reverse=True)
    other = next((score for score, period in ordered[1:] if abs(period / ordered[0][1] - 1) > 0.05), 0.0)
    return ordered[0][1], ordered[0][0] - other


def places(sound: Sound, stretch: Stretch, period: float) -> list[float]:
    """Where in the period something is played time and again (s): at most six places, the strongest first."""
    at = times(len(sound.evidence))
    inside = (at >= stretch.start) & (at < stretch.end)
    bins = int(period / 0.005)
    where = np.floor((at[inside] - stretch.origin) % period / period * bins).astype(int) % bins
    curve = sound.evidence + 0.5 * sound.flux
    sums = np.bincount(where, curve[inside], bins)
    counts = np.bincount(where, minlength=bins)
    kernel = np.hanning(9)
    wide = [np.convolve(np.concatenate((row[-4:], row, row[:4])), kernel, mode="valid") for row in (sums, counts)]
    profile = wide[0] / np.maximum(wide[1], 1e-9)
    apart = int(0.04 / 0.005)
    peaks = [at for at in range(bins) if profile[at] >= max(profile[(at + shift) % bins] for shift in range(-apart, apart + 1))]
    peaks.sort(key=lambda at: -profile[at])
    return [stretch.origin + (at + 0.5) * period / bins for at in peaks[:6]]


def readings(sound: Sound, stretch: Stretch, known: float | None = None) -> list[Reading]:
    """All readings, the likeliest first; those half a beat or a quarter off are among them."""
    found: list[Reading] = []
    least, _ = family(sound, stretch) if known is None else (known, 0.0)
    while least >= 2 * BEATS_S[0]:
        least /= 2
    for period in (least, 2 * least, 4 * least):
        if period <= BEATS_S[1]:
            for origin in places(sound, stretch, period):
                about = parts(sound, stretch, period, origin)
                found.append(Reading(period, origin, sum(WEIGHTS[k] * v for k, v in about.items()), about))
    return sorted(found, key=lambda reading: -reading.score)
