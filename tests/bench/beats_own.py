"""The tracker on what the project can make itself, beside aubio's tempo on the same sound in the same run.

Synthesised songs are easy: these figures say whether the tracker works, not how it does on real music.
"""

import statistics
from collections.abc import Callable, Sequence
from math import inf

import aubio
import numpy as np
import soxr

from k1edge.audio import synth
from k1edge.audio.resample import Resampler
from k1edge.events import LockState
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.bench.beats_hearing import Heard, Samples, hear, shared
from tests.bench.beats_measures import Bin, Score, calibration_error, flips, interval_errors_s, reliability, right, score
from tests.bench.beats_scenes import Tune
from tests.bench.figures import Figures

SONG_S = 40.0
NOISE_S = 60.0
AUBIO_HOP = 512
SEED = 7
LEADS_MS = (0.0, 50.0, 100.0, 200.0, 250.0)
FAR_S = 0.5
SAME_S = 0.010

NOT_MUSIC: dict[str, tuple[float, int, Callable[[int], Samples]]] = {
    "silence": (0.0, 1, lambda _: synth.silence(NOISE_S)),
    "hiss_60_dbfs": (0.0, 2, lambda seed: synth.hiss(NOISE_S, seed=seed)),
    "hiss_50_dbfs": (0.0, 2, lambda seed: synth.white(NOISE_S, -50.0, seed=seed)),
    "white_12_dbfs": (2.0, 2, lambda seed: synth.white(NOISE_S, -12.0, seed=seed)),
    "pink_14_dbfs": (2.0, 2, lambda seed: synth.pink(NOISE_S, -14.0, seed=seed)),
    "speech": (0.0, 6, lambda seed: synth.speech_like(NOISE_S, seed=seed)),
    "babble": (0.0, 4, lambda seed: synth.babble(NOISE_S, seed=seed)),
    "applause": (0.0, 4, lambda seed: synth.applause_like(NOISE_S, seed=seed)),
    "pads": (0.0, 3, lambda seed: synth.drone(NOISE_S, seed=seed)),
    "hum": (0.0, 2, lambda seed: synth.hum(NOISE_S, seed=seed)),
}
"""Most false beats a minute, minutes, and how one of them is made."""


def aubios(samples: Samples) -> list[tuple[float, float]]:
    """Beats of aubio's tempo, announced at the end of the hop that showed them."""
    tempo = aubio.tempo("default", 2 * AUBIO_HOP, AUBIO_HOP, SAMPLE_RATE_HZ)
    ends = range(AUBIO_HOP, len(samples), AUBIO_HOP)
    return [(float(tempo.get_last_s()), end / SAMPLE_RATE_HZ) for end in ends if tempo(samples[end - AUBIO_HOP : end])[0]]


def songs(figures: Figures, names: Sequence[str]) -> list[Bin]:
    """Every preset: F, F@0, error, lock-in, jitter, flips, confidence."""
    ours: list[Score] = []
    theirs: list[Score] = []
    heards: list[tuple[list[float], Heard]] = []
    for name in names:
        music = synth.song(name, seed=SEED, seconds=SONG_S)
        truth = music.beats_s.tolist()
        heard = hear(music.samples)
        judged, peer = score(truth, heard.announced), score(truth, aubios(music.samples))
        if judged is not None and peer is not None:
            ours.append(judged)
            theirs.append(peer)
            heards.append((truth, heard))
            figures.add(f"own_{name}_f0", judged.f0, peer={"aubio_tempo": peer.f0})
    count = f"mean of {len(ours)} songs of {SONG_S:g} s"
    for measure in ("f", "f0", "f40", "cmlt", "amlt"):
        value, other = (statistics.mean(getattr(each, measure) for each in rows) for rows in (ours, theirs))
        figures.add(f"own_{measure}", value, peer={"aubio_tempo": other}, note=count)
    locks = [statistics.median(each.lock_s - truth[0] for each, (truth, _) in zip(rows, heards, strict=True)) for rows in (ours, theirs)]
    note = "median of the first of four right beats in a row, from the first beat"
    figures.add("own_lock_in_s", locks[0], at_most=2.5, peer={"aubio_tempo": locks[1]} if locks[1] < inf else None, note=note)
    return quality(figures, "own", heards)


def quality(figures: Figures, name: str, heards: Sequence[tuple[list[float], Heard]]) -> list[Bin]:
    """Of (true beats, what was heard): errors, jitter, flips, share of light that was right, confidence; the latter's bins."""
    errors = [1e3 * error for truth, heard in heards for error in _errors(truth, heard)]
    jitter = [1e3 * error for truth, heard in heards for error in interval_errors_s(truth, heard.announced)]
    figures.add(f"{name}_error_median_ms", statistics.median(errors), note="of the hits, + = late")
    figures.add(f"{name}_error_p95_ms", float(np.percentile(np.abs(errors), 95)), note="of its size")
    note = f"p95; median {np.median(np.abs(jitter)):.1f}; emitted against true interval of hits in a row"
    figures.add(f"{name}_interval_error_ms", float(np.percentile(np.abs(jitter), 95)), note=note)
    minutes = sum(heard.seconds for _, heard in heards) / 60.0
    flipped = sum(flips([beat.bpm for beat in heard.beats]) for _, heard in heards)
    figures.add(f"{name}_octave_flips_per_min", flipped / minutes, note=f"in {minutes:.0f} min")
    confident: list[tuple[float, bool, bool]] = []
    for truth, heard in heards:
        judged = [(b, h) for b, h in zip(heard.beats, right(truth, heard.announced), strict=True) if _within(truth, b.sample)]
        locked = locked_at(heard)
        confident += [(beat.confidence, hit, locked[beat.index]) for beat, hit in judged]
    bins = reliability([c for c, _, _ in confident], [hit for _, hit, _ in confident])
    told = statistics.mean(hit for _, hit, _ in confident)
    while_locked = statistics.mean(hit for _, hit, locked in confident if locked)
    figures.add(f"{name}_beats_right", told, note="share of the beats announced, +-70 ms")
    figures.add(f"{name}_beats_right_while_locked", while_locked)
    near = [(c, h) for c, h, _ in confident if 0.85 <= c < 0.95]
    if near:
        note = f"share of {len(near)} beats announced at 0.85 to 0.95 ({statistics.mean(c for c, _ in near):.2f}) that are right"
        figures.add(f"{name}_right_at_confidence_0_9", statistics.mean(h for _, h in near), note=note)
    figures.add(f"{name}_calibration_error", calibration_error(bins), at_most=0.05, note=f"expected, ten bins, {len(confident)} beats")
    return bins


