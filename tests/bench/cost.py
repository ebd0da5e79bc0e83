"""`make bench-cost`: what k1edge costs, beside aubio's tempo on the same audio in the same run.

Repeats of the two alternate and medians are taken, so that a machine that slows down slows both.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import aubio
import numpy as np
from numpy.typing import NDArray

from k1edge.audio.source import AudioBlock
from k1edge.audio.synth import song
from k1edge.beat.pipeline import Pipeline
from k1edge.timebase import SAMPLE_RATE_HZ, SampleIndex
from tests.bench.figures import Figures
from tests.bench.running import measure_daemon

SECONDS = 60.0
REPEATS = 5
HOP = 441
AUBIO_HOP = 512  # its own default, with the window of 1024


def blocks(samples: NDArray[np.float32]) -> Iterator[AudioBlock]:
    """The song as the daemon's DSP thread gets it."""
    for start in range(0, len(samples) - HOP, HOP):
        yield AudioBlock(samples[start : start + HOP], SampleIndex(start), 0, None)


def run_pipeline(samples: NDArray[np.float32]) -> list[float]:
    """Feed a fresh pipeline; seconds that each hop took."""
    pipeline = Pipeline()
    took = []
    for block in blocks(samples):
        begin = time.perf_counter()
        pipeline.push(block)
        took.append(time.perf_counter() - begin)
    return took


def run_aubio(samples: NDArray[np.float32]) -> list[float]:
    """Feed a fresh aubio tempo; seconds that each hop took."""
    tempo = aubio.tempo("default", 2 * AUBIO_HOP, AUBIO_HOP, SAMPLE_RATE_HZ)
    took = []
    for start in range(0, len(samples) - AUBIO_HOP, AUBIO_HOP):
        begin = time.perf_counter()
        tempo(samples[start : start + AUBIO_HOP])
        took.append(time.perf_counter() - begin)
    return took


def cpu_per_second(run: Callable[[NDArray[np.float32]], list[float]], samples: NDArray[np.float32]) -> tuple[float, list[float]]:
    """CPU seconds per second of audio, and what each hop took."""
    begin = time.process_time()
    hops = run(samples)
    return (time.process_time() - begin) / (len(samples) / SAMPLE_RATE_HZ), hops


def main() -> None:
    """Measure and print."""
    figures = Figures("cost")
    samples = song("house", seconds=SECONDS).samples.copy()
    ours, theirs, our_hops, their_hops = [], [], [], []
    for _ in range(REPEATS):
        cost, hops = cpu_per_second(run_pipeline, samples)
        ours.append(cost)
        our_hops += hops
        cost, hops = cpu_per_second(run_aubio, samples)
        theirs.append(cost)
        their_hops += hops
    figures.add("cpu_s_per_audio_s", statistics.median(ours), at_most=0.012, peer={"aubio_tempo": statistics.median(theirs)})
    p99_ms, peer_p99_ms = (float(np.percentile(hops, 99)) * 1e3 for hops in (our_hops, their_hops))
    figures.add("hop_p99_ms", p99_ms, at_most=1.5, peer={"aubio_tempo": peer_p99_ms}, note="a hop of ours is 10 ms, of aubio's 11.6 ms")
    measure_daemon(figures)
    figures.table()


if __name__ == "__main__":
    main()
