"""`make bench-beats`: the tracker on what the project can make itself, and on annotated recordings where there are any.

    make bench-beats                                    synthesised songs, breaks, changes, noise; four minutes
    make bench-beats ARGS='--data DIR --plots docs'     a folder of annotated sound as well, and pictures

A folder holds `manifest.jsonl`, a line a track: id, audio, beats (paths within the folder; beats: one time in s a line), span, duration,
kind, dataset, and downbeats (times in s) where they are known; and, where others were run, `peers/<name>/<id>.txt` with `<beat> <announced>` a line.
"""

import argparse
from pathlib import Path

from k1edge.audio import synth
from tests.bench import beats_annotated, beats_bars, beats_changes, beats_own, beats_plots
from tests.bench.beats_hearing import Clockwork
from tests.bench.beats_scenes import synthesised
from tests.bench.figures import Figures

TUNE_S = 68.0
"""Room for 16 s before and a break of eight slow bars."""

LEAD_S = 30.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-beats", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR", help="annotated recordings; may be given twice")
    parser.add_argument("--only-data", action="store_true", help="leave out what the project makes itself")
    parser.add_argument("--limit", type=int, help="no more than so many tracks of each kind")
    parser.add_argument("--quick", action="store_true", help="less of everything: a look, not a measurement")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write pictures there (needs matplotlib, the extra [plot])")
    args = parser.parse_args()
    figures, clockwork = Figures("beats"), Clockwork()
    pictures = beats_plots.Pictures()
    if not args.only_data:
        own(figures, clockwork, pictures, quick=args.quick)
    limit = args.limit or (4 if args.quick else None)
    for folder in args.data:
        beats_annotated.measure(figures, clockwork, pictures, folder, limit=limit)
    if args.plots is not None:
        beats_plots.draw(pictures, args.plots)
    figures.table()


def own(figures: Figures, clockwork: Clockwork, pictures: beats_plots.Pictures, *, quick: bool) -> None:
    """Everything that needs nobody's recordings."""
    clockwork.stage("synthesised songs")
    names = sorted(synth.PRESETS)[:: 4 if quick else 1]
    pictures.reliability["synthesised"] = beats_own.songs(figures, names)
    clockwork.stage("bars")
    beats_bars.own(figures, names)
    clockwork.stage("what is no music")
    beats_own.not_music(figures, quick=quick)
    styles = list(synth.STYLES)[:: 4 if quick else 1]
    tunes = [tune for tune in synthesised(TUNE_S) if tune.name in styles]
    clockwork.stage("invariance")
    beats_own.invariance(figures, "own", [tune.cut(0.0, LEAD_S) for tune in tunes])
    clockwork.stage("lead")
    parts = [tune.cut(0.0, LEAD_S) for tune in tunes]
    pictures.leads["synthesised"] = beats_own.leads(figures, "own", parts, [(0.0, LEAD_S)] * len(parts))
    clockwork.stage("changes")
    pictures.stories["synthesised"] = beats_changes.own(figures, tunes, styles)
    clockwork.stage("done")


if __name__ == "__main__":
    main()
