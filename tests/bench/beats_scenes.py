"""Sound in which something happens at a known moment: made from `audio/synth`, and cut from recordings with annotated beats.

Pure but for the arithmetic: nothing is read or written here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import soxr
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.timebase import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]

BEFORE_S = 16.0
AFTER_S = 16.0
"""Time to lock before it happens, and to recover after."""

STEPS = {"minus_15": 0.85, "minus_5": 0.95, "plus_5": 1.05, "plus_15": 1.15, "x1_25": 1.25}
BREAK_BARS = (2, 4, 8)
JUMPS = {"half": 0.5, "quarter": 0.25}
RAMP_PER_S = 0.01
RAMP_S = 20.0
SEED = 7
FADE = 64  # samples: a cut shall not click


@dataclass(frozen=True, slots=True)
class Scene:
    """Sound, its true beats, and when it happens.

    Attributes:
        name: what is played.
        samples: mono at 44.1 kHz.
        truth_s: every true beat.
        at_s: when it happens; for a break, when the music is back.
        beat_s: beat period before it.
    """

    name: str
    samples: Samples
    truth_s: list[float]
    at_s: float
    beat_s: float


@dataclass(frozen=True, slots=True)
class Tune:
    """Music whose beats are known, synthesised or recorded: samples at 44.1 kHz, beats in s, beats of a bar."""

    name: str
    samples: Samples
    beats_s: list[float]
    per_bar: int = 4

    def cut(self, begin_s: float, end_s: float) -> "Tune":
        """A part of it, its beats counted from its own beginning."""
        first, last = (max(0, round(at * SAMPLE_RATE_HZ)) for at in (begin_s, end_s))
        part = self.samples[first:last].copy()
        fade = np.linspace(0.0, 1.0, FADE, dtype=np.float32)
        part[:FADE] *= fade[: len(part[:FADE])]
        part[-FADE:] *= fade[::-1][: len(part[-FADE:])]
        beats = [beat - first / SAMPLE_RATE_HZ for beat in self.beats_s if begin_s - 1e-6 <= beat < end_s]
        return Tune(self.name, part, beats, self.per_bar)

    def quicker(self, ratio: float) -> "Tune":
        """Played `ratio` times as fast (and higher), as by a turntable's pitch fader."""
        samples = np.asarray(soxr.resample(self.samples, SAMPLE_RATE_HZ * ratio, SAMPLE_RATE_HZ, quality="LQ"), dtype=np.float32)
        return Tune(self.name, samples, [beat / ratio for beat in self.beats_s], self.per_bar)

    def beat_from(self, at_s: float) -> int:
        """Number of the first beat at or after `at_s`."""
        return int(np.searchsorted(self.beats_s, at_s - 1e-6))


def joined(first: Tune, second: Tune, name: str) -> Scene:
    """One after the other; what is between the end of the first and the second's beginning belongs to neither."""
    start_s = len(first.samples) / SAMPLE_RATE_HZ
    truth = first.beats_s + [start_s + beat for beat in second.beats_s]
    return Scene(name, np.concatenate([first.samples, second.samples]), truth, start_s, _beat_s(first.beats_s))


def synthesised(seconds: float) -> Iterator[Tune]:
    """One song of every style, the drums playing all along."""
    for number, (name, style) in enumerate(synth.STYLES.items()):
        song = synth.song(name, seed=SEED + number, seconds=seconds)
        yield Tune(name, song.samples, song.beats_s.tolist(), style.beats_per_bar)


def rendered(style: str, change: Callable[[float, int], Sequence[synth.Section]], seed: int = SEED) -> tuple[Tune, float]:
    """A synthesised song whose form is `change(bpm, bars of BEFORE_S)`; and where its second section begins, in s."""
    table = synth.STYLES[style]
    bars = max(2, round(BEFORE_S * table.bpm / 60.0 / table.beats_per_bar))
    song = synth.render(style, change(table.bpm, bars), seed=seed)
    return Tune(style, song.samples, song.beats_s.tolist(), table.beats_per_bar), song.sections[1].start_s


def steps(tune: Tune, ratio: float) -> Scene | None:
    """The tempo is `ratio` times as fast from one beat on; None where the tune is too short."""
    middle = tune.beat_from(_middle(tune))
    if not _long_enough(tune, middle, AFTER_S * ratio):
        return None
    at_s = tune.beats_s[middle]
    return joined(tune.cut(at_s - BEFORE_S, at_s), tune.cut(at_s, at_s + AFTER_S * ratio).quicker(ratio), tune.name)


