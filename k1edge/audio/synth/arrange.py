"""From a form (sections of bars) to notes on a grid of beats: who plays what, how hard, and when within the bar. Owns no state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from k1edge.audio.synth.styles import STEPS_PER_BEAT, STROKES, STYLES, Chord, Style, steps
from k1edge.audio.synth.tempo import TempoMap, TempoSegment

DRUM = 0
"""The pitch of a `Note` that has none."""

_LIGHT_DRUMS = frozenset({"kick", "hat", "ride", "shaker"})


@dataclass(frozen=True, slots=True)
class Section:
    """Some bars of a song that belong together.

    Attributes:
        label: what the truth calls it: "intro", "verse", "break" ...
        bars: its length, >= 1.
        drums: the whole kit, only what keeps the pulse, or none.
        tonal: whether bass and chords play.
        lead: whether the lead plays.
        fill: whether the last half bar is a drum fill.
        bpm: tempo from here on; None carries on with the tempo before.
        bpm_end: tempo at its end, reached linearly in time; None stays steady.
    """

    label: str
    bars: int
    drums: Literal["full", "light", "none"] = "full"
    tonal: bool = True
    lead: bool = False
    fill: bool = False
    bpm: float | None = None
    bpm_end: float | None = None

    def __post_init__(self) -> None:
        if self.bars < 1:
            msg = f"a section needs at least one bar, got {self.bars} for {self.label!r}"
            raise ValueError(msg)

    @property
    def silent(self) -> bool:
        """Nobody plays: digital silence, but the beats go on in the truth."""
        return self.drums == "none" and not self.tonal and not self.lead


class Note(NamedTuple):
    """One stroke or note.

    Attributes:
        voice: a drum of `drums.DRUMS`, or a voice of `tones.VOICES`.
        grid: its place in beats since the first beat, before swing.
        velocity: 0 to 1.
        pitch: MIDI number; `DRUM` for drums.
        beats: how long it is held; 0 for drums.
        earliest: a beat position before which it must not sound, whatever the humanising says.
    """

    voice: str
    grid: float
    velocity: float
    pitch: int
    beats: float
    earliest: float


def tempo_map(sections: Sequence[Section], bpm: float, beats_per_bar: int, origin_s: float) -> TempoMap:
    """The tempo of the whole form, beat 0 at `origin_s`."""
    segments = []
    for section in sections:
        start = bpm if section.bpm is None else section.bpm
        bpm = start if section.bpm_end is None else section.bpm_end
        segments.append(TempoSegment(float(section.bars * beats_per_bar), start, bpm))
    return TempoMap(tuple(segments), origin_s)


def swung(grid: float, style: Style, swing: float) -> float:
    """`grid` (beats) with swing: the first of each two swinging steps takes the share `swing`; whole beats stay where they are."""
    pair = 2.0 * style.swing_steps / STEPS_PER_BEAT
    index, rest = divmod(grid, pair)
    share = rest / pair
    bent = share * 2.0 * swing if share < 0.5 else swing + (share - 0.5) * 2.0 * (1.0 - swing)
    return (index + bent) * pair


def arrange(style_name: str, sections: Sequence[Section], rng: np.random.Generator) -> list[Note]:
    """All notes of a song, in no particular order.

    Raises:
        KeyError: there is no such style.
    """
    style = STYLES[style_name]
    player = _Player(style, rng)
    notes: list[Note] = []
    bar, crash = 0, False
    for section in sections:
        for index in range(section.bars):
            notes += player.bar(section, bar, bar + index, crash=crash and index == 0)
        bar += section.bars
        crash = section.fill
    return notes


class _Player:
    """Plays one style bar by bar; owns the random choices of one song."""

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        self._style = style
        self._rng = rng
        self._beats = style.beats_per_bar
        self._key = int(rng.integers(-5, 6))  # semitones around C
        self._motif = self._new_motif()
        self._earliest = 0.0  # beat at which the present section began

    def bar(self, section: Section, section_bar: int, bar: int, *, crash: bool) -> Iterator[Note]:
        """Bar number `bar` of a section that began at `section_bar`; `crash` on its first beat."""
        start = float(bar * self._beats)
        self._earliest = float(section_bar * self._beats)
        chord = self._style.progression[bar % len(self._style.progression)]
        if section.drums != "none":
            fill = section.fill and bar == section_bar + section.bars - 1
            yield from self._drums(start, light=section.drums == "light", fill=fill)
            if crash:
                yield self._stroke("crash", start, 0.8)
        if section.tonal:
            yield from self._bass(start, bar, chord)
            yield from self._chords(start, chord)
        if section.lead:
            yield from self._lead(start, bar)

    def _velocity(self, nominal: float) -> float:
        return float(np.clip(nominal * (1.0 + 0.09 * self._rng.standard_normal()), 0.05, 1.0))

    def _stroke(self, drum: str, grid: float, nominal: float) -> Note:
        return Note(drum, grid, self._velocity(nominal), DRUM, 0.0, self._earliest)

    def _note(self, voice: str, grid: float, velocity: float, pitch: int, beats: float) -> Note:
        return Note(voice, grid, velocity, pitch, beats, self._earliest)

    def _drums(self, start: float, *, light: bool, fill: bool) -> Iterator[Note]:
        grooves = self._style.grooves
        groove = grooves[int(self._rng.random() > 0.65) % len(grooves)]
        stop = self._beats * STEPS_PER_BEAT - (2 * STEPS_PER_BEAT if fill else 0)
        for drum, pattern in groove.items():
            if light and drum not in _LIGHT_DRUMS:
                continue
            for step, mark in enumerate(steps(pattern)[:stop]):
                if mark != "." and (mark != "g" or self._rng.random() < 0.6):
                    yield self._stroke(drum, start + step / STEPS_PER_BEAT, STROKES[mark] * (0.8 if light else 1.0))
        if fill:
            yield from self._fill(start + stop / STEPS_PER_BEAT)

    def _fill(self, start: float) -> Iterator[Note]:
        """Two beats down the toms, growing; the beats themselves are always struck."""
        drums = ("snare", "snare", "tom_high", "tom_high", "tom_mid", "tom_mid", "tom_low", "tom_low")
        for step, drum in enumerate(drums):
            on_beat = step % STEPS_PER_BEAT == 0
            if on_beat or self._rng.random() < 0.85:
                yield self._stroke(drum, start + step / STEPS_PER_BEAT, (0.9 if on_beat else 0.6) + 0.02 * step)
            if on_beat:
                yield self._stroke("kick", start + step / STEPS_PER_BEAT, 0.8)

    def _bass(self, start: float, bar: int, chord: Chord) -> Iterator[Note]:
        root, notes = chord
        above = {"r": 0, "t": notes[1], "f": notes[2], "o": 12, "s": notes[-1]}
        pattern = steps(self._style.bass[bar % len(self._style.bass)])
        low = 28 + (self._key + root + 8) % 12  # E1 to D#2
        for step, length, mark in _held(pattern):
            pitch = low + above[mark]
            yield self._note(self._style.bass_voice, start + step, self._velocity(0.85), pitch, length * 0.92)

    def _chords(self, start: float, chord: Chord) -> Iterator[Note]:
        root, notes = chord
        for step, length, _ in _held(steps(self._style.chords)):
            loud = self._velocity(0.7)
            for above in notes:
                pitch = 55 + (self._key + root + above + 5) % 12  # close position, G3 to F#4: the voices move little
                yield self._note(self._style.chord_voice, start + step, loud, pitch, length * 0.95)

    def _new_motif(self) -> list[tuple[float, float, int]]:
        """Two bars of melody as (beat, length, degree of the scale): a random walk that rests, and ends at home."""
        motif, beat, degree = [], 0.0, int(self._rng.integers(0, 5))
        while beat < 2 * self._beats - 1:
            length = float(self._rng.choice([0.5, 0.5, 1.0, 1.0, 1.5, 2.0]))
            if self._rng.random() < 0.8:
                motif.append((beat, min(length, 2 * self._beats - beat), degree))
            degree = int(np.clip(degree + self._rng.integers(-2, 3), -1, 7))
            beat += length
        return [*motif, (2.0 * self._beats - 1.0, 1.0, 0)]

    def _lead(self, start: float, bar: int) -> Iterator[Note]:
        """The motif again and again, every fourth pair of bars varied."""
        if bar % 8 == 6:
            self._motif = self._new_motif()
        scale = self._style.scale
        first = (bar % 2) * self._beats
        for beat, length, degree in self._motif:
            if first <= beat < first + self._beats:
                octave, index = divmod(degree, len(scale))
                pitch = 72 + self._key + scale[index] + 12 * octave
                yield self._note(self._style.lead_voice, start + beat - first, self._velocity(0.75), pitch, length * 0.9)


def _held(pattern: str) -> Iterator[tuple[float, float, str]]:
    """(start, length, mark) in beats of each note of a pattern in which `-` holds."""
    step = 0
    while step < len(pattern):
        mark, end = pattern[step], step + 1
        while end < len(pattern) and pattern[end] == "-":
            end += 1
        if mark != ".":
            yield step / STEPS_PER_BEAT, (end - step) / STEPS_PER_BEAT, mark
        step = end
