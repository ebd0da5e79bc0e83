"""What the network hears and what it shall say, as arrays: the inputs of `k1edge.beat.activation` for a whole piece at once, and targets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from k1edge.beat.activation import DELAY_HOPS, RISE_GAIN, RISE_SCALE, TONE_GAIN
from k1edge.beat.spectrum import FORGET_S, FRAME_RATE_HZ, QUIETEST
from tests.train.bands import GAIN

Floats = NDArray[np.float32]

HEADS = ("beat", "off_beat", "downbeat")

SOFT = np.array([0.3, 0.8, 1.0, 0.8, 0.3], dtype=np.float32)
"""A beat in hops: nobody plays, and nobody annotates, to 10 ms."""


@dataclass(frozen=True)
class Example:
    """One piece: inputs (frames, 107), targets (frames, 3), and where they are known (frames, 3)."""

    inputs: NDArray[np.float16]
    targets: NDArray[np.float16]
    known: NDArray[np.bool_]


def load(path: Path) -> Example:
    """Read one piece of the corpus."""
    with np.load(path) as piece:
        bands = piece["bands"].astype(np.float32) / GAIN
        beats, positions = piece["beats"], piece["positions"]
        span = piece["span"] if "span" in piece else np.array([0.0, len(bands) / 100.0])
    return Example(inputs_of(bands), *targets_of(len(bands), beats, positions, span))


def inputs_of(bands: Floats) -> NDArray[np.float16]:
    """What `Inputs` gives hop by hop, all at once."""
    keep, loudest, tops = float(np.exp(-1.0 / (FORGET_S * FRAME_RATE_HZ))), 0.0, np.empty(len(bands))
    for at, total in enumerate(bands.sum(axis=1).tolist()):
        loudest = tops[at] = max(total, loudest * keep, QUIETEST)
    share = bands / tops[:, None].astype(np.float32)
    even = np.pad(share, ((0, 0), (0, share.shape[1] % 2)))
    tones = np.log1p((even[:, 0::2] + even[:, 1::2]) * np.float32(TONE_GAIN))
    now = np.log1p(share * np.float32(RISE_GAIN))
    past = np.concatenate([np.zeros_like(now[:1]), now[:-1]])
    wide = past.copy()
    np.maximum(wide[:, 1:], past[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], past[:, 1:], out=wide[:, :-1])
    return np.concatenate([tones, np.maximum(now - wide, 0.0) * np.float32(RISE_SCALE)], axis=1).astype(np.float16)


def targets_of(
    frames: int, beats: NDArray[np.float64], positions: NDArray[np.int64], span: NDArray[np.float64]
) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Beats, half beats and downbeats, `DELAY_HOPS` late; unknown outside the span, and downbeats where no position is."""
    targets = np.zeros((frames + len(SOFT), len(HEADS)), dtype=np.float32)
    middles = (beats[1:] + beats[:-1]) / 2.0
    for head, times in enumerate((beats, middles, beats[positions[: len(beats)] == 1])):
        for at in np.round(times * 100.0).astype(int) + DELAY_HOPS - len(SOFT) // 2:
            if 0 <= at < frames:
                targets[at : at + len(SOFT), head] = np.maximum(targets[at : at + len(SOFT), head], SOFT)
    known = np.zeros((frames, len(HEADS)), dtype=np.bool_)
    first, last = (int(edge * 100.0) + DELAY_HOPS for edge in span)
    known[max(first, 0) : last] = True
    if len(beats) > 0 and not positions.any():
        known[:, 2] = False
    return targets[:frames].astype(np.float16), known
