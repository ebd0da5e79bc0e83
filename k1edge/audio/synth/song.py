"""A song with its truth: the samples, and where the beats in them are. Rendering owns no state: the same arguments give the same bits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from k1edge.audio.synth.arrange import DRUM, Note, Section, arrange, swung, tempo_map
from k1edge.audio.synth.drums import VARIANTS, kit
from k1edge.audio.synth.noise import white
from k1edge.audio.synth.shaping import PEAK_LIMIT, Floats, Samples, add_at, frames
from k1edge.audio.synth.styles import STYLES
from k1edge.audio.synth.tempo import TempoMap
from k1edge.audio.synth.tones import note
from k1edge.timebase import SAMPLE_RATE_HZ

Ints = NDArray[np.int64]

_GAINS = {
    "kick": 0.95, "snare": 0.7, "rim": 0.5, "clap": 0.55, "hat": 0.2, "open_hat": 0.2, "ride": 0.26, "crash": 0.3, "shaker": 0.16,
    "tom_high": 0.6, "tom_mid": 0.65, "tom_low": 0.7,
    "bass": 0.42, "sub": 0.55, "pad": 0.085, "keys": 0.13, "pluck": 0.16, "stab": 0.1, "lead": 0.14, "flute": 0.17,
}  # fmt: skip
"""The mixing desk: what a stroke of velocity 1 peaks at."""

_END_FADE_S = 0.03
_LAST_BEAT_S = 0.05
"""A beat so close to the end that nobody can hear it is not in the truth."""


@dataclass(frozen=True, slots=True)
class SectionSpan:
    """Where a section lies: [start_s, end_s)."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """Sound and truth. Times are seconds from the first sample; a beat lies where the attack of what is played on it begins.

    Attributes:
        name: what was asked for.
        samples: float32, shape (n,), mono at 44.1 kHz, |x| <= 0.9; read-only.
        beats_s: the grid, ascending, in silent bars too; humanising and swing move the strokes, not the truth.
        beat_in_bar: of each beat, 1 = downbeat.
        beat_bpm: momentary tempo at each beat.
        struck: of each beat, whether a drum was struck on it.
        onsets_s: every drum stroke where it really sounds (humanised), ascending.
        sections: in order, without gaps from the first beat on.
    """

    name: str
    samples: Samples
    beats_s: Floats
    beat_in_bar: Ints
    beat_bpm: Floats
    struck: NDArray[np.bool_]
    onsets_s: Floats
    sections: tuple[SectionSpan, ...]

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples.size / SAMPLE_RATE_HZ

    @property
    def downbeats_s(self) -> Floats:
        """The first beats of bars."""
        return np.asarray(self.beats_s[self.beat_in_bar == 1])

    def scaled(self, gain_db: float) -> "Song":
        """The same song, `gain_db` louder or softer, never beyond the peak limit."""
        louder = np.clip(self.samples * np.float32(10.0 ** (gain_db / 20.0)), -PEAK_LIMIT, PEAK_LIMIT)
        return replace(self, samples=_sealed(louder.astype(np.float32)))

    def with_noise(self, dbfs: float, *, seed: int = 0) -> "Song":
        """The same song over a floor of white noise at `dbfs` RMS."""
        noisy = np.clip(self.samples + white(self.seconds, dbfs, seed=seed), -PEAK_LIMIT, PEAK_LIMIT)
        return replace(self, samples=_sealed(noisy))


def render(
    style: str,
    sections: Sequence[Section],
    *,
    seed: int = 1,
    bpm: float | None = None,
    swing: float | None = None,
    humanise_ms: float | None = None,
    lead_in_s: float = 0.5,
    seconds: float | None = None,
    noise_dbfs: float | None = None,
    name: str | None = None,
) -> Song:
    """Play `sections` in a style of `styles.STYLES`.

    Args:
        style: a name of `STYLES`.
        sections: the form, at least one.
        seed: of everything random; the same arguments give the same samples.
        bpm: tempo until a section says otherwise; None takes the style's own.
        swing: 0.5 (straight) to 0.75; None takes the style's own.
        humanise_ms: standard deviation of the strokes around the grid; None takes the style's own, 0 is the grid itself.
        lead_in_s: digital silence before the first beat.
        seconds: exact duration, cut with a short fade or padded with silence; None ends after the last bar, tails included.
        noise_dbfs: RMS of a floor of white noise under everything; None leaves silence digital.
        name: of the song; None takes the style's.

    Raises:
        KeyError: there is no such style.
        ValueError: no section, or a tempo that is not above 0.
    """
    table = STYLES[style]
    rng = np.random.default_rng(seed)
    tempo = tempo_map(sections, table.bpm if bpm is None else bpm, table.beats_per_bar, lead_in_s)
    notes = arrange(style, sections, rng)
    swing_share = table.swing if swing is None else swing
    on_grid_s = tempo.time_at([swung(n.grid, table, swing_share) for n in notes])
    spread_s = (table.humanise_ms if humanise_ms is None else humanise_ms) / 1000.0
    earliest_s = tempo.time_at([n.earliest for n in notes])
    played_s = np.maximum(on_grid_s + spread_s * np.clip(rng.standard_normal(len(notes)), -2.5, 2.5), earliest_s)
    total_s = float(tempo.time_at(tempo.beats)) + 1.0 if seconds is None else seconds
    samples = _mixed(table.kit, table.duck, notes, played_s, tempo, frames(total_s), rng)
    _hush(samples, sections, tempo, table.beats_per_bar)
    song = _with_truth(name or style, samples, sections, tempo, table.beats_per_bar, notes, played_s)
    return song if noise_dbfs is None else song.with_noise(noise_dbfs, seed=seed)


def concatenate(songs: Sequence[Song], *, gap_s: float = 0.0, name: str | None = None) -> Song:
    """One song after the other, `gap_s` of digital silence between them: a DJ who cannot mix.

    Raises:
        ValueError: no song.
    """
    if not songs:
        msg = "concatenate needs at least one song"
        raise ValueError(msg)
    gap = np.zeros(frames(gap_s), dtype=np.float32)
    parts: list[Samples] = []
    starts: list[float] = []
    at = 0
    for index, song in enumerate(songs):
        parts += [gap, song.samples] if index else [song.samples]
        at += gap.size if index else 0
        starts.append(at / SAMPLE_RATE_HZ)
        at += song.samples.size
    return Song(
        name=name or "+".join(s.name for s in songs),
        samples=_sealed(np.concatenate(parts)),
        beats_s=np.concatenate([s.beats_s + start for s, start in zip(songs, starts, strict=True)]),
        beat_in_bar=np.concatenate([s.beat_in_bar for s in songs]),
        beat_bpm=np.concatenate([s.beat_bpm for s in songs]),
        struck=np.concatenate([s.struck for s in songs]),
        onsets_s=np.concatenate([s.onsets_s + start for s, start in zip(songs, starts, strict=True)]),
        sections=tuple(
            SectionSpan(p.label, p.start_s + start, p.end_s + start) for s, start in zip(songs, starts, strict=True) for p in s.sections
        ),
    )


def _sealed(samples: Samples) -> Samples:
    samples.setflags(write=False)
    return samples


def _mixed(
    kit_name: str, duck: float, notes: Sequence[Note], played_s: Floats, tempo: TempoMap, n: int, rng: np.random.Generator
) -> Samples:
    """All notes added up, the tones ducked by the kick, and the sum softly limited."""
    drums, tones = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    shots = kit(kit_name)
    starts = np.rint(played_s * SAMPLE_RATE_HZ).astype(np.int64)
    held_s = tempo.time_at([x.grid + x.beats for x in notes]) - tempo.time_at([x.grid for x in notes])
    variants = rng.integers(0, VARIANTS, len(notes))
    for x, start, length_s, variant in zip(notes, starts.tolist(), held_s.tolist(), variants.tolist(), strict=True):
        loud = _GAINS[x.voice] * x.velocity
        if x.pitch == DRUM:
            add_at(drums, start, shots[x.voice][variant], loud)
        elif start < n:
            add_at(tones, start, note(x.voice, x.pitch, length_s), loud)
    if duck:
        _duck(tones, [s for x, s in zip(notes, starts.tolist(), strict=True) if x.voice == "kick"], duck)
    return np.asarray(0.85 * np.tanh(drums + tones), dtype=np.float32)


def _duck(tones: Samples, kicks: Sequence[int], depth: float) -> None:
    """Push the tones down under each kick and let them come back in a quarter of a second: the pump of house music."""
    length = frames(0.25)
    shape = (1.0 - depth * (1.0 - np.arange(length) / length) ** 2).astype(np.float32)
    gain = np.ones_like(tones)
    for start in kicks:
        part = gain[start : start + length]
        np.minimum(part, shape[: part.size], out=part)
    tones *= gain


def _hush(samples: Samples, sections: Sequence[Section], tempo: TempoMap, beats_per_bar: int) -> None:
    """Make silent sections digitally silent (a short fade before them), and let the end fade out."""
    beat = 0
    for section in sections:
        end = beat + section.bars * beats_per_bar
        if section.silent:
            start, stop = (min(int(np.rint(t * SAMPLE_RATE_HZ)), samples.size) for t in tempo.time_at([beat, end]).tolist())
            fade = min(frames(0.008), start)
            samples[start - fade : start] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
            samples[start:stop] = 0.0
        beat = end
    fade = min(frames(_END_FADE_S), samples.size)
    samples[samples.size - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)


def _with_truth(
    name: str, samples: Samples, sections: Sequence[Section], tempo: TempoMap, beats_per_bar: int, notes: Sequence[Note], played_s: Floats
) -> Song:
    index = np.arange(round(tempo.beats))
    beats_s = tempo.time_at(index)
    duration_s = samples.size / SAMPLE_RATE_HZ
    heard = beats_s < duration_s - _LAST_BEAT_S
    struck_beats = [round(x.grid) for x in notes if x.pitch == DRUM and x.grid == round(x.grid)]
    onsets_s = np.sort([t for x, t in zip(notes, played_s.tolist(), strict=True) if x.pitch == DRUM and t < duration_s])
    edges = np.cumsum([0, *(s.bars * beats_per_bar for s in sections)])
    edges_s = np.minimum(tempo.time_at(edges), duration_s).tolist()
    spans = zip(sections, edges_s, edges_s[1:], strict=False)
    return Song(
        name=name,
        samples=_sealed(samples),
        beats_s=beats_s[heard],
        beat_in_bar=(index % beats_per_bar + 1)[heard],
        beat_bpm=tempo.bpm_at(index)[heard],
        struck=np.isin(index, struck_beats)[heard],
        onsets_s=np.asarray(onsets_s, dtype=np.float64),
        sections=tuple(SectionSpan(s.label, start, end) for s, start, end in spans if start < end),
    )
