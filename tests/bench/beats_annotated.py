"""The tracker on folders of annotated recordings, beside what peers gave for them. Layout: see `beats`."""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from k1edge.audio.resample import Resampler
from tests.bench import beats_bars, beats_changes, beats_own
from tests.bench.beats_hearing import Clockwork, Heard, Samples, hear
from tests.bench.beats_measures import Score, score
from tests.bench.beats_plots import Pictures
from tests.bench.beats_scenes import Tune
from tests.bench.figures import Figures

OURS = "k1edge"
MEASURES = ("f", "f0", "f40", "cmlt", "amlt")
SCENES = 24
"""Recordings that tempo steps, breaks and the like are cut from: enough for a median, evenly chosen."""

BARS: dict[tuple[str, str], dict[str, float]] = {
    ("beats", "recorded"): {"f": 0.93, "f0": 0.93, "amlt": 0.95},
    ("beats_more", "recorded"): {"f": 0.88, "f0": 0.88, "amlt": 0.93},
    ("beats", "gmd_rendered"): {"f0": 0.72, "amlt": 0.85},
    ("beats", "pop909_rendered"): {"f0": 0.78, "amlt": 0.88},
    ("beats", "asap_rendered"): {"f0": 0.55, "amlt": 0.52},
}
"""Least that is wanted, by folder and group, of the sets the tracker was developed on."""

LOUD = 1e-3
"""Where a recording begins to sound: -60 dBFS."""


@dataclass(frozen=True, slots=True)
class Track:
    """One line of a manifest, and what belongs to it."""

    line: dict[str, Any]
    folder: Path
    truth: list[float]

    @property
    def span(self) -> tuple[float, float]:
        """The annotated stretch."""
        first, last = self.line["span"]
        return float(first), float(last)

    @property
    def groups(self) -> list[str]:
        """What it is counted with."""
        kind = self.line["kind"]
        return [kind, self.line["dataset"]] if kind == "rendered" else ["recorded", kind]

    def samples(self) -> Samples:
        """Its sound, mono at 44.1 kHz, by the tracker's own resampler."""
        frames, rate_hz = soundfile.read(self.folder / self.line["audio"], dtype="float32", always_2d=True)
        resampler = Resampler(rate_hz, frames.shape[1])
        return np.concatenate([resampler.push(frames), resampler.flush()])

    def peers(self) -> Iterator[tuple[str, list[tuple[float, float]]]]:
        """What others gave: (name, [(beat, announced)])."""
        for path in sorted((self.folder / "peers").glob(f"*/{self.line['id']}.txt")):
            rows = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
            yield path.parent.name, [(float(row[0]), float(row[1]) if len(row) > 1 else nan) for row in rows]


def tracks(folder: Path, limit: int | None = None) -> list[Track]:
    """Read the manifest; no more than `limit` tracks of each dataset."""
    found: dict[str, list[Track]] = {}
    for text in (folder / "manifest.jsonl").read_text().splitlines():
        if text.strip():
            line = json.loads(text)
            truth = [float(row.split()[0]) for row in (folder / line["beats"]).read_text().splitlines() if row.strip()]
            found.setdefault(line["dataset"], []).append(Track(line, folder, truth))
    return [track for each in found.values() for track in each[:limit]]


def measure(figures: Figures, clockwork: Clockwork, pictures: Pictures, folder: Path, *, limit: int | None) -> None:
    """Everything about one folder."""
    clockwork.stage(f"{folder.name}: {folder}")
    chosen = tracks(folder, limit)
    judged: dict[str, dict[str, Score]] = {}
    heards: dict[str, Heard] = {}
    sounds_s: dict[str, float] = {}
    for number, track in enumerate(chosen, 1):
        name, samples = track.line["id"], track.samples()
        heards[name] = hear(samples)
        loud = np.flatnonzero(np.abs(samples) > LOUD)
        sounds_s[name] = float(loud[0]) / 44_100.0 if len(loud) else 0.0
        for who, beats in [(OURS, heards[name].announced), *track.peers()]:
            row = score(track.truth, beats, track.span)
            if row is not None:
                judged.setdefault(who, {})[name] = row
        clockwork.step(number, len(chosen), name)
    table(judged, chosen, folder.name)
    for group in sorted({group for track in chosen for group in track.groups}):
        report(figures, folder.name, group, [t for t in chosen if group in t.groups], judged, sounds_s)
    recorded = [track for track in chosen if "recorded" in track.groups]
    for group, members in (("recorded", recorded), ("rendered", [t for t in chosen if t not in recorded])):
        if members:
            told = [(_annotated(track), heards[track.line["id"]]) for track in members]
            bins = beats_own.quality(figures, f"{folder.name}_{group}", told)
            pictures.reliability[f"{folder.name}, {group}"] = bins
            bars(figures, f"{folder.name}_{group}", members, heards)
    cost = [heard.cpu_s / heard.seconds for heard in heards.values()]
    figures.add(f"{folder.name}_cpu_s_per_audio_s", statistics.median(cost), at_most=0.012, note=f"median of {len(cost)} tracks")
    if recorded:
        happenings(figures, clockwork, pictures, folder.name, recorded)


