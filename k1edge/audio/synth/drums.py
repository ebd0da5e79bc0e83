"""A drum kit as one-shots, made from sines and shaped noise.

Each shot is float32, shape (n,), peak 1, and its attack is its very first sample: where a shot is placed, there is its beat.
Every drum has four slightly different shots, so that repeated strokes do not sound like a machine. Owns no state but the cache of finished kits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from k1edge.audio.synth.shaping import Floats, Samples, band_noise, faded, frames, in_room, peaked, ticks

VARIANTS = 4


@dataclass(frozen=True, slots=True)
class _Sound:
    """What tells one kit from another.

    Attributes:
        kick_hz: pitch the kick falls to.
        kick_s: its decay constant.
        snare_hz: pitch of the snare's shell.
        snare_s: decay constant of its wires.
        hat_s: decay constant of the closed hat.
        room: how much room the skins have, 0 to 1.
    """

    kick_hz: float
    kick_s: float
    snare_hz: float
    snare_s: float
    hat_s: float
    room: float


KITS: Mapping[str, _Sound] = MappingProxyType(
    {
        "acoustic": _Sound(kick_hz=58.0, kick_s=0.10, snare_hz=190.0, snare_s=0.075, hat_s=0.026, room=0.35),
        "electronic": _Sound(kick_hz=48.0, kick_s=0.14, snare_hz=180.0, snare_s=0.065, hat_s=0.020, room=0.15),
        "boomy": _Sound(kick_hz=44.0, kick_s=0.24, snare_hz=165.0, snare_s=0.060, hat_s=0.018, room=0.20),
        "soft": _Sound(kick_hz=64.0, kick_s=0.08, snare_hz=205.0, snare_s=0.090, hat_s=0.032, room=0.45),
    }
)


@lru_cache(maxsize=8)
def kit(name: str) -> Mapping[str, tuple[Samples, ...]]:
    """The shots of kit `name` (see `KITS`), by drum, `VARIANTS` of each; read-only arrays.

    Raises:
        KeyError: there is no such kit.
    """
    sound = KITS[name]
    shots: dict[str, tuple[Samples, ...]] = {}
    for index, (drum, make) in enumerate(_DRUMS.items()):
        rngs = (np.random.default_rng([index, variant]) for variant in range(VARIANTS))
        shots[drum] = tuple(_finished(make(sound, rng)) for rng in rngs)
    return MappingProxyType(shots)


def _finished(raw: Floats | Samples) -> Samples:
    shot = faded(peaked(raw), 0.0, 0.01)
    shot.setflags(write=False)
    return shot


def _decay(n: int, decay_s: float) -> Floats:
    return np.exp(-ticks(n) / decay_s)


def _crack(rng: np.random.Generator, n: int, low_hz: float, decay_s: float) -> Floats:
    """A burst of noise at full height from its first sample: the stick on the skin."""
    noise = band_noise(rng, n, low_hz, 16_000.0)
    noise[0] = 1.5  # never start on a chance zero
    return noise * _decay(n, decay_s)


def _falling(n: int, top_hz: float, end_hz: float, fall_s: float) -> Floats:
    """A sine that falls from `top_hz` to `end_hz`, its phase integrated exactly."""
    t = ticks(n)
    return np.sin(2 * np.pi * (end_hz * t + (top_hz - end_hz) * fall_s * (1.0 - np.exp(-t / fall_s))))


def _kick(sound: _Sound, rng: np.random.Generator) -> Floats:
    n = frames(sound.kick_s * 4.5)
    hz = sound.kick_hz * rng.uniform(0.98, 1.02)
    body = _falling(n, hz * 7.0, hz, 0.018) * _decay(n, sound.kick_s)
    return np.tanh(1.6 * body) + 0.12 * _crack(rng, n, 1800.0, 0.003)


def _snare(sound: _Sound, rng: np.random.Generator) -> Samples:
    n = frames(0.32)
    hz = sound.snare_hz * rng.uniform(0.985, 1.015)
    shell = _falling(n, hz * 1.6, hz, 0.012) * _decay(n, 0.055) + 0.5 * _falling(n, hz * 2.4, hz * 1.78, 0.01) * _decay(n, 0.035)
    wires = band_noise(rng, n, 1100.0, 9500.0, 2) * _decay(n, sound.snare_s)
    return in_room(0.55 * shell + 0.38 * wires + 0.25 * _crack(rng, n, 2500.0, 0.004), sound.room, 0.35)


def _rim(sound: _Sound, rng: np.random.Generator) -> Samples:
    n = frames(0.08)
    wood = sum(np.sin(2 * np.pi * f * rng.uniform(0.99, 1.01) * ticks(n)) for f in (520.0, 1150.0, 1730.0))
    return in_room(wood * _decay(n, 0.012) + 0.5 * _crack(rng, n, 1500.0, 0.004), sound.room, 0.25)


def _clap(sound: _Sound, rng: np.random.Generator) -> Samples:
    n = frames(0.25)
    noise = band_noise(rng, n, 900.0, 5200.0, 2)
    noise[0] = 1.5
    hands = np.zeros(n)
    for at_s, height in ((0.0, 1.0), (0.006, 0.75), (0.0125, 0.8)):
        at = frames(at_s * rng.uniform(0.9, 1.1))
        hands[at:] += height * _decay(n - at, 0.0035)
    tail = _decay(n, 0.05) * 0.4
    return in_room(noise * (hands + tail), sound.room, 0.3)


def _metal(rng: np.random.Generator, n: int, base_hz: float) -> Floats:
    """Six inharmonic square waves, the old drum machine's cymbal; aliasing is welcome in a cymbal."""
    t = ticks(n)
    ratios = (1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523)
    metal = sum(np.sign(np.sin(2 * np.pi * base_hz * r * rng.uniform(0.995, 1.005) * t + rng.uniform(0, 6.28))) for r in ratios)
    return np.diff(np.asarray(metal), prepend=0.0)  # the difference takes the lows away


