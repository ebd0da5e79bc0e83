"""A band plays a song of POP909 in some style, for half a minute to a minute: stems, and what the beats are. All from one seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.train import arrange, fluid, kits, mixing, patterns, sources
from tests.train.notes import Note, Part, Pulse, between, steady
from tests.train.styles import STYLES, Comp, Style

SECONDS = 44.0

ALONE = 0.12
"""Share of the pieces with a drummer in which nobody else plays."""

GROOVE_STYLES = {
    "rock": "rock", "punk": "punk", "funk": "funk", "hiphop": "hiphop", "blues": "blues", "jazz": "swing", "latin": "latin", "reggae": "reggae",
    "pop": "pop", "soul": "funk", "country": "country", "afrobeat": "latin", "afrocuban": "latin", "neworleans": "blues", "dance": "disco", "gospel": "funk",
    "highlife": "latin", "middleeastern": "latin",
}  # fmt: skip
"""What plays along with a drummer of Groove, by the first word of his style."""


@dataclass(frozen=True)
class Stems:
    """What was played: per role its sound, and the beats in s with their position in the bar (1 = first)."""

    parts: list[tuple[str, mixing.Samples]]
    beats_s: np.ndarray
    positions: np.ndarray
    style: str
    bpm: float


def play(root: Path, rng: np.random.Generator) -> Stems:
    """Stems of a piece."""
    names = list(STYLES)
    shares = np.array([STYLES[name].share for name in names])
    name = str(rng.choice(names, p=shares / shares.sum()))
    drummer = None
    if rng.random() < 0.3:
        everybody = sources.performances(root)
        drummer = everybody[int(rng.integers(len(everybody)))]
        name = GROOVE_STYLES.get(drummer.style.split("/")[0].split("-")[0], "rock")
        if drummer.metre != STYLES[name].metre:
            drummer, name = (None, name) if drummer.metre != 3 else (drummer, "waltz")
    style = STYLES[name]
    bpm = drummer.bpm * float(rng.uniform(0.92, 1.08)) if drummer else float(np.exp(rng.uniform(*np.log(style.bpm))))
    bars = max(int(SECONDS * bpm / 60.0 / style.metre), 4)
    song = any_song(root, rng)
    pulse = beat_times(song, bpm, bars * style.metre + 1, rng, human=not style.drums)
    first = 4 * int(rng.integers(max(song.beats // 4 - bars * style.metre // 4 - 1, 1)))
    parts = band(style, song, first, bars, rng, bpm, drummer)
    seconds = pulse.at(bars * style.metre)
    if parts[0].role == "drums" and parts[0].notes and rng.random() < ALONE:
        parts = parts[:1]
    stems = [(part.role, sounding(part, pulse, seconds, style, rng)) for part in parts]
    beats = np.array([pulse.at(b) for b in range(bars * style.metre)])
    return Stems([s for s in stems if np.abs(s[1]).max(initial=0.0) > 1e-6], beats, np.arange(len(beats)) % style.metre + 1, name, bpm)


def any_song(root: Path, rng: np.random.Generator) -> sources.Song:
    """A song in fours."""
    numbers = sources.song_numbers(root)
    while True:
        try:
            return sources.song(root, int(rng.choice(numbers)))
        except ValueError:
            continue


def beat_times(song: sources.Song, bpm: float, beats: int, rng: np.random.Generator, *, human: bool) -> Pulse:
    """A pulse near `bpm`: a machine's, a band's that drifts, or a pianist's own, scaled."""
    if human and len(song.pulse.times) > beats + 1 and rng.random() < 0.6:
        first = int(rng.integers(len(song.pulse.times) - beats))
        times = song.pulse.times[first : first + beats + 1] - song.pulse.times[first]
        return Pulse(times * (60.0 / bpm) / float(np.median(np.diff(times))))
    return steady(bpm, beats, rng, drift=float(rng.choice([0.0, 0.0, 0.006, 0.015, 0.03] if not human else [0.0, 0.02, 0.04])))


