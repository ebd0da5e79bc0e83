"""Where the material comes from: POP909's songs and Groove's drummers, read into beats. Nothing that the project is judged by is read."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mido
import numpy as np

from tests.train.notes import Note, Pulse

JUDGED_SONGS = frozenset(
    {69, 92, 121, 195, 213, 265, 275, 390, 400, 442, 471, 596, 694, 707, 716, 747, 822, 832, 881, 894},
)
"""Of POP909: rendered for the development set."""

JUDGED_SESSIONS = frozenset({
    "drummer1/eval_session", "drummer1/session1", "drummer1/session2", "drummer3/session1", "drummer5/eval_session",
    "drummer5/session2", "drummer7/session2", "drummer7/session3", "drummer8/session1", "drummer8/session2",
})  # fmt: skip
"""Of Groove: sessions of which the development set holds a performance. Others in the same session share the drummer's day and beats."""

ROLAND_TO_GM = {22: 42, 26: 46, 58: 43, 40: 38}
"""Keys that Groove's electronic kit sends beyond General MIDI."""

SHORTEST_S = 12.0


@dataclass(frozen=True)
class Song:
    """A song of POP909: its three tracks in beats, beat 0 a downbeat, and its own human pulse."""

    tracks: dict[str, list[Note]]
    pulse: Pulse
    beats: int


@dataclass(frozen=True)
class Performance:
    """A drummer's performance in beats, played to a click."""

    name: str
    style: str
    bpm: float
    metre: int
    notes: list[Note]

    @property
    def bars(self) -> int:
        return int(max((n.beat for n in self.notes), default=0.0) // self.metre)


def seconds(path: Path) -> list[tuple[float, float, int, int, int, int]]:
    """Notes of a MIDI file: (start s, end s, pitch, velocity, track, channel)."""
    midi = mido.MidiFile(str(path))
    changes = sorted((tick, m.tempo) for track in midi.tracks for tick, m in timed(track) if m.type == "set_tempo")
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0, 500_000))
    ticks = np.array([tick for tick, _ in changes], dtype=float)
    speeds = np.array([tempo for _, tempo in changes]) * 1e-6 / midi.ticks_per_beat
    bases = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * speeds[:-1])])

    def at(tick: int) -> float:
        index = int(np.searchsorted(ticks, tick, side="right")) - 1
        return float(bases[index] + (tick - ticks[index]) * speeds[index])

    found = [(at(on), at(off), *rest, number) for number, track in enumerate(midi.tracks) for on, off, *rest in spans(track)]
    return [(on, off, pitch, velocity, number, channel) for on, off, pitch, velocity, channel, number in sorted(found)]


def timed(track: mido.MidiTrack) -> list[tuple[int, mido.Message]]:
    """Messages with their absolute ticks."""
    ticks = np.cumsum([m.time for m in track])
    return list(zip(ticks.tolist(), track, strict=True))


def spans(track: mido.MidiTrack) -> list[tuple[int, int, int, int, int]]:
    """Notes of one track: (on, off, pitch, velocity, channel) in ticks."""
    sounding: dict[tuple[int, int], tuple[int, int]] = {}
    notes = []
    for tick, m in timed(track):
        if m.type not in {"note_on", "note_off"}:
            continue
        begun = sounding.pop((m.channel, m.note), None)
        if begun is not None:
            notes.append((begun[0], tick, m.note, begun[1], m.channel))
        if m.type == "note_on" and m.velocity > 0:
            sounding[m.channel, m.note] = (tick, m.velocity)
    return notes


def song_numbers(root: Path) -> list[int]:
    """POP909's songs that may be trained on."""
    numbers = (int(path.stem) for path in (root / "pop909").glob("*.mid"))
    return sorted(number for number in numbers if number not in JUDGED_SONGS)


@cache
def song(root: Path, number: int) -> Song:
    """One of POP909.

    Raises:
        ValueError: it is of those that the project is judged by, or it has no downbeats in fours.
    """
    if number in JUDGED_SONGS:
        msg = f"song {number} is for judging"
        raise ValueError(msg)
    rows = np.loadtxt(root / "pop909" / f"{number:03}.beats.txt", ndmin=2)
    downbeats = np.flatnonzero(rows[:, 2] > 0)
    if len(downbeats) < 16 or float(np.mean(np.diff(downbeats) == 4)) < 0.95:
        msg = f"song {number} is not in fours"
        raise ValueError(msg)
    pulse = Pulse(rows[downbeats[0] :, 0])
    midi = mido.MidiFile(str(root / "pop909" / f"{number:03}.mid"))
    tracks: dict[str, list[Note]] = {name: [] for name in ("MELODY", "BRIDGE", "PIANO")}
    for on, off, pitch, velocity, track, _ in seconds(root / "pop909" / f"{number:03}.mid"):
        start = pulse.inverse(on)
        if midi.tracks[track].name in tracks and start > -0.5:
            tracks[midi.tracks[track].name].append(Note(start, max(pulse.inverse(off) - start, 0.05), pitch, velocity))
    return Song(tracks, pulse, len(pulse.times) - 1)


@cache
def performances(root: Path) -> list[Performance]:
    """Groove's longer performances of its training split, less those of sessions that are for judging."""
    with (root / "groove" / "info.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if may_train(row)]
    return [performance(root, row) for row in rows]


def may_train(row: dict[str, str]) -> bool:
    """Whether a row of Groove's list is a beat (no fill) to train on, in threes or fours."""
    wanted = row["split"] == "train" and row["beat_type"] == "beat" and row["time_signature"] in {"4-4", "3-4"}
    return wanted and row["session"] not in JUDGED_SESSIONS and float(row["duration"]) >= SHORTEST_S


def performance(root: Path, row: dict[str, str]) -> Performance:
    """The drummer's notes in beats of the click."""
    bpm = float(row["bpm"])
    heard = seconds(root / "groove" / row["midi_filename"])
    notes = [Note(on * bpm / 60.0, 0.25, ROLAND_TO_GM.get(pitch, pitch), velocity) for on, _, pitch, velocity, *_ in heard]
    return Performance(row["id"], row["style"], bpm, int(row["time_signature"][0]), notes)
