"""A small network without memory of its own that tells beats by what they sound like: bands of a hop in, chances of a beat out.

Trained by `tests/train` on rendered and freely licensed music (weights and how they came about: `docs/training.md`). Owned by the thread
that pushes the pipeline. Pure arithmetic on preallocated arrays, float32.

It says what it thinks of a hop `DELAY_HOPS` later: by then it has heard what the attack became (a bass drum or a snare, a chord that changes),
and a beat is predicted anyway, so that the delay costs nothing.
"""

from importlib.resources import files
from math import exp
from typing import NamedTuple

import numpy as np

from k1edge.beat.spectrum import FORGET_S, FRAME_RATE_HZ, QUIETEST, Floats

DELAY_HOPS = 4
"""From the hop with the beat's time to the one whose output stands for it."""

TONE_GAIN = 100.0
RISE_GAIN = 10.0
"""log(1 + gain x), x = a band's share of the running loudest."""

RISE_SCALE = 8.0
"""Brings rises to the size of tones."""

LAGS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 26, 32, 40, 50, 64, 80)
"""Hops back that are heard together: dense around an attack, sparse over the beat before it.

No further: a recurrent network with a memory of bars learned to keep a beat of its own, and kept the wrong one (docs/beats-ablation.md).
"""

ROWS = 8
"""Parts that the largest product is cut into: each too small to wake the BLAS's threads, which cost more than they do."""


def shipped(name: str) -> dict[str, Floats]:
    """The weights of one of this room's networks, float32, by the names that PyTorch gave them."""
    with np.load(str(files("k1edge.beat") / f"{name}.npz")) as stored:
        return {part: stored[part].astype(np.float32) for part in stored.files}


class Inputs:
    """Bands, shape (71,), to the network's inputs, shape (107,): tones in pairs of bands, and how much each band has risen."""

    def __init__(self, bands: int) -> None:
        self._keep = float(np.exp(-1.0 / (FORGET_S * FRAME_RATE_HZ)))
        self._loudest = 0.0
        self._past = np.zeros(bands, dtype=np.float32)
        self._wide = np.zeros(bands, dtype=np.float32)
        self._pad = np.zeros(2 * ((bands + 1) // 2), dtype=np.float32)
        self.size = len(self._pad) // 2 + bands
        self._out = np.zeros(self.size, dtype=np.float32)

    def process(self, bands: Floats) -> Floats:
        """Take the bands of one hop; the array returned is used again for the next."""
        self._loudest = max(float(bands.sum()), self._loudest * self._keep, QUIETEST)
        share = bands * np.float32(1.0 / self._loudest)
        self._pad[: len(bands)] = share
        count = len(self._pad) // 2
        np.log1p((self._pad[0::2] + self._pad[1::2]) * np.float32(TONE_GAIN), out=self._out[:count])
        now = np.log1p(share * np.float32(RISE_GAIN))
        past, wide = self._past, self._wide
        np.maximum(past[1:], past[:-1], out=wide[1:])
        wide[0] = past[0]
        np.maximum(wide[:-1], past[1:], out=wide[:-1])
        rise = self._out[count:]
        np.subtract(now, wide, out=rise)
        np.maximum(rise, 0.0, out=rise)
        rise *= np.float32(RISE_SCALE)
        self._past = now
        return self._out

    def resume(self, bands: Floats) -> Floats:
        """Take the bands of a hop that must not be compared with those before: nothing has risen."""
        out = self.process(bands)
        out[-len(bands) :] = 0.0
        return out


class Chances(NamedTuple):
    """What a hop is likely to be, each 0 to 1: a beat, the middle between two, a bar's first beat."""

    beat: float
    off_beat: float
    downbeat: float


class Network:
    """Inputs of a hop to the chances of the hop `DELAY_HOPS` before; two hidden layers over a second of sound."""

    def __init__(self) -> None:
        weights = shipped("activation")
        self._dense, self._dense_bias = weights["dense.weight"], weights["dense.bias"]
        self._first = weights["layers.0.weight"].reshape(ROWS, -1, len(LAGS) * len(self._dense))
        self._first_bias = weights["layers.0.bias"]
        self._second, self._second_bias = weights["layers.1.weight"], weights["layers.1.bias"]
        self._heads, self._heads_bias = weights["heads.weight"], weights["heads.bias"]
        self._past = np.zeros((LAGS[-1] + 1, len(self._dense)), dtype=np.float32)
        self._lags = np.array(LAGS)
        self._at = 0

    def process(self, inputs: Floats) -> Chances:
        """Take the inputs of the next hop."""
        self._at = (self._at + 1) % len(self._past)
        np.maximum(self._dense @ inputs + self._dense_bias, 0.0, out=self._past[self._at])
        heard = self._past[self._at - self._lags].ravel()
        first = np.maximum((self._first @ heard).ravel() + self._first_bias, 0.0)
        second = np.maximum(self._second @ first + self._second_bias, 0.0)
        logits = np.maximum(self._heads @ second + self._heads_bias, -30.0)  # below that exp could overflow
        return Chances(*(1.0 / (1.0 + exp(-logit)) for logit in logits.tolist()))
