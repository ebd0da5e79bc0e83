"""Make the corpus: `python -m tests.train.corpus OUT --midi DIR --pieces N --first N`. Bands of every hop, and where the beats are.

DIR holds `pop909` and `groove` (both data sets are on the web, MIT and CC BY 4.0; `docs/training.md` says how to lay them out). Sound fonts and
drum kits are Debian's: fluid-soundfont-gm, musescore-general-soundfont, timgm6mb-soundfont, opl3-soundfont, hydrogen-drumkits; the
synthesiser is libfluidsynth3.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train import band
from tests.train.bands import GAIN, bands_of, keep

__all__ = ["GAIN", "bands_of"]  # who reads a corpus looks for them here

MIXES = 2
"""Of each piece: to render is dear, to mix is cheap."""


def cut(
    samples: NDArray[np.float32], beats_s: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """From anywhere in the first bars on, or after some silence."""
    if rng.random() < 0.6:
        start = int(rng.uniform(0.0, 3.0) * SAMPLE_RATE_HZ)
        return samples[start:], beats_s - start / SAMPLE_RATE_HZ
    quiet = int(rng.uniform(0.0, 1.5) * SAMPLE_RATE_HZ)
    hiss = rng.normal(0.0, 10.0 ** (rng.uniform(-90, -50) / 20.0), quiet).astype(np.float32)
    return np.concatenate([hiss, samples]), beats_s + quiet / SAMPLE_RATE_HZ


def main() -> None:
    """Render until there are enough; one that exists is not made again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--midi", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first piece, its seed too")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.first, args.first + args.pieces):
        if (args.out / f"{number:05}_{MIXES - 1}.npz").exists():
            continue
        rng = np.random.default_rng(number)
        stems = band.play(args.midi, rng)
        for mix in range(MIXES):
            samples, beats = cut(band.mixed(stems, rng), stems.beats_s, rng)
            keep(args.out / f"{number:05}_{mix}.npz", samples, beats=beats, positions=stems.positions, style=stems.style)
        sys.stderr.write(f"\r{number - args.first + 1}/{args.pieces} {stems.style} {stems.bpm:.0f} bpm          ")


if __name__ == "__main__":
    main()
