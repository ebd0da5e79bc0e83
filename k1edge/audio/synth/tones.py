"""Pitched voices: bass, pad, keys, pluck, lead, and a struck click. Owns no state but the cache of finished notes.

A note is the imaginary part of sum(a_k z^k), z = exp((i w - c) t): harmonic k decays k times as fast, and one polynomial (Horner)
replaces a sine per harmonic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from k1edge.audio.synth.shaping import Samples, faded, frames, in_room, ticks
from k1edge.timebase import SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class _Voice:
    """How one voice sounds.

    Attributes:
        harmonics: amplitudes of harmonics 1, 2, ...
        damping: decay of the fundamental per s; harmonic k decays k times as fast.
        attack_s: length of the raised-cosine rise.
        release_s: length of the fall once the note ends.
        detune_cents: half the spread of two copies, 0 for one copy.
        vibrato_cents: depth of a 5.5 Hz vibrato.
        room: how much room it has, 0 to 1.
    """

    harmonics: tuple[float, ...]
    damping: float
    attack_s: float
    release_s: float
    detune_cents: float = 0.0
    vibrato_cents: float = 0.0
    room: float = 0.0


VOICES: Mapping[str, _Voice] = MappingProxyType(
    {
        "bass": _Voice((1.0, 0.55, 0.35, 0.2, 0.12, 0.06), 1.1, 0.003, 0.03),
        "sub": _Voice((1.0, 0.25, 0.08, 0.03), 0.5, 0.004, 0.05),
        "pad": _Voice((1.0, 0.5, 0.33, 0.22, 0.14, 0.08), 0.05, 0.16, 0.35, detune_cents=6.0),
        "keys": _Voice((1.0, 0.35, 0.12, 0.22, 0.05, 0.04), 1.6, 0.002, 0.12, detune_cents=2.0, room=0.15),
        "pluck": _Voice((1.0, 0.7, 0.5, 0.36, 0.26, 0.18, 0.12, 0.08), 3.2, 0.001, 0.06, room=0.2),
        "stab": _Voice((1.0, 0.6, 0.5, 0.4, 0.3, 0.22, 0.15), 3.0, 0.002, 0.05, detune_cents=8.0, room=0.15),
        "lead": _Voice((1.0, 0.2, 0.33, 0.1, 0.16, 0.05, 0.08), 0.5, 0.006, 0.08, vibrato_cents=9.0, room=0.25),
        "flute": _Voice((1.0, 0.28, 0.1, 0.03), 0.2, 0.03, 0.1, vibrato_cents=14.0, room=0.35),
    }
)


def note(voice: str, pitch: int, seconds: float) -> Samples:
    """One note, peak about 1, a little longer than `seconds` by its release and its room.

    Args:
        voice: a name of `VOICES`.
        pitch: MIDI number, 60 = middle C; what would lie above 16 kHz is left out.
        seconds: how long the key is held, > 0.

    Raises:
        KeyError: there is no such voice.
    """
    return _note(voice, pitch, max(1, round(seconds * 50)))  # held lengths in steps of 20 ms: a ramp shall not defeat the cache


@lru_cache(maxsize=1024)
def _note(voice: str, pitch: int, length_20ms: int) -> Samples:
    sound = VOICES[voice]
    held = frames(length_20ms / 50 + sound.release_s)
    whole = _sustained(voice, pitch, 1 << (held - 1).bit_length())
    out = faded(whole[:held], sound.attack_s, sound.release_s)
    if sound.room:
        out = in_room(out, sound.room, 0.5)
    out.setflags(write=False)
    return out


@lru_cache(maxsize=256)
def _sustained(voice: str, pitch: int, n: int) -> Samples:
    """The voice without its edges, shape (n,)."""
    sound = VOICES[voice]
    base_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    spread = (-sound.detune_cents, sound.detune_cents) if sound.detune_cents else (0.0,)
    t = ticks(n)
    out = np.zeros(n, dtype=np.float32)
    for cents in spread:
        hz = base_hz * 2.0 ** (cents / 1200)
        bend = hz * (2.0 ** (sound.vibrato_cents / 1200) - 1.0) / 5.5 * (1.0 - np.cos(2 * np.pi * 5.5 * t))
        z = np.exp((2j * np.pi * hz - sound.damping) * t + 1j * bend).astype(np.complex64)
        heard = [a for k, a in enumerate(sound.harmonics, 1) if k * hz < min(16_000.0, SAMPLE_RATE_HZ / 2)]
        total = np.zeros(n, dtype=np.complex64)
        for amplitude in reversed(heard):
            total = (total + np.complex64(amplitude)) * z
        out += total.imag
    return out / np.float32(len(spread) * sum(sound.harmonics) ** 0.5)


@lru_cache(maxsize=1)
def click() -> Samples:
    """The click of `click_and_drums`: 3 kHz from full height at its first sample, gone in 8 ms; peak 1."""
    n = frames(0.008)
    t = ticks(n)
    shot = (np.cos(2 * np.pi * 3000.0 * t) * np.exp(-t / 0.0015)).astype(np.float32)
    shot.setflags(write=False)
    return shot