def band(
    style: Style, song: sources.Song, first: int, bars: int, rng: np.random.Generator, bpm: float, drummer: sources.Performance | None
) -> list[Part]:
    """Everybody's notes, drums apart from where they rest."""
    beats = bars * style.metre
    played = {name: between(notes, first, first + beats) for name, notes in song.tracks.items()}
    chords = arrange.harmony(played["PIANO"], beats)
    swing = float(rng.choice(style.swings))
    parts: list[Part] = []
    if drummer is not None:
        parts.append(Part("drums", 0, looped(drummer, bars)))
    elif style.drums:
        parts.append(Part("drums", 0, patterns.drums(list(style.drums), bars, style.metre, rng, bpm=bpm, swing=min(swing, 1.0))))
    if parts:
        parts[0].notes = resting(parts[0].notes, bars, style.metre, rng)
    if style.basses and rng.random() < 0.93:
        figure = str(rng.choice(style.basses))
        programs = (38, 39) if rng.random() < style.electronic else (32, 33, 34, 35, 36, 43)
        parts.append(Part("bass", int(rng.choice(programs)), arrange.bass(figure, chords, bars, style.metre, rng, swing)))
    for number, comp in enumerate(style.comps):
        if number == 0 or rng.random() < 0.55:
            parts.append(accompaniment(comp, played["PIANO"], chords, bars, style, rng, swing))
    if rng.random() < 0.75 and style.metre == 4:
        parts.append(Part("lead", int(rng.choice(style.leads)), moved_octave(played["MELODY"] or played["BRIDGE"], rng)))
    if len(parts) < 2 or (style.metre == 4 and rng.random() < 0.25):
        parts.append(Part("piano", int(rng.integers(0, 6)), played["PIANO"]))
    return parts


def accompaniment(
    comp: Comp, piano: list[Note], chords: list[arrange.Chord], bars: int, style: Style, rng: np.random.Generator, swing: float
) -> Part:
    """A figure over the chords, or now and then what the pianist himself plays."""
    program = int(rng.choice(comp.programs))
    if comp.drive == 0.0 and style.metre == 4 and rng.random() < 0.2:
        return Part("comp", program, piano)
    figure = str(rng.choice(comp.figures))
    notes = arrange.comp(figure, chords, bars, style.metre, rng, swing)
    return Part("comp", program, notes, comp.drive * float(rng.uniform(0.5, 2.0)))


def moved_octave(notes: list[Note], rng: np.random.Generator) -> list[Note]:
    """A melody in another octave."""
    up = 12 * int(rng.integers(-1, 2))
    return [n._replace(pitch=n.pitch + up) for n in notes]


def looped(drummer: sources.Performance, bars: int) -> list[Note]:
    """A performance again and again, from its first whole bar."""
    length = max(drummer.bars, 1) * drummer.metre
    found = []
    for start in range(0, bars * drummer.metre, length):
        found += [
            n._replace(beat=n.beat + start) for n in drummer.notes if n.beat < length - 0.05 and n.beat + start < bars * drummer.metre
        ]
    return found


def resting(notes: list[Note], bars: int, metre: int, rng: np.random.Generator) -> list[Note]:
    """Drums come in later, or pause for some bars, in half of the pieces."""
    if rng.random() < 0.5:
        return notes
    silent = set(range(int(rng.choice([0, 0, 2, 4, 8]))))
    if rng.random() < 0.6 and bars > 12:
        pause = int(rng.integers(6, bars - 4))
        silent |= set(range(pause, pause + int(rng.choice([1, 2, 4, 8]))))
    return [n for n in notes if int((n.beat + 0.1) // metre) not in silent]


def sounding(part: Part, pulse: Pulse, seconds: float, style: Style, rng: np.random.Generator) -> mixing.Samples:
    """One part's sound from beat 0 on."""
    fonts = ["fluid", "musescore", "musescore", "timgm", "fluid"] + (["opl3"] if rng.random() < 0.3 else [])
    font = str(rng.choice(fonts))
    if part.role == "drums":
        electronic = rng.random() < style.electronic
        if rng.random() < 0.65:
            kind = "electronic" if electronic else "acoustic"
            return kits.render(part.notes, pulse, seconds, str(rng.choice(kits.KITS[kind])), rng)
        program = int(rng.choice([24, 25, 0] if electronic else [0, 0, 8, 16, 32, 40]))
        return fluid.render(part.notes, pulse, seconds, font=font, program=program, drums=True)
    sound = fluid.render(part.notes, pulse, seconds, font=font, program=part.program)
    return mixing.driven(sound, part.drive, rng) if part.drive > 0.0 else sound


BALANCE_DB = {"drums": 0.0, "bass": -3.0, "comp": -5.0, "lead": -4.0, "piano": -5.0}


def mixed(stems: Stems, rng: np.random.Generator) -> mixing.Samples:
    """One mix of a piece: everybody at some loudness, mastered."""
    length = max(len(sound) for _, sound in stems.parts)
    out = np.zeros(length, dtype=np.float32)
    for role, sound in stems.parts:
        gain_db = BALANCE_DB[role] + float(rng.normal(0.0, 4.0)) - (6.0 if role == "drums" and rng.random() < 0.25 else 0.0)
        out[: len(sound)] += sound * np.float32(10.0 ** (gain_db / 20.0) / (mixing.level(sound) + 1e-9))
    return mixing.mastered(out, rng)
