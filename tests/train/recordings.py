"""Recordings into the corpus: `python -m tests.train.recordings OUT FOLDER`. A folder as `gather` leaves it: manifest.jsonl, sound, beats.

Each is kept as it is and once more played faster or slower, through another room or record. Pieces as `corpus` writes them, with `span`, the
stretch whose beats are known.
"""

import argparse
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import soundfile
import soxr

from k1edge.timebase import SAMPLE_RATE_HZ
from tests.train import mixing
from tests.train.bands import keep

LONGEST_S = 100.0
"""Of one stretch: a long piece shall not outweigh the others."""

BEFORE_S = 3.0


def main() -> None:
    """Convert every line of the manifest that has beats."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(text) for text in (args.folder / "manifest.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        if line["beats"] and not (args.out / f"{line['id']}_1.npz").exists():
            convert(line, args.folder, args.out)
        sys.stderr.write(f"\r{number}/{len(lines)}")


def convert(line: dict[str, object], folder: Path, out: Path) -> None:
    """Two pieces of one recording."""
    rng = np.random.default_rng(zlib.crc32(str(line["id"]).encode()))
    rows = np.loadtxt(folder / str(line["beats"]), ndmin=2)
    first, last = line.get("span") or (rows[0, 0], rows[-1, 0])
    last = min(last, first + LONGEST_S)
    samples, rate_hz = soundfile.read(folder / str(line["audio"]), dtype="float32", always_2d=True)
    start = max(first - BEFORE_S, 0.0)
    mono = samples[int(start * rate_hz) : int((last + 0.5) * rate_hz)].mean(axis=1)
    rows = rows[(rows[:, 0] >= first - 0.01) & (rows[:, 0] <= last + 0.01)]
    for version in range(2):
        speed = 1.0 if version == 0 else float(rng.uniform(0.88, 1.14))
        sound = np.asarray(soxr.resample(mono, rate_hz * speed, SAMPLE_RATE_HZ), dtype=np.float32)
        if version:
            sound = mixing.mastered(sound, rng)
        beats, span = (rows[:, 0] - start) / speed, (np.array([first, last]) - start) / speed
        positions = rows[:, 1].astype(int) if rows.shape[1] > 1 else np.zeros(len(rows), dtype=int)
        style = str(line.get("genre_guess", ""))
        keep(out / f"{line['id']}_{version}.npz", sound, beats=beats, positions=positions, style=style, span=span)


if __name__ == "__main__":
    main()
