"""What `k1edge.beat.reading` is trained on: pieces as it would have heard them, and moments in them with what music could be mistaken for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from k1edge.beat.activation import DELAY_HOPS
from k1edge.beat.reading import BEATS, CENTRE, CHANNELS, EDGES, RELATIVES, RISES_LATER, SLOT_EDGES, relatives
from k1edge.beat.tempo import tempo_model
from tests.train.bands import GAIN
from tests.train.features import inputs_of
from tests.train.fit import TONES, Net

Reals = NDArray[np.float64]

FIRST_BEAT, LEAST_BEATS = 4, 16
"""Moments are taken from the fifth beat on, in pieces of at least so many."""

SLOWEST_RECORDED_BPM = 97.0
"""Recordings whose fitted beats are slower are left out: where a fit took every second beat, the network would learn to."""

FAST_BPM, FAST_SHARE = 150.0, 2.0
"""Rendered pieces faster than this are drawn twice as often: recordings have few, their fits end at 164 bpm."""

FASTEST, SLOWEST = tempo_model().periods[[0, -1]] + (-0.5, 0.5)
"""Periods in hops."""

MISTAKEN = 0.6
"""So often it is a mistake that is believed, and the truth is among its relatives."""


@dataclass(frozen=True)
class Heard:
    """A piece: running sums of its channels, shape (hops + 1, CHANNELS), its beats in hops (as late as the channels are), and how often it is drawn."""

    sums: Tensor
    beats: Reals
    share: float


@dataclass(frozen=True)
class Moment:
    """Layouts at one moment: period and newest beat of each in hops, and which one is true."""

    layouts: Sequence[tuple[float, float]]
    true: int


def heard(path: Path, net: Net, *, recorded: bool) -> Heard | None:
    """Read a piece of a corpus; None where it has too few beats, or slow ones that were fitted."""
    with np.load(path) as piece:
        bands, beats = piece["bands"].astype(np.float32) / GAIN, piece["beats"]
    if len(beats) < LEAST_BEATS:
        return None
    bpm = 60.0 / float(np.median(np.diff(beats)))
    if recorded and bpm < SLOWEST_RECORDED_BPM:
        return None
    inputs = inputs_of(bands).astype(np.float32)
    with torch.no_grad():
        chances = torch.sigmoid(net(torch.from_numpy(inputs)[None]))[0].numpy()
    channels = np.zeros((len(inputs) + 1, CHANNELS))
    rises = np.add.reduceat(inputs[:, TONES:], EDGES, axis=1) / np.diff([*EDGES, inputs.shape[1] - TONES])
    channels[RISES_LATER + 1 :, : len(EDGES)] = rises[:-RISES_LATER]
    channels[1:, len(EDGES) :] = chances
    share = FAST_SHARE if bpm > FAST_BPM and not recorded else 1.0
    return Heard(torch.from_numpy(np.cumsum(channels, axis=0).astype(np.float32)), beats * 100.0 + DELAY_HOPS + CENTRE, share)


def moment(piece: Heard, rng: np.random.Generator) -> Moment | None:
    """A moment at one of its beats; None where its tempo is beyond those considered, or its sound ends."""
    number = int(rng.integers(FIRST_BEAT, len(piece.beats) - 1))
    first = max(number - 8, 0)
    period = float(piece.beats[number] - piece.beats[first]) / (number - first)
    beat = float(piece.beats[number])
    if not FASTEST <= period <= SLOWEST or beat > len(piece.sums) - 2:
        return None
    ratio, place = RELATIVES[int(rng.integers(1, len(RELATIVES)))] if rng.random() < MISTAKEN else RELATIVES[0]
    if not FASTEST <= ratio * period <= SLOWEST:
        ratio, place = RELATIVES[0]
    believed = ratio * period
    newest = beat + place * period - (believed if place > 0.0 else 0.0)
    layouts = relatives(believed, newest, FASTEST, SLOWEST)
    right = [n for n, layout in enumerate(layouts) if alike(layout, (period, beat))]
    if not right:
        layouts.append((period, beat))
    return Moment(layouts, right[0] if right else len(layouts) - 1)


def alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two layouts are the same tempo and the same place of the beat."""
    beats = (one[1] - other[1]) / other[0]
    return abs(one[0] / other[0] - 1.0) < 0.03 and abs(beats - round(beats)) < 0.1


def laid_out(sums: Tensor, periods: Reals, beats: Reals) -> Tensor:
    """As `Reader` lays them out: shape (n, BEATS, SLOTS * CHANNELS)."""
    edges = np.clip(beats[:, None] + periods[:, None] * SLOT_EDGES, 0.0, len(sums) - 1.001)
    whole = torch.from_numpy(edges.astype(np.int64))
    part = torch.from_numpy(edges % 1.0).float()[..., None]
    at = sums[whole] * (1.0 - part) + sums[whole + 1] * part
    return torch.log1p((at[:, 1:] - at[:, :-1]).clamp(min=0.0)).reshape(len(periods), BEATS, -1)
