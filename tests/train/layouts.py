"""What `k1edge.beat.reading` is trained on: pieces as it would have heard them, and moments in them with what music could be mistaken for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from k1edge.beat.activation import DELAY_HOPS
from k1edge.beat.reading import BEATS, CENTRE, CHANNELS, EDGES, FASTEST, RELATIVES, RISES_LATER, SLOT_EDGES, SLOWEST, relatives
from tests.train.bands import GAIN
from tests.train.features import inputs_of
from tests.train.fit import TONES, Net

Reals = NDArray[np.float64]

FIRST_BEAT, LEAST_BEATS = 4, 16
"""Moments are taken from the fifth beat on, in pieces of at least so many."""

LEAST_HEARD = 2.0
"""Beats of sound before a moment: less is not read."""

SLOWEST_RECORDED_BPM = 97.0
"""Recordings whose fitted beats are slower are left out: where a fit took every second beat, the network would learn to."""

FAST_BPM, FAST_SHARE = 150.0, 2.0
"""Rendered pieces faster than this are drawn twice as often: recordings have few, their fits end at 164 bpm."""

MISTAKEN = 0.6
"""So often it is a mistake that is believed, and the truth is among its relatives."""

BEGINS, QUIET_BEFORE = 0.45, 0.6
"""So often the music has only begun, two to sixteen beats ago; so often of these after silence, else after something without a beat."""

STRANGE, OVER, TRIED = 0.07, 0.08, 24
"""So often in music no layout is true: since what is believed is no relative of the beat (the best of so many tries), or since the music is over."""

GONE_BEATS = (4.0, 17.0)
""".. so long ago."""


@dataclass(frozen=True)
class Heard:
    """A piece: running sums of its channels, shape (hops + 1, CHANNELS), its beats in hops (as late as the channels are; none = it has none), how often it is drawn."""

    sums: Tensor
    beats: Reals
    share: float


@dataclass(frozen=True)
class Moment:
    """What is laid out: running sums, from which hop on anything was heard, period and newest beat of each layout in hops, and which one is true: None = none is."""

    sums: Tensor
    oldest: int
    layouts: Sequence[tuple[float, float]]
    true: int | None


def heard(path: Path, net: Net, *, recorded: bool) -> Heard | None:
    """Read a piece of a corpus; None where it has some beats, but too few, or slow ones that were fitted."""
    with np.load(path) as piece:
        bands, beats = piece["bands"].astype(np.float32) / GAIN, piece["beats"]
    if 0 < len(beats) < LEAST_BEATS:
        return None
    bpm = 60.0 / float(np.median(np.diff(beats))) if len(beats) else 0.0
    if recorded and 0.0 < bpm < SLOWEST_RECORDED_BPM:
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


def moment(piece: Heard, silent: Heard, rng: np.random.Generator) -> Moment | None:
    """A moment at one of its beats; None where its tempo is beyond those considered, or its sound ends.

    Args:
        piece: the music.
        silent: something without a beat, that now and then was heard before it, or comes after.
        rng: chance.
    """
    number = int(rng.integers(FIRST_BEAT, len(piece.beats) - 1))
    first = max(number - 8, 0)
    period = float(piece.beats[number] - piece.beats[first]) / (number - first)
    beat = float(piece.beats[number])
    if not FASTEST <= period <= SLOWEST or not LEAST_HEARD * period <= beat <= len(piece.sums) - 2:
        return None
    case = rng.random()
    if case < STRANGE:
        return strange(piece, beat, rng)
    if case < STRANGE + OVER:
        return over(piece, beat, period, silent, rng)
    ratio, place = RELATIVES[int(rng.integers(1, len(RELATIVES)))] if rng.random() < MISTAKEN else RELATIVES[0]
    if not FASTEST <= ratio * period <= SLOWEST:
        ratio, place = RELATIVES[0]
    believed = ratio * period
    newest = beat + place * period - (believed if place > 0.0 else 0.0)
    layouts = relatives(believed, newest, FASTEST, SLOWEST)
    right = [n for n, layout in enumerate(layouts) if alike(layout, (period, beat))]
    if not right:
        layouts.append((period, beat))
    true = right[0] if right else len(layouts) - 1
    if rng.random() > BEGINS:
        return Moment(piece.sums, 0, layouts, true)
    start = max(int(beat - rng.uniform(LEAST_HEARD, BEATS) * period), 0)
    if rng.random() < QUIET_BEFORE:
        return Moment(piece.sums, start, layouts, true)
    sums = joined(silent.sums, piece.sums[start:])
    later = len(silent.sums) - 1 - start
    return Moment(sums, 0, [(each, at + later) for each, at in layouts], true)


def over(piece: Heard, beat: float, period: float, silent: Heard, rng: np.random.Generator) -> Moment:
    """Music has been over for a bar and more, and the tracker goes on in its tempo through what has no beat."""
    gone = rng.uniform(*GONE_BEATS) * period
    start = int(rng.uniform(0.0, max(len(silent.sums) - gone - 4.0, 1.0)))
    sums = joined(piece.sums[: int(beat)], silent.sums[start:])
    newest = min(beat + float(np.round(gone / period)) * period, len(sums) - 2.0)
    return Moment(sums, 0, relatives(period, newest, FASTEST, SLOWEST), None)


def strange(piece: Heard, around: float, rng: np.random.Generator) -> Moment | None:
    """A tempo and place that the sound suggests as far as chance found them, but that neither are those of the beat nor any relative; None where chance found none."""
    tried = []
    for _ in range(TRIED):
        period = float(np.exp(rng.uniform(np.log(FASTEST), np.log(SLOWEST))))
        beat = around + float(rng.uniform(-0.5, 0.5)) * period
        hops = np.clip(beat - 0.5 - period * np.arange(8), 0, len(piece.sums) - 2).astype(int)
        tried.append((float((piece.sums[hops + 1, len(EDGES)] - piece.sums[hops, len(EDGES)]).mean()), period, beat))
    for _, period, beat in sorted(tried, reverse=True):
        layouts = relatives(period, min(beat, len(piece.sums) - 2.0), FASTEST, SLOWEST)
        if not len(piece.beats) or not any(true_near(piece, layout) for layout in layouts):
            break
    else:
        return None
    start = int(max(beat - rng.uniform(LEAST_HEARD, BEATS) * period, 0.0)) if rng.random() < BEGINS else 0
    return Moment(piece.sums, start, layouts, None)


def true_near(piece: Heard, layout: tuple[float, float]) -> bool:
    """Whether a layout is nearly the beat of that moment."""
    number = min(max(int(np.searchsorted(piece.beats, layout[1])), 1), len(piece.beats) - 1)
    period = float(piece.beats[number] - piece.beats[number - 1])
    beats = (layout[1] - float(piece.beats[number])) / period
    return abs(layout[0] / period - 1.0) < 0.1 and abs(beats - round(beats)) < 0.2


def joined(before: Tensor, after: Tensor) -> Tensor:
    """Running sums of one sound, then of another."""
    return torch.cat([before, after[1:] - after[0] + before[-1]])


def alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two layouts are the same tempo and the same place of the beat."""
    beats = (one[1] - other[1]) / other[0]
    return abs(one[0] / other[0] - 1.0) < 0.03 and abs(beats - round(beats)) < 0.1


def laid_out(sums: Tensor, periods: Reals, beats: Reals, oldest: int) -> Tensor:
    """As `Reader` lays them out: shape (n, BEATS, SLOTS * CHANNELS); before the hop `oldest` nothing was heard."""
    edges = np.clip(beats[:, None] + periods[:, None] * SLOT_EDGES, float(oldest), len(sums) - 1.001)
    whole = torch.from_numpy(edges.astype(np.int64))
    part = torch.from_numpy(edges % 1.0).float()[..., None]
    at = sums[whole] * (1.0 - part) + sums[whole + 1] * part
    return torch.log1p((at[:, 1:] - at[:, :-1]).clamp(min=0.0)).reshape(len(periods), BEATS, -1)
