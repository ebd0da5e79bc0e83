"""The pieces of a source and their beats: from where they are written down (`exact`), or fitted (`label`)."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from tests.train.free.exact import RATE, mixed, rendered, tempo_map
from tests.train.free.fetching import MODULES, SOUNDS
from tests.train.free.grid import LEAST_S, stretches
from tests.train.free.hearing import LIMIT_S, Floats, hear, rhythm, times
from tests.train.free.label import FASTEST_S, SLOWEST_S, label, labels
from tests.train.free.licences import terms

ROWS_PER_BEAT = (4, 8, 16, 3, 6, 12)

SHIFTS_S = np.arange(-0.07, 0.0701, 0.0025)
"""By how much a chart may be early or late as a whole."""

FIGURES = ("family", "octave", "place", "bare", "backbeat", "steady", "jitter")
"""Of a `Label`, kept beside its beats."""


class Span(NamedTuple):
    """A stretch (s) whose beats are known: each its time in s and its place in the bar, 0 = unknown; and how they are known."""

    start: float
    end: float
    beats: list[tuple[float, int]]
    about: dict[str, float | str]


@dataclass(frozen=True)
class Piece:
    """One piece: its sound, and its beats where they are known."""

    name: str
    audio: Path
    package: str
    licence: str
    spans: list[Span]


def pieces(package: str, folder: Path, made: Path) -> Iterator[Piece]:
    """All music of a package or repository; sound that has to be made goes to `made`."""
    charts = sorted(folder.glob("*notes.mid"))
    if charts:
        yield from charted_pieces(package, charts, made)
        return
    for path in sorted(folder.iterdir()):
        name = path.name.rsplit("__", maxsplit=1)[-1]
        if path.suffix.lower() in MODULES:
            sound, rows = rendered(path, LIMIT_S)
            if len(sound) > LEAST_S * RATE:
                audio = made / f"{folder.name}__{name}.flac"
                soundfile.write(audio, sound, RATE)
                yield Piece(name, audio, package, terms(package, folder, path.name), by_rows(audio, rows))
        elif path.suffix.lower() in SOUNDS and seconds(path) > LEAST_S:
            yield Piece(name, path, package, terms(package, folder, path.name), fitted(path))


def charted_pieces(package: str, charts: list[Path], made: Path) -> Iterator[Piece]:
    """Songs of Frets on Fire: the guitar put back into the song."""
    for chart in charts:
        folder, stem = chart.parent, chart.name.removesuffix("__notes.mid")
        name = stem.rsplit("__", maxsplit=1)[-1]
        parts = [folder / f"{stem}__{part}.ogg" for part in ("song", "guitar")]
        audio = made / f"{folder.name}__{name.replace(' ', '_')}.flac"
        soundfile.write(audio, mixed([part for part in parts if part.exists()]), RATE)
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "notes.mid").write_bytes(chart.read_bytes())
            yield Piece(name, audio, package, terms(package, folder, chart.name), charted(Path(scratch) / "notes.mid", audio))


def seconds(path: Path) -> float:
    """How long a file plays; 0 for what is no sound (a film in the same container)."""
    try:
        return float(soundfile.info(path).duration)
    except soundfile.LibsndfileError:
        return 0.0


def fitted(audio: Path) -> list[Span]:
    """Spans with the beats that `label` is sure of."""
    spans = []
    for about in labels(audio):
        first = np.ceil((about.start - about.origin) / about.period)
        beats = about.origin + about.period * np.arange(first, np.floor((about.end - about.origin) / about.period) + 1)
        figures = {key: round(float(getattr(about, key)), 3) for key in FIGURES}
        spans.append(Span(about.start, about.end, [(float(beat), 0) for beat in beats if beat >= 0], {"how": "fitted", **figures}))
    return spans


def by_rows(audio: Path, rows: list[tuple[float, int, int, int]]) -> list[Span]:
    """Spans of a module in which its rows and what is heard agree on the beats; the rows say when."""
    sound, spans = hear(audio), []
    when, numbers = np.array([row[0] for row in rows]), np.array([row[3] for row in rows])
    for stretch in stretches(rhythm(sound)):
        about = label(sound, stretch)
        inside = (when >= stretch.start) & (when < stretch.end)
        if about is None or inside.sum() < 32:
            continue
        step = (when[inside][-1] - when[inside][0]) / (inside.sum() - 1)
        each = min(ROWS_PER_BEAT, key=lambda count: abs(count * step / about.period - 1))
        beats = when[inside & (numbers % each == 0)]
        off = (beats - about.origin) / about.period
        alike = np.mean(np.abs(off - np.round(off)) < 0.12)
        beats, gaps = filled(beats, about.period), np.diff(beats) / about.period
        if alike > 0.95 and len(beats) and np.mean(np.abs(gaps - 1) < 0.03) > 0.95 and FASTEST_S <= about.period <= SLOWEST_S:
            how: dict[str, float | str] = {"how": f"rows of a module, {each} a beat"}
            spans.append(Span(stretch.start, stretch.end, [(float(beat), 0) for beat in beats], how))
    return spans


def filled(beats: Floats, period: float) -> Floats:
    """Beats with those between rows that were jumped over; none if the rows jump by anything but whole beats."""
    counts = np.round(np.diff(beats) / period)
    if np.any(np.abs(np.diff(beats) / period - counts) > 0.03 * np.maximum(counts, 1)):
        return beats[:0]
    spaced = [np.linspace(one, other, int(count), endpoint=False) for one, other, count in zip(beats[:-1], beats[1:], counts, strict=True)]
    return np.concatenate([*spaced, beats[-1:]])


def charted(chart: Path, audio: Path) -> list[Span]:
    """A chart's beats, shifted as a whole to where the sound's attacks are."""
    beats, sound = tempo_map(chart), hear(audio)
    at = np.array([beat for beat, _ in beats])
    heard = at[at < sound.seconds - 1]
    curve = sound.evidence + sound.flux
    scores = [np.interp(heard + shift, times(len(curve)), curve).mean() for shift in SHIFTS_S]
    shift = float(SHIFTS_S[int(np.argmax(scores))])
    end = float(min(at[-1] + shift, soundfile.info(audio).duration))
    moved = [(time + shift, place) for time, place in beats if 0 <= time + shift < end]
    return [Span(max(0.0, moved[0][0]), end, moved, {"how": f"chart, shifted by {1e3 * shift:.1f} ms"})]
