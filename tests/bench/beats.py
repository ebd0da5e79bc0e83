"""`make bench-beats`: the tracker on what the project can make itself, beside aubio's tempo on the same sound in the same run.

Songs of `audio/synth` with known beats, and sounds that hold no beat. Synthesised songs are easy: the figures say whether the tracker works,
not how it does on real music, for which annotated recordings are needed (README).
"""

import statistics
from collections.abc import Callable
from itertools import pairwise

import aubio
import numpy as np
from numpy.typing import NDArray

from k1edge.audio import synth
from k1edge.audio.source import AudioBlock
from k1edge.beat.pipeline import Pipeline
from k1edge.drift.score import SKIP_S, WINDOW_S, f_measure, hits, lock_in, nearest_errors
from k1edge.events import Beat
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex
from tests.bench.figures import Figures

Samples = NDArray[np.float32]
Announced = list[tuple[float, float]]
"""(beat, when it was announced) in s."""

SONG_S = 40.0
NOISE_S = 60.0
HOP = 441
AUBIO_HOP = 512
SEED = 7

NOT_MUSIC: dict[str, Callable[[], Samples]] = {
    "silence": lambda: synth.silence(NOISE_S),
    "hiss_60_dbfs": lambda: synth.hiss(NOISE_S),
    "white_12_dbfs": lambda: synth.white(NOISE_S, -12.0, seed=SEED),
    "pink_14_dbfs": lambda: synth.pink(NOISE_S, -14.0, seed=SEED),
    "speech": lambda: synth.speech_like(NOISE_S, seed=SEED),
    "applause": lambda: synth.applause_like(NOISE_S, seed=SEED),
    "pads": lambda: synth.drone(NOISE_S, seed=SEED),
    "hum": lambda: synth.hum(NOISE_S, seed=SEED),
}


def ours(samples: Samples) -> Announced:
    """Committed beats."""
    pipeline = Pipeline()
    blocks = (AudioBlock(samples[start : start + HOP], SampleIndex(start), 0, None) for start in range(0, len(samples), HOP))
    beats = (event for block in blocks for event in pipeline.push(block) if isinstance(event, Beat))
    return [(beat.sample / SAMPLE_RATE_HZ, beat.heard / SAMPLE_RATE_HZ) for beat in beats]


def aubios(samples: Samples) -> Announced:
    """Beats of aubio's tempo, announced at the end of the hop that showed them."""
    tempo = aubio.tempo("default", 2 * AUBIO_HOP, AUBIO_HOP, SAMPLE_RATE_HZ)
    ends = range(AUBIO_HOP, len(samples), AUBIO_HOP)
    return [(float(tempo.get_last_s()), end / SAMPLE_RATE_HZ) for end in ends if tempo(samples[end - AUBIO_HOP : end])[0]]


def f_in_time(truth: list[float], beats: Announced) -> float:
    """F@0: a beat counts only if it was announced no later than the true beat nearest to it."""
    truth, beats = [t for t in truth if t >= SKIP_S], [b for b in beats if b[0] >= SKIP_S]
    if not beats:
        return 0.0
    errors = nearest_errors(truth, [time for time, _ in beats])
    in_time = [time for (time, announced), error in zip(beats, errors, strict=True) if announced <= time - error]
    return 2 * hits(truth, in_time) / (len(truth) + len(beats))


def songs(figures: Figures) -> None:
    """Every preset: F, F@0, error, lock-in."""
    f: dict[str, list[float]] = {"k1edge": [], "aubio_tempo": []}
    f0: dict[str, list[float]] = {"k1edge": [], "aubio_tempo": []}
    errors_ms: list[float] = []
    jitter_ms: list[float] = []
    locks_s: list[float] = []
    for name in sorted(synth.PRESETS):
        music = synth.song(name, seed=SEED, seconds=SONG_S)
        truth = [float(time) for time in music.beats_s]
        scored = [time for time in truth if time >= SKIP_S]
        found = {"k1edge": ours(music.samples), "aubio_tempo": aubios(music.samples)}
        for who, beats in found.items():
            f[who].append(f_measure(scored, [time for time, _ in beats if time >= SKIP_S]) or 0.0)
            f0[who].append(f_in_time(truth, beats))
        times = [time for time, _ in found["k1edge"]]
        errors_ms += [1e3 * error for error in nearest_errors(truth, times) if abs(error) <= WINDOW_S]
        steps = [later - earlier for earlier, later in pairwise(times)]
        jitter_ms += [1e3 * abs(b - a) for a, b in pairwise(steps) if abs(b - a) < WINDOW_S]
        locks_s.append(lock_in(truth, times) or SONG_S)
        figures.add(f"f0_{name}", f0["k1edge"][-1], peer={"aubio_tempo": f0["aubio_tempo"][-1]})
    count = f"mean of {len(locks_s)} songs of {SONG_S:g} s"
    figures.add("f_mean", statistics.mean(f["k1edge"]), peer={"aubio_tempo": statistics.mean(f["aubio_tempo"])}, note=count)
    figures.add("f0_mean", statistics.mean(f0["k1edge"]), peer={"aubio_tempo": statistics.mean(f0["aubio_tempo"])}, note=count)
    figures.add("error_median_ms", statistics.median(errors_ms), note="of the hits, + = late")
    figures.add("error_p95_ms", float(np.percentile(np.abs(errors_ms), 95)), note="of its size")
    figures.add("step_change_p95_ms", float(np.percentile(jitter_ms, 95)), note="between one beat interval and the next")
    figures.add("lock_in_median_s", statistics.median(locks_s), note="first of four right beats in a row, intros included")


def not_music(figures: Figures) -> None:
    """False beats a minute."""
    for name, make in NOT_MUSIC.items():
        samples = make()
        at_most = 5.0 if name.startswith(("white", "pink")) else 0.0
        peer = {"aubio_tempo": len(aubios(samples)) * 60.0 / NOISE_S}
        figures.add(f"false_beats_per_min_{name}", len(ours(samples)) * 60.0 / NOISE_S, at_most=at_most, peer=peer)


def main() -> None:
    """Measure and print."""
    figures = Figures("beats")
    songs(figures)
    not_music(figures)
    figures.table()


if __name__ == "__main__":
    main()
