"""What has no beat into the corpus: `python -m tests.train.silence OUT PROMPTS`.

Noise, speech, applause, pads and hum of `audio/synth`; speech of espeak-ng; announcements that people recorded for telephone exchanges
(Debian: asterisk-core-sounds, CC BY-SA 3.0 and CC BY 3.0), which are downloaded into PROMPTS.
"""

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
from tests.train.free import fetching

SECONDS = 30.0
FEW, MANY = range(100, 106), range(100, 124)
"""Seeds: none of those that tests and benchmarks use."""

MADE: dict[str, tuple[range, Callable[[int], mixing.Samples]]] = {
    "white": (FEW, lambda seed: synth.white(SECONDS, -30.0, seed=seed)),
    "pink": (FEW, lambda seed: synth.pink(SECONDS, -20.0, seed=seed)),
    "speech": (MANY, lambda seed: synth.speech_like(SECONDS, seed=seed)),
    "babble": (MANY, lambda seed: synth.babble(SECONDS, seed=seed, speakers=2 + seed % 9)),
    "applause": (MANY, lambda seed: synth.applause_like(SECONDS, seed=seed, claps_per_s=10.0 * 2.0 ** (seed % 5))),
    "pads": (MANY, lambda seed: synth.drone(SECONDS, seed=seed)),
    "hum": (FEW, lambda seed: synth.hum(SECONDS, seed=seed)),
}

VOICES = ("pt", "nl", "sv", "tr", "cs", "hu", "ro", "en-us+f3", "en-gb+m4", "es-419", "fi", "el", "da", "sk", "en-029", "nb+f2")
WORDS_A_MINUTE = (110, 140, 170, 210)
LANGUAGES = ("en", "es", "fr", "it")
"""Of the announcements. Russian is left for tests of what was not trained on."""

PER_LANGUAGE = 12
LEAST_BYTES = 20_000
"""A second of speech at 8 kHz and 16 bits has 16,000."""

TEXT = Path(__file__).parents[2] / "LICENSE"


def spoken(number: int, voice: str, pace: int) -> mixing.Samples:
    """Some of the licence read aloud (Debian: espeak-ng); every other one through a room or a record."""
    part = TEXT.read_text()[400 * number % 30_000 :][:700]
    said = subprocess.run(["espeak-ng", "-v", voice, "-s", str(pace), "--stdout", part], capture_output=True, check=True).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(said), dtype="float32")
    sound = np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)
    return mixing.mastered(sound, np.random.default_rng(number)) if number % 2 else sound


def announced(folder: Path, number: int) -> mixing.Samples:
    """A voice's announcements, one after the other with pauses; every other one through a room or a record."""
    rng = np.random.default_rng(number)
    files = sorted(folder.glob("*.wav"))
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < SECONDS * SAMPLE_RATE_HZ:
        samples, rate_hz = soundfile.read(files[int(rng.integers(len(files)))], dtype="float32")
        parts += [soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), np.zeros(int(rng.uniform(0.05, 1.2) * SAMPLE_RATE_HZ))]
    sound = np.concatenate(parts).astype(np.float32)
    return mixing.mastered(sound, rng) if number % 2 else sound


def prompts(language: str, folder: Path) -> Path:
    """The folder of a language's announcements, downloaded if it is not there."""
    there = folder / f"asterisk-core-sounds-{language}-wav"
    if not there.exists():
        part = there.with_suffix(".part")
        part.mkdir(parents=True, exist_ok=True)
        fetching.unpack(there.name, part, lambda name, size: name.endswith(".wav") and size > LEAST_BYTES)
        part.rename(there)
    return there


def sounds(folder: Path) -> Iterator[tuple[str, Callable[[], mixing.Samples]]]:
    """Each kind under each seed, every voice at four paces, and all announcers: a name, and how to make it."""
    for name, (seeds, make) in MADE.items():
        for seed in seeds:
            yield f"{name}_{seed}", partial(make, seed)
    for number, (voice, pace) in enumerate(product(VOICES, WORDS_A_MINUTE)):
        yield f"voice_{voice}_{pace}", partial(spoken, number, voice, pace)
    for language in LANGUAGES:
        said = prompts(language, folder)
        for number in range(PER_LANGUAGE):
            yield f"announced_{language}_{number}", partial(announced, said, number)


def main() -> None:
    """Write all of them; one that exists is not made again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("prompts", type=Path, help="where announcements are, or are downloaded to")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    none = np.zeros(0)
    for number, (name, make) in enumerate(sounds(args.prompts), 1):
        if not (args.out / f"{name}.npz").exists():
            keep(args.out / f"{name}.npz", make(), beats=none, positions=none.astype(int), style="none")
        sys.stderr.write(f"\r{number}")


if __name__ == "__main__":
    main()
