"""What has no beat into the corpus: `python -m tests.train.silence OUT`. Noise, applause, pads, hum of `audio/synth`; speech of espeak-ng."""

import argparse
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
import soxr

from k1edge.audio import synth
from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train import mixing
from tests.train.bands import keep

SECONDS = 30.0
SEEDS = range(100, 106)
"""None of those that tests and benchmarks use."""

MADE: dict[str, Callable[[int], mixing.Samples]] = {
    "white": lambda seed: synth.white(SECONDS, -30.0, seed=seed),
    "pink": lambda seed: synth.pink(SECONDS, -20.0, seed=seed),
    "speech": lambda seed: synth.speech_like(SECONDS, seed=seed),
    "babble": lambda seed: synth.babble(SECONDS, seed=seed),
    "applause": lambda seed: synth.applause_like(SECONDS, seed=seed),
    "pads": lambda seed: synth.drone(SECONDS, seed=seed),
    "hum": lambda seed: synth.hum(SECONDS, seed=seed),
}

VOICES = ("pt", "nl", "sv", "tr", "cs", "hu", "ro", "en-us+f3", "en-gb+m4", "es-419", "fi", "el", "da", "sk", "en-029", "nb+f2")
WORDS_A_MINUTE = (110, 140, 170, 210)
TEXT = Path(__file__).parents[2] / "LICENSE"


def spoken(number: int, voice: str, pace: int) -> mixing.Samples:
    """Some of the licence read aloud (Debian: espeak-ng); every other one through a room or a record."""
    part = TEXT.read_text()[400 * number % 30_000 :][:700]
    said = subprocess.run(["espeak-ng", "-v", voice, "-s", str(pace), "--stdout", part], capture_output=True, check=True).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(said), dtype="float32")
    sound = np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)
    return mixing.mastered(sound, np.random.default_rng(number)) if number % 2 else sound


def sounds() -> Iterator[tuple[str, Callable[[], mixing.Samples]]]:
    """Each kind under each seed, and every voice at four paces: a name, and how to make it."""
    for name, make in MADE.items():
        for seed in SEEDS:
            yield f"{name}_{seed}", partial(make, seed)
    for number, (voice, pace) in enumerate(product(VOICES, WORDS_A_MINUTE)):
        yield f"voice_{voice}_{pace}", partial(spoken, number, voice, pace)


def main() -> None:
    """Write all of them; one that exists is not made again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    none = np.zeros(0)
    for number, (name, make) in enumerate(sounds(), 1):
        if not (args.out / f"{name}.npz").exists():
            keep(args.out / f"{name}.npz", make(), beats=none, positions=none.astype(int), style="none")
        sys.stderr.write(f"\r{number}")


if __name__ == "__main__":
    main()
