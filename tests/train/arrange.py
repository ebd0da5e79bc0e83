"""What a band plays over a song's chords: harmony found in its piano part, and bass and accompaniment in the manner of a style."""

from dataclasses import dataclass

import numpy as np

from tests.train.notes import Note


@dataclass(frozen=True)
class Chord:
    """Pitch classes over two beats; the root first."""

    root: int
    tones: tuple[int, ...]


BASSES: dict[str, list[tuple[float, float, int]]] = {
    "whole": [(0, 3.8, 0)], "halves": [(0, 1.8, 0), (2, 1.8, 0)], "quarters": [(0, 0.8, 0), (1, 0.8, 0), (2, 0.8, 0), (3, 0.8, 0)],
    "eighths": [(i / 2, 0.42, 0) for i in range(8)], "sixteenths": [(i / 4, 0.2, 0) for i in range(16)],
    "octaves": [(i / 2, 0.4, 12 * (i % 2)) for i in range(8)], "offbeat": [(i + 0.5, 0.4, 0) for i in range(4)],
    "gallop": [(i + o, 0.2, 0) for i in range(4) for o in (0, 0.5, 0.75)], "country": [(0, 0.9, 0), (2, 0.9, 7)],
    "pop": [(0, 1.4, 0), (1.5, 0.4, 0), (2, 1.4, 0), (3.5, 0.4, 7)], "syncopated": [(0, 0.7, 0), (0.75, 0.6, 0), (1.5, 0.9, 0), (2.5, 0.4, 7), (3.25, 0.4, 0)],
    "funk": [(0, 0.3, 0), (0.75, 0.2, 0), (1.5, 0.3, 12), (2.25, 0.2, 0), (2.5, 0.3, 7), (3.5, 0.2, 10), (3.75, 0.2, 12)],
    "reggae": [(0, 0.7, 0), (1.5, 0.4, 0), (2, 0.7, 7), (3, 0.4, 7), (3.5, 0.4, 0)], "bossa": [(0, 1.4, 0), (1.5, 0.4, 7), (2, 1.4, 7), (3.5, 0.4, 0)],
    "tresillo": [(0, 1.2, 0), (1.5, 1.2, 7), (3, 0.8, 12)], "walking": [(0, 0.9, 0), (1, 0.9, 4), (2, 0.9, 7), (3, 0.9, 9)], "waltz": [(0, 0.9, 0)],
    "boogie": [(i / 2, 0.4, (0, 0, 4, 4, 7, 7, 9, 9)[i]) for i in range(8)], "sub": [(0, 1.4, 0), (2.5, 1.2, 0)], "house": [(0.5, 0.3, 0), (0.75, 0.2, 12), (1.5, 0.3, 0), (2.5, 0.3, 0), (3.25, 0.2, 12), (3.5, 0.3, 0)],
}  # fmt: skip
"""(beat, beats, interval above the root) over a bar."""

COMPS: dict[str, list[tuple[float, float]]] = {
    "pad": [(0, 3.95)], "halves": [(0, 1.9), (2, 1.9)], "quarters": [(i, 0.8) for i in range(4)], "eighths": [(i / 2, 0.4) for i in range(8)],
    "skank": [(i + 0.5, 0.25) for i in range(4)], "backbeat": [(1, 0.4), (3, 0.4)],
    "strum": [(0, 0.9), (1, 0.4), (1.5, 0.4), (2.5, 0.4), (3, 0.4), (3.5, 0.4)], "strum_two": [(0, 0.9), (1, 0.4), (1.5, 0.9), (2.5, 0.4), (3, 0.9)],
    "charleston": [(0, 0.9), (1.5, 0.4)], "jazz": [(0.667, 0.3), (2, 0.5), (3.667, 0.3)], "chops": [(0.75, 0.15), (1.5, 0.15), (2.25, 0.15), (3, 0.15), (3.5, 0.15)],
    "funk": [(i / 4, 0.12) for i in (2, 3, 6, 10, 11, 13, 14)], "stabs": [(0, 0.3), (0.75, 0.3), (1.5, 0.3), (2.5, 0.3), (3.25, 0.3)], "off": [(i + 0.5, 0.4) for i in range(4)],
    "bossa": [(0, 0.4), (1, 0.4), (1.5, 0.4), (2.5, 0.4), (3.5, 0.4)], "montuno": [(0, 0.4), (1, 0.4), (1.5, 0.4), (2.5, 0.4), (3, 0.4), (3.5, 0.4)],
    "gallop": [(i + o, 0.2) for i in range(4) for o in (0, 0.5, 0.75)], "trem": [(i / 4, 0.2) for i in range(16)], "chug": [(0, 0.2), (0.5, 0.2), (0.75, 0.2), (1.5, 0.2), (2, 0.2), (2.5, 0.2), (3, 0.2), (3.25, 0.2)],
    "oompah": [(1, 0.5), (3, 0.5)], "waltz": [(1, 0.6), (2, 0.6)], "swells": [(0, 7.8)],
}  # fmt: skip
"""(beat, beats) of the chord over a bar; a comp's name may carry the voicing after a slash: block, power, arp, low."""