def _cymbal(rng: np.random.Generator, seconds: float, decay_s: float, low_hz: float, metal: float) -> Floats:
    n = frames(seconds)
    hiss = band_noise(rng, n, low_hz, 15_000.0, 3)
    hiss[0] = 1.5
    return (hiss + metal * _metal(rng, n, 540.0)) * _decay(n, decay_s)


def _hat(sound: _Sound, rng: np.random.Generator) -> Floats:
    return _cymbal(rng, sound.hat_s * 6, sound.hat_s * rng.uniform(0.85, 1.15), 6800.0, 0.5)


def _open_hat(_sound: _Sound, rng: np.random.Generator) -> Floats:
    return _cymbal(rng, 0.45, 0.13 * rng.uniform(0.9, 1.1), 6200.0, 0.5)


def _ride(_sound: _Sound, rng: np.random.Generator) -> Floats:
    n = frames(1.0)
    ping = sum(np.sin(2 * np.pi * f * rng.uniform(0.998, 1.002) * ticks(n)) for f in (2950.0, 3770.0, 5230.0))
    wash = _cymbal(rng, 1.0, 0.28, 4800.0, 0.6)
    return 0.22 * wash + 0.5 * ping * _decay(n, 0.09) + 0.6 * _crack(rng, n, 5000.0, 0.003)


def _crash(_sound: _Sound, rng: np.random.Generator) -> Floats:
    return _cymbal(rng, 2.0, 0.5, 3000.0, 0.4) + 0.8 * _cymbal(rng, 2.0, 0.06, 1500.0, 0.2)


def _shaker(_sound: _Sound, rng: np.random.Generator) -> Floats:
    return _cymbal(rng, 0.11, 0.022 * rng.uniform(0.8, 1.2), 5200.0, 0.0)


def _tom(hz: float) -> "Callable[[_Sound, np.random.Generator], Samples]":
    def make(sound: _Sound, rng: np.random.Generator) -> Samples:
        n = frames(0.45)
        tuned = hz * rng.uniform(0.985, 1.015)
        skin = _falling(n, tuned * 2.2, tuned, 0.02) * _decay(n, 0.11)
        return in_room(skin + 0.15 * _crack(rng, n, 1500.0, 0.004), sound.room, 0.3)

    return make


_DRUMS: Mapping[str, Callable[[_Sound, np.random.Generator], Floats | Samples]] = MappingProxyType(
    {
        "kick": _kick,
        "snare": _snare,
        "rim": _rim,
        "clap": _clap,
        "hat": _hat,
        "open_hat": _open_hat,
        "ride": _ride,
        "crash": _crash,
        "shaker": _shaker,
        "tom_high": _tom(176.0),
        "tom_mid": _tom(128.0),
        "tom_low": _tom(92.0),
    }
)

DRUMS = tuple(_DRUMS)
"""Names of the drums of every kit."""
