"""Lay out a corpus of free recorded music with beats, from Debian's game packages and a few public repositories.

    python -m tests.train.free.gather FOLDER [--mirror DIR]

Downloads into FOLDER/raw, writes FOLDER/corpus with manifest.jsonl, a line a span. Beats come from where they are written down (tracker
modules' rows, Frets on Fire charts) or from `label`, which keeps only what it is sure of. A source that is done is not done again. DIR holds
bare git snapshots as OWNER+NAME/repo, to be used instead of GitHub. Needs apt-get, dpkg-deb, git and libopenmpt (Debian: libopenmpt0);
some GB of downloads, an hour or more on one core. Deterministic for given package versions.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from tests.train.free.fetching import fetch
from tests.train.free.packages import GENRES, PACKAGES, REPOSITORIES
from tests.train.free.pieces import Piece, pieces

SURE_PLACE = 0.9
"""Of the labels checked against modules' rows, none with this margin between on-beat and off-beat was wrong."""


def main() -> None:
    """Gather everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mirror", type=Path)
    args = parser.parse_args()
    for name in ("raw", "corpus", "made", "done"):
        (args.folder / name).mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    lines: list[dict[str, object]] = []
    sources = sorted({*PACKAGES, *REPOSITORIES})
    for number, source in enumerate(sources, 1):
        done = args.folder / "done" / f"{source.replace('/', '+')}.json"
        if not done.exists():
            try:
                found, marks = gathered(source, args.folder, args.mirror, seen)
            except subprocess.CalledProcessError as error:
                sys.stderr.write(f"left out: {source}: {(error.stderr or str(error)).strip()}\n")
                continue
            done.write_text(json.dumps({"lines": found, "marks": sorted(marks)}))
        kept = json.loads(done.read_text())
        lines += kept["lines"]
        seen.update(kept["marks"])
        sys.stderr.write(f"\r{number}/{len(sources)} sources, {len(lines)} spans ")
    (args.folder / "corpus" / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def gathered(source: str, root: Path, mirror: Path | None, seen: set[str]) -> tuple[list[dict[str, object]], set[str]]:
    """A source's lines of the manifest, and by what its pieces are known again: in another package, or in another format."""
    folder = root / "raw" / source.replace("/", "+")
    if not folder.exists():
        fetch(source, folder, mirror)
    lines: list[dict[str, object]] = []
    found: set[str] = set()
    for piece in pieces(source, folder, root / "made"):
        marks = {hashlib.sha256(piece.audio.read_bytes()).hexdigest(), f"{source} {Path(piece.name).stem}"}
        if not marks & (seen | found):
            lines += lay_out(piece, root / "corpus")
        found |= marks
    return lines, found


def lay_out(piece: Piece, corpus: Path) -> Iterator[dict[str, object]]:
    """Link the sound, write the beats; one manifest line a span."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{piece.package.rsplit('/', maxsplit=1)[-1]}__{Path(piece.name).stem}")
    genre = REPOSITORIES[piece.package][1] if piece.package in REPOSITORIES else GENRES.get(piece.package, "game")
    for number, (start, end, beats, about) in enumerate(piece.spans):
        name = stem + (f"_{number}" if number else "")
        link = corpus / (name + piece.audio.suffix.lower())
        link.unlink(missing_ok=True)
        link.symlink_to(piece.audio.resolve())
        (corpus / f"{name}.beats").write_text("".join(f"{time:.4f} {place}\n" for time, place in beats))
        yield {
            "id": name, "audio": link.name, "beats": f"{name}.beats",
            "package": piece.package, "licence": piece.licence, "title": Path(piece.name).stem, "genre_guess": genre,
            "duration": round(soundfile.info(piece.audio).duration, 1), "trust": trust(about), "span": [round(start, 2), round(end, 2)],
            "bpm": round(60 / float(np.median(np.diff([time for time, _ in beats]))), 2), **about,
        }  # fmt: skip


def trust(about: dict[str, float | str]) -> str:
    """A = written down, B = fitted and clear, C = fitted."""
    if about["how"] != "fitted":
        return "A"
    return "B" if float(about["place"]) >= SURE_PLACE else "C"


if __name__ == "__main__":
    main()