def jump(tune: Tune, beats: float) -> Scene | None:
    """`beats` of a beat are missing in the middle of a bar, the rest goes on in tempo."""
    middle = tune.beat_from(_middle(tune))
    if not _long_enough(tune, middle, AFTER_S + 1.0):
        return None
    at_s = tune.beats_s[middle]
    skipped_s = beats * (tune.beats_s[middle + 1] - at_s)
    return joined(tune.cut(at_s - BEFORE_S, at_s), tune.cut(at_s + skipped_s, at_s + skipped_s + AFTER_S), tune.name)


def change(tune: Tune, other: Tune) -> Scene | None:
    """`other` from its own middle follows at once, wherever in the beat its first sample lies."""
    first, second = _middle(tune), _middle(other)
    if not (_long_enough(tune, tune.beat_from(first), 0.0) and _long_enough(other, other.beat_from(second), AFTER_S)):
        return None
    odd_s = 0.37 * _beat_s(other.beats_s)  # a DJ who does not match beats
    name = f"{tune.name} > {other.name}"
    return joined(tune.cut(first - BEFORE_S, first + odd_s), other.cut(second + odd_s, second + AFTER_S), name)


def pause(tune: Tune, bars: int) -> Scene | None:
    """Silence for `bars` bars from one beat on; the music comes back where it would have been."""
    middle = tune.beat_from(_middle(tune))
    back = middle + bars * tune.per_bar
    if back + 8 >= len(tune.beats_s) or not _long_enough(tune, middle, tune.beats_s[back] - tune.beats_s[middle] + 6.0):
        return None
    begin_s, back_s = tune.beats_s[middle], tune.beats_s[back]
    before, after = tune.cut(begin_s - BEFORE_S, begin_s), tune.cut(back_s, back_s + 6.0)
    gap_s = round((back_s - begin_s) * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    silence = np.zeros(round(gap_s * SAMPLE_RATE_HZ), dtype=np.float32)
    return joined(Tune(tune.name, np.concatenate([before.samples, silence]), before.beats_s), after, tune.name)


def ending(tune: Tune, then: Samples, name: str) -> Scene | None:
    """The music stops on a beat, `then` follows."""
    middle = tune.beat_from(_middle(tune))
    if not _long_enough(tune, middle, 0.0):
        return None
    return joined(tune.cut(tune.beats_s[middle] - BEFORE_S, tune.beats_s[middle]), Tune(name, then, []), f"{tune.name} > {name}")


def drums_out(style: str, bars: int) -> Scene:
    """Synthesised: only bass and chords play for `bars` bars."""
    tune, out_s = rendered(
        style,
        lambda _, before: [
            synth.Section("verse", before, fill=True),
            synth.Section("break", bars, drums="none"),
            synth.Section("chorus", 4),
        ],
    )
    out = tune.beat_from(out_s)
    return Scene(style, tune.samples, tune.beats_s, tune.beats_s[out + bars * tune.per_bar], _beat_s(tune.beats_s[:out]))


def ramp(style: str, per_s: float) -> Scene:
    """Synthesised: the tempo grows (or falls) by `per_s` of itself a second for `RAMP_S`, then stays."""

    def form(bpm: float, before: int) -> list[synth.Section]:
        end = bpm * (1.0 + per_s * RAMP_S)
        bars = max(1, round(RAMP_S * (bpm + end) / 120.0 / synth.STYLES[style].beats_per_bar))
        return [synth.Section("verse", before), synth.Section("ramp", bars, bpm=bpm, bpm_end=end), synth.Section("chorus", 2)]

    tune, at_s = rendered(style, form)
    return Scene(style, tune.samples, tune.beats_s, at_s, _beat_s(tune.beats_s[: tune.beat_from(at_s)]))


def _beat_s(beats: Sequence[float]) -> float:
    return float(np.median([b - a for a, b in pairwise(beats)])) if len(beats) > 1 else 0.5


def _middle(tune: Tune) -> float:
    """Where scenes happen: halfway, as far as there is music enough on both sides."""
    return max(BEFORE_S, len(tune.samples) / SAMPLE_RATE_HZ / 2.0 - 4.0)


def _long_enough(tune: Tune, beat: int, after_s: float) -> bool:
    """Whether the beats are known from 16 s before the beat to `after_s` after it."""
    if beat + 1 >= len(tune.beats_s):
        return False
    at_s = tune.beats_s[beat]
    return tune.beats_s[0] <= at_s - BEFORE_S + 2.0 and tune.beats_s[-1] >= at_s + after_s - 2.0 and at_s >= BEFORE_S