def locked_at(heard: Heard) -> dict[int, bool]:
    """Of each beat committed, whether the gate was LOCKED at that moment: a grid is published with every beat."""
    states = {grid.heard: grid.lock for grid in heard.grids}
    return {beat.index: states.get(beat.heard) is LockState.LOCKED for beat in heard.beats}


def _errors(truth: list[float], heard: Heard) -> tuple[float, ...]:
    judged = score(truth, heard.announced)
    return judged.errors_s if judged is not None else ()


def _within(truth: Sequence[float], sample: int) -> bool:
    """Whether something is annotated where the beat falls."""
    return bool(truth) and truth[0] - 0.07 <= sample / SAMPLE_RATE_HZ <= truth[-1] + 0.07


def not_music(figures: Figures, *, quick: bool) -> None:
    """False beats a minute."""
    for name, (at_most, minutes, make) in NOT_MUSIC.items():
        count = 1 if quick else minutes
        sounds = [make(SEED + n) for n in range(count)]
        false, peers = (sum(len(run(sound)) for sound in sounds) / count for run in (_ours, aubios))
        note = f"of {count} min"
        figures.add(f"false_beats_per_min_{name}", false, at_most=at_most, peer={"aubio_tempo": peers}, note=note)


def _ours(samples: Samples) -> list[tuple[float, float]]:
    return hear(samples).announced


def leads(figures: Figures, name: str, tunes: Sequence[Tune], spans: Sequence[tuple[float, float]]) -> dict[float, float]:
    """F by how far ahead beats are committed (ms), and by the grids' forecast 0.5 s ahead."""
    by_lead: dict[float, list[float]] = {lead: [] for lead in (*LEADS_MS, 1e3 * FAR_S)}
    for tune, span in zip(tunes, spans, strict=True):
        for lead_ms in LEADS_MS:
            heard = hear(tune.samples, lead_ms=lead_ms)
            told = {lead_ms: heard.announced} | ({1e3 * FAR_S: heard.foreseen(FAR_S)} if lead_ms == 100.0 else {})
            for lead, announced in told.items():
                judged = score(tune.beats_s, announced, span)
                by_lead[lead] += [judged.f] if judged is not None else []
    means = {lead: statistics.mean(values) for lead, values in by_lead.items()}
    for lead, value in means.items():
        note = "the published grids' forecast, never corrected" if lead == 1e3 * FAR_S else None
        figures.add(f"{name}_f_lead_{lead:g}_ms", value, note=note)
    figures.add(f"{name}_f_cost_of_100_ms", means[0.0] - means[100.0], at_most=0.015, note="F at the beat minus F 100 ms ahead")
    return means


def invariance(figures: Figures, name: str, tunes: Sequence[Tune]) -> None:
    """Share of beats that are the same within 10 ms when only level, rate, channels or block size differ; the worst song beside."""
    ways: dict[str, Callable[[Samples], Heard]] = {
        "level_minus_30_db": lambda samples: hear(samples * np.float32(10**-1.5)),
        "rate_22_05_khz": lambda samples: hear(_recorded_at(22_050, samples)),
        "rate_48_khz": lambda samples: hear(_recorded_at(48_000, samples)),
        "two_channels": lambda samples: hear(_stereo(samples)),
        "block_64": lambda samples: hear(samples, block=64),
        "block_4096": lambda samples: hear(samples, block=4096),
    }
    plain = [hear(tune.samples).times for tune in tunes]
    for way, run in ways.items():
        shares = [shared(times, run(tune.samples).times, SAME_S) for tune, times in zip(tunes, plain, strict=True)]
        note = f"of the beats of {len(shares)} songs, within 10 ms; the worst {min(shares):.3f}"
        figures.add(f"{name}_same_at_{way}", statistics.mean(shares), at_least=1.0 if way.startswith("block") else 0.99, note=note)


def _recorded_at(rate_hz: int, samples: Samples) -> Samples:
    """The song recorded at another rate, and back through the tracker's own resampler."""
    recorded = np.asarray(soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz), dtype=np.float32)
    resampler = Resampler(rate_hz, 1)
    return np.concatenate([resampler.push(recorded), resampler.flush()])


def _stereo(samples: Samples) -> Samples:
    """The song as two channels, 6 dB apart, mixed down again."""
    frames = np.stack([samples * np.float32(1.25), samples * np.float32(0.75)], axis=1)
    return Resampler(SAMPLE_RATE_HZ, 2).push(frames)