def harmony(notes: list[Note], beats: int) -> list[Chord]:
    """A chord for every two beats, from what the piano holds then; where nothing sounds, the one before goes on."""
    starts = np.array([n.beat for n in notes])
    order = np.argsort(starts) if len(starts) else []
    notes = [notes[i] for i in order]
    starts = np.sort(starts)
    chords: list[Chord] = []
    for first in range(0, beats, 2):
        low, high = np.searchsorted(starts, [first - 1.0, first + 1.9])
        weights, lowest = np.zeros(12), None
        for n in notes[low:high]:
            overlap = min(n.beat + n.beats, first + 2.0) - max(n.beat, first - 0.1)
            if overlap > 0.1:
                weights[n.pitch % 12] += overlap
                lowest = n if lowest is None or n.pitch < lowest.pitch else lowest
        if lowest is None:
            chords.append(chords[-1] if chords else Chord(0, (0, 4, 7)))
            continue
        root = lowest.pitch % 12
        weights[root] += 2.0
        tones = {int(t) for t in np.argsort(-weights)[:3] if weights[t] > 0} | {root, (root + 7) % 12}
        chords.append(Chord(root, (root, *sorted(tones - {root}))[:4]))
    return chords


def at(chords: list[Chord], beat: float) -> Chord:
    """The chord that holds at a beat."""
    return chords[min(max(int((beat + 0.05) // 2), 0), len(chords) - 1)]


def bass(figure: str, chords: list[Chord], bars: int, metre: int, rng: np.random.Generator, swing: float) -> list[Note]:
    """A bass line; third and sixth of a walking line follow the chord."""
    register = int(rng.choice([28, 31, 33, 36, 40]))
    notes = []
    for number in range(bars):
        for place, length, interval in BASSES[figure]:
            if place >= metre or rng.random() < 0.03:
                continue
            beat = number * metre + swung(place, swing)
            chord = at(chords, beat)
            pitch = register + (chord.root - register) % 12 + degree(chord, interval)
            notes.append(Note(beat + float(rng.normal(0.0, 0.008)), min(length, metre - place), pitch, int(rng.integers(80, 115))))
    return notes


def degree(chord: Chord, interval: int) -> int:
    """A third as the chord has it (3 or 4), the rest as asked."""
    return 3 if interval == 4 and (chord.root + 3) % 12 in chord.tones else interval


def swung(place: float, swing: float) -> float:
    """Off-beats late by a sixth of a beat at swing 1: triplets."""
    return place + swing / 6.0 if abs(place % 1.0 - 0.5) < 0.01 else place


def comp(name: str, chords: list[Chord], bars: int, metre: int, rng: np.random.Generator, swing: float) -> list[Note]:
    """Accompaniment: the figure's chords as a block, two lines of power chords, an arpeggio or a low fifth."""
    figure, _, voicing = name.partition("/")
    register = int(rng.choice([48, 52, 55, 60])) - (12 if voicing in {"power", "low"} else 0)
    strum_beats, loud = float(rng.choice([0.0, 0.01, 0.02])), int(rng.integers(70, 105))
    every = 2 if figure == "swells" else 1
    notes: list[Note] = []
    for number in range(0, bars, every):
        for index, (place, length) in enumerate(COMPS[figure]):
            if place >= metre or rng.random() < 0.02:
                continue
            beat = number * metre + swung(place, swing)
            chord, accent = at(chords, beat), int(rng.integers(-8, 9)) + (10 if place % 2 == 0 else 0)
            pitches = voiced(chord, register, voicing, index)
            late = float(rng.normal(0.0, 0.008))
            notes += [Note(beat + late + i * strum_beats, length, p, loud + accent) for i, p in enumerate(pitches)]
    return notes


def voiced(chord: Chord, register: int, voicing: str, index: int) -> list[int]:
    """A chord's pitches near a register."""
    root = register + (chord.root - register) % 12
    if voicing == "power":
        return [root, root + 7, root + 12]
    if voicing == "low":
        return [root, root + 7]
    pitches = sorted(register + (tone - register) % 12 for tone in chord.tones)
    return [pitches[index % len(pitches)] + 12 * ((index // len(pitches)) % 2)] if voicing == "arp" else pitches
