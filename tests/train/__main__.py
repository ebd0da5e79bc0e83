"""Make the weights of `k1edge.beat.activation` and `.reading` anew: `make train MIDI=DIR FREE=DIR OUT=DIR`. All steps in order; what exists is not made again.

MIDI holds `pop909` and `groove` as docs/training.md says. Free recordings are gathered into FREE (3.5 GB), corpora and weights go to OUT
(2 GB): OUT/activation.npz and reading.npz are what the package holds. Some hours on one core.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.train import kits
from tests.train.fluid import FONTS

PARTS: dict[str, Callable[[], object]] = {
    "fluid-soundfont-gm": FONTS["fluid"].exists,
    "musescore-general-soundfont": FONTS["musescore"].exists,
    "timgm6mb-soundfont": FONTS["timgm"].exists,
    "opl3-soundfont": FONTS["opl3"].exists,
    "hydrogen-drumkits": kits.ROOT.exists,
    "libfluidsynth3": lambda: find_library("fluidsynth"),
    "libopenmpt0": lambda: find_library("openmpt"),
    "espeak-ng": lambda: shutil.which("espeak-ng"),
    "git": lambda: shutil.which("git"),
    "apt": lambda: shutil.which("apt-get"),
    "dpkg": lambda: shutil.which("dpkg-deb"),
}
"""Debian packages, and how to see that one is there."""


@dataclass(frozen=True)
class Fit:
    """One run of `fit`: the share of each corpus, and how long and fast to learn."""

    shares: dict[str, float]
    steps: int
    rate: float
    seed: int


FITS = {
    "first": Fit({"rendered": 0.47, "recordings": 0.46, "no_beat": 0.07}, 1900, 2e-3, 4),
    "activation": Fit({"rendered": 0.42, "recordings": 0.46, "no_beat": 0.12}, 1700, 1.2e-3, 5),
}
"""As the shipped weights were made: each goes on from the one before, the second with more of what has no beat."""


@dataclass(frozen=True)
class ReadingFit:
    """One run of `fit_reading`, from the weights of `begin`."""

    steps: int
    rate: float
    seed: int
    begin: str | None = None


READING_FITS = {
    "reading_first": ReadingFit(8000, 2e-3, 0),
    "reading_second": ReadingFit(6000, 1e-3, 2, "reading_first"),
    "reading_a": ReadingFit(5000, 1e-3, 4, "reading_second"),
    "reading_b": ReadingFit(5000, 4e-4, 5, "reading_second"),
}
MEANED = ("reading_a", "reading_b")
"""What is shipped is the mean of their weights, better than either (Wortsman et al., "Model soups", ICML 2022)."""

DENSE, UNITS = "32", ("64", "32")


def main() -> None:
    """Check what is there, then every step."""
    parser = argparse.ArgumentParser(prog="make train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--midi", type=Path, required=True)
    parser.add_argument("--free", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=2000, help="to render, each in two mixes")
    args = parser.parse_args()
    missing = [package for package, there in PARTS.items() if not there()]
    if missing:
        parser.error(f"missing Debian packages: apt install {' '.join(missing)}")
    for name in ("pop909", "groove/info.csv"):
        if not (args.midi / name).exists():
            parser.error(f"{args.midi / name} is not there; docs/training.md says where it comes from")
    args.out.mkdir(parents=True, exist_ok=True)
    step(1, "rendered music", "corpus", args.out / "rendered", "--midi", args.midi, "--pieces", args.pieces)
    if not (args.free / "corpus" / "manifest.jsonl").exists():
        step(2, "free recordings, and where their beats are", "free.gather", args.free)
    step(3, "recordings into a corpus", "recordings", args.out / "recordings", args.free / "corpus")
    step(4, "what has no beat", "silence", args.out / "no_beat", args.free / "raw")
    for number, name in enumerate(FITS, 5):
        fit(number, name, args.out)
    fit_reading(7, args.out)
    sys.stderr.write(f"activation.npz and reading.npz in {args.out} are done; copied to k1edge/beat/ they are in use\n")


def step(number: int, about: str, module: str, *arguments: object) -> None:
    """Run one of this folder's programs to its end."""
    sys.stderr.write(f"\n{number}/7 {about}\n")
    done = subprocess.run([sys.executable, "-m", f"tests.train.{module}", *map(str, arguments)], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def fit(number: int, name: str, out: Path) -> None:
    """One fit, from the weights of the one before; its file has its name only when it is done."""
    weights, part, plan = out / f"{name}.npz", out / f"{name}.part.npz", FITS[name]
    if weights.exists():
        return
    corpora = [f"{out / corpus}:{share}" for corpus, share in plan.shares.items()]
    how = ["--steps", plan.steps, "--rate", plan.rate, "--seed", plan.seed, "--dense", DENSE, "--units", *UNITS]
    earlier = list(FITS)[: list(FITS).index(name)]
    before = ["--begin", out / f"{earlier[-1]}.npz"] if earlier else []
    step(number, f"fit, {plan.steps} steps", "fit", *corpora, "--out", part, *how, *before)
    part.replace(weights)


def fit_reading(number: int, out: Path) -> None:
    """The reading of patterns, which hears through the network that was trained before: four fits, and the mean of the last two."""
    rendered, recordings = out / "rendered", out / "recordings"
    known = ["--recorded", recordings, "--no-beat", out / "no_beat", "--activation", out / "activation.npz"]
    for name, plan in READING_FITS.items():
        weights, part = out / f"{name}.npz", out / f"{name}.part.npz"
        if not weights.exists():
            before = ["--begin", out / f"{plan.begin}.npz"] if plan.begin else []
            how = ["--steps", plan.steps, "--rate", plan.rate, "--seed", plan.seed, *before]
            step(number, f"reading, {plan.steps} steps", "fit_reading", rendered, recordings, *known, "--out", part, *how)
            part.replace(weights)
    both = [np.load(out / f"{name}.npz") for name in MEANED]
    means = {part: np.mean([each[part].astype(np.float32) for each in both], axis=0).astype(np.float16) for part in both[0].files}
    np.savez_compressed(out / "reading.npz", **means)


if __name__ == "__main__":
    main()
