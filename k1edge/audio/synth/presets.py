"""Songs by name: what the demo plays and what the tests measure at. Owns no state.

Every style of `styles.STYLES` is a preset of the same name: a verse and chorus form at a steady tempo, drums all the way. Besides:

| name           | what happens                                                                                       |
|----------------|----------------------------------------------------------------------------------------------------|
| demo           | house, 122 bpm: intro, build-up with a fill, chorus, a break without drums, chorus, end             |
| tempo_step     | rock; after half the bars the tempo is 1.2 times as fast, from one bar to the next                  |
| tempo_ramp     | house, steady for a quarter, then evenly up by 15 % over half of the bars, then steady              |
| drum_break     | house; the drums are out for 4 bars in the middle                                                   |
| silent_break   | rock; digital silence for 2 bars in the middle                                                      |
| intro_silence  | house after 10 s of digital silence                                                                 |
| noisy          | rock over white noise at -30 dBFS                                                                   |
| quiet          | house 40 dB down over hiss at -70 dBFS: a microphone at the far end of the room                     |
| song_change    | half house at 124, then half drum'n'bass at 172, half a second apart                                |
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.synth.arrange import Section
from k1edge.audio.synth.drums import kit
from k1edge.audio.synth.shaping import Floats, add_at, frames
from k1edge.audio.synth.song import SectionSpan, Song, concatenate, render
from k1edge.audio.synth.styles import STYLES
from k1edge.audio.synth.tones import click
from k1edge.timebase import SAMPLE_RATE_HZ


class _Choices(TypedDict, total=False):
    """What a caller may choose for any preset; see `render`."""

    bpm: float | None
    swing: float | None
    humanise_ms: float | None
    lead_in_s: float
    noise_dbfs: float | None


_Preset = Callable[[int, float, _Choices], Song]


def song(name: str, *, seed: int = 1, seconds: float = 60.0, **choices: Unpack[_Choices]) -> Song:
    """The preset `name`, exactly `seconds` long.

    Args:
        name: one of `PRESETS`.
        seed: of key, melody, velocities and timing; the same arguments give the same samples.
        seconds: duration; the forms want 12 or more.
        choices: `bpm`, `swing`, `humanise_ms`, `lead_in_s`, `noise_dbfs` as in `render`, instead of the preset's own.

    Raises:
        KeyError: there is no such preset; the message lists those there are.
    """
    if name not in PRESETS:
        msg = f"no song {name!r}; there are {', '.join(PRESETS)}"
        raise KeyError(msg)
    return PRESETS[name](seed, seconds, choices)


def click_and_drums(bpm: float = 120.0, seconds: float = 60.0, *, seed: int = 1, lead_in_s: float = 0.5) -> Song:
    """A click that towers over soft drums at every beat, for finding the beats again in captured sound (see `find_clicks`).

    The click starts from full height at the sample nearest to the beat; drums lie exactly on the grid and stay 10 dB below it. 4/4.
    """
    grid_s = lead_in_s + np.arange(0.0, (seconds - lead_in_s) * bpm / 60.0 - 0.05 * bpm / 60.0, 0.5) * 60.0 / bpm
    samples = np.zeros(frames(seconds), dtype=np.float32)
    shots = kit("acoustic")
    rng = np.random.default_rng(seed)
    for half_beat, at_s in enumerate(grid_s.tolist()):
        on_beat = half_beat % 2 == 0
        drum = ("kick", "snare")[half_beat // 2 % 2]
        strokes = (("hat", 0.06), (drum, 0.2)) if on_beat else (("hat", 0.05),)
        for name, gain in strokes:
            add_at(samples, frames(at_s), shots[name][int(rng.integers(len(shots[name])))], gain * float(rng.uniform(0.85, 1.0)))
        if on_beat:
            add_at(samples, frames(at_s), click(), 0.64)
    beats_s = grid_s[::2]
    samples.setflags(write=False)
    return Song(
        name="click_and_drums",
        samples=samples,
        beats_s=beats_s,
        beat_in_bar=np.arange(beats_s.size) % 4 + 1,
        beat_bpm=np.full(beats_s.size, float(bpm)),
        struck=np.ones(beats_s.size, dtype=np.bool_),
        onsets_s=grid_s,
        sections=(SectionSpan("clicks", lead_in_s, seconds),),
    )


def find_clicks(samples: NDArray[np.floating], rate_hz: float = SAMPLE_RATE_HZ, *, threshold: float = 0.5) -> Floats:
    """Where the clicks of `click_and_drums` are in `samples`, in s, whatever gain, delay, rate or filter they went through.

    The first sample above `threshold` times the peak of nine tenths of all half seconds (one spike shall not hide all clicks), then
    nothing for 150 ms. Good to 0.3 ms where the click comes through undamaged.
    """
    height = np.abs(samples)
    windows = height[: height.size // (int(rate_hz) // 2) * (int(rate_hz) // 2)].reshape(-1, int(rate_hz) // 2)
    peak = float(np.quantile(np.max(windows, axis=1), 0.9)) if windows.size else float(np.max(height, initial=0.0))
    found: list[float] = []
    for index in np.flatnonzero(height > threshold * peak).tolist() if peak > 0.0 else []:
        at_s = index / rate_hz
        if not found or at_s - found[-1] > 0.15:
            found.append(at_s)
    return np.array(found)


def _bars(style: str, seconds: float, choices: _Choices) -> int:
    """Bars that fill `seconds` at the tempo chosen."""
    table = STYLES[style]
    return max(4, math.ceil(seconds * (choices.get("bpm") or table.bpm) / 60.0 / table.beats_per_bar))


def _form(bars: int) -> list[Section]:
    """Verses and choruses of 8 bars behind a short intro, a fill before each change."""
    sections = [Section("intro", 2, fill=True)]
    left = bars - 2
    while left > 0:
        chorus = len(sections) % 2 == 0
        sections.append(Section("chorus" if chorus else "verse", min(8, left), lead=chorus, fill=left >= 4))
        left -= 8
    return sections


def _steady(style: str) -> _Preset:
    def make(seed: int, seconds: float, choices: _Choices) -> Song:
        return render(style, _form(_bars(style, seconds, choices)), seed=seed, seconds=seconds, **choices)

    return make


def _shaped(name: str, style: str, form: Callable[[int, float], Sequence[Section]], **own: Unpack[_Choices]) -> _Preset:
    """A preset whose form depends on (bars, bpm); `own` is what it wants unless the caller chooses."""

    def make(seed: int, seconds: float, choices: _Choices) -> Song:
        wanted: _Choices = {**own, **choices}
        bpm = wanted.get("bpm") or STYLES[style].bpm
        return render(style, form(_bars(style, seconds, wanted), bpm), seed=seed, seconds=seconds, name=name, **wanted)

    return make


def _demo(bars: int, _bpm: float) -> list[Section]:
    """In shares of the whole, so that 12 s have everything that 120 s have."""
    intro, build = max(1, bars // 10), max(2, bars // 6)
    pause = 1 if bars < 12 else 2 if bars < 24 else 4
    first = max(1, (bars - intro - build - pause) // 2)
    return [
        Section("intro", intro, drums="light"),
        Section("verse", build, fill=True),
        Section("chorus", first, lead=True, fill=True),
        Section("break", pause, drums="none", lead=True),
        Section("chorus", max(2, bars - intro - build - pause - first), lead=True, fill=True),
    ]


def _step(bars: int, bpm: float) -> list[Section]:
    first = bars // 2
    return [Section("verse", first, fill=True), Section("faster", bars - first + 1 + bars // 5, lead=True, bpm=1.2 * bpm)]


def _ramp(bars: int, bpm: float) -> list[Section]:
    first = max(1, bars // 4)
    return [Section("verse", first), Section("ramp", bars // 2, bpm_end=1.15 * bpm), Section("chorus", bars - first, lead=True)]


def _break(out: Section) -> Callable[[int, float], Sequence[Section]]:
    def form(bars: int, _bpm: float) -> list[Section]:
        first = max(1, (bars - out.bars) // 2)
        return [Section("verse", first, fill=True), out, Section("chorus", max(1, bars - first - out.bars), lead=True)]

    return form


def _quiet(seed: int, seconds: float, choices: _Choices) -> Song:
    loud = song("house", seed=seed, seconds=seconds, **choices)
    return replace(loud.scaled(-40.0).with_noise(-70.0, seed=seed), name="quiet")


def _song_change(seed: int, seconds: float, choices: _Choices) -> Song:
    half_s = (seconds - 0.5) / 2
    parts = [song("house", seed=seed, seconds=half_s, **choices), song("dnb", seed=seed + 1, seconds=seconds - 0.5 - half_s, **choices)]
    return concatenate(parts, gap_s=0.5, name="song_change")


PRESETS: Mapping[str, _Preset] = MappingProxyType(
    {
        **{style: _steady(style) for style in STYLES},
        "demo": _shaped("demo", "house", _demo, bpm=122.0),
        "tempo_step": _shaped("tempo_step", "rock", _step),
        "tempo_ramp": _shaped("tempo_ramp", "house", _ramp),
        "drum_break": _shaped("drum_break", "house", _break(Section("break", 4, drums="none"))),
        "silent_break": _shaped("silent_break", "rock", _break(Section("silence", 2, drums="none", tonal=False))),
        "intro_silence": _shaped("intro_silence", "house", lambda bars, _bpm: _form(bars), lead_in_s=10.0),
        "noisy": _shaped("noisy", "rock", lambda bars, _bpm: _form(bars), noise_dbfs=-30.0),
        "quiet": _quiet,
        "song_change": _song_change,
    }
)
"""Every preset by name."""