def bars(figures: Figures, name: str, members: Sequence[Track], heards: dict[str, Heard]) -> None:
    """Places in the bar, of the tracks with annotated downbeats: by the tracker, and with the true beats given."""
    known = [(track, beats_bars.counted(track.truth, track.line["downbeats"])) for track in members if track.line.get("downbeats")]
    tracked = [beats_bars.judged(truth, beats_bars.of(heards[track.line["id"]])) for track, truth in known]
    beats_bars.figures_of(figures, f"{name}_tracked", tracked, at_least=0.9)
    given = (beats_bars.judged(truth, beats_bars.given(track.samples(), track.truth)) for track, truth in known)
    beats_bars.figures_of(figures, f"{name}_given", given, at_least=0.9)


def happenings(figures: Figures, clockwork: Clockwork, pictures: Pictures, name: str, recorded: Sequence[Track]) -> None:
    """What happens in music, cut from recordings; and the lead and invariance, which run each of them several times."""
    some = recorded[:: -(-len(recorded) // SCENES)]
    tunes = [Tune(track.line["id"], track.samples(), track.truth) for track in some]
    story = pictures.stories.setdefault(name, beats_changes.Story())
    beats_changes.of_tunes(figures, name, tunes, story, clockwork.stage)
    clockwork.stage(f"{name}: invariance")
    beats_own.invariance(figures, name, [tune.cut(0.0, 60.0) for tune in tunes])
    clockwork.stage(f"{name}: lead")
    pictures.leads[name] = beats_own.leads(figures, name, tunes, [track.span for track in some])


def _annotated(track: Track) -> list[float]:
    first, last = track.span
    return [beat for beat in track.truth if first - 1e-3 <= beat <= last + 1e-3]


def report(
    figures: Figures, folder: str, group: str, members: Sequence[Track], judged: dict[str, dict[str, Score]], sounds_s: dict[str, float]
) -> None:
    """The measures of one group, peers beside on the very same tracks."""
    ids = _common([t.line["id"] for t in members], judged)
    if not ids:
        return
    bars = BARS.get((folder, group), {})
    for measure_name in MEASURES:
        means = {who: statistics.mean(getattr(rows[i], measure_name) for i in ids) for who, rows in judged.items()}
        ours = means.pop(OURS)
        note = f"{len(ids)} tracks"
        figures.add(f"{folder}_{group}_{measure_name}", ours, at_least=bars.get(measure_name), peer=means, note=note)
    rows = [judged[OURS][i] for i in ids]
    if group == "game":
        gap = statistics.mean(row.f0 for row in rows) - statistics.mean(row.f40 for row in rows)
        figures.add(f"{folder}_{group}_f0_minus_f40", gap, at_most=0.03)
    locks = {who: statistics.median(rows[i].lock_s for i in ids) for who, rows in judged.items()}
    first_s = {t.line["id"]: max(sounds_s[t.line["id"]], t.truth[0]) for t in members}
    waits = statistics.median(judged[OURS][i].lock_s - first_s[i] for i in ids)
    never = sum(row.lock_s == inf for row in rows)
    peers = {who: lock for who, lock in locks.items() if who != OURS and lock < inf}
    figures.add(f"{folder}_{group}_lock_in_s", locks[OURS] if locks[OURS] < inf else None, peer=peers, note=f"median; never: {never}")
    note = "median, from the first sound, or the first annotated beat where that is later"
    figures.add(f"{folder}_{group}_lock_in_from_sound_s", waits if waits < inf else None, at_most=2.5, note=note)


def table(judged: dict[str, dict[str, Score]], chosen: Sequence[Track], folder: str) -> None:
    """The same figures as Markdown on stderr, a table a group, for people and the README."""
    for group in sorted({group for track in chosen for group in track.groups}):
        ids = _common([t.line["id"] for t in chosen if group in t.groups], judged)
        if not ids:
            continue
        lines = [f"\n{folder}, {group}: {len(ids)} tracks", "| tracker | F | F@0 | F40@0 | CMLt | AMLt | lock-in s |", "|---" * 7 + "|"]
        for who, rows in judged.items():
            means = [statistics.mean(getattr(rows[i], measure_name) for i in ids) for measure_name in MEASURES]
            cells = [f"{mean:.3f}" for mean in means] + [f"{statistics.median(rows[i].lock_s for i in ids):.1f}"]
            lines.append(f"| {who} | " + " | ".join(cells) + " |")
        sys.stderr.write("\n".join(lines) + "\n")


def _common(ids: Sequence[str], judged: dict[str, dict[str, Score]]) -> list[str]:
    """Tracks that everybody ran on, peers that ran on none of these left out."""
    present = [rows for rows in judged.values() if any(i in rows for i in ids)]
    return [i for i in ids if all(i in rows for rows in present)]
