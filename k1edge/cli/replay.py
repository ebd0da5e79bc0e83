"""`k1edge replay`: a sound file through the very pipeline that runs live, as fast as the machine allows.

The lines it prints are a contract (the README's "replay" section): the same samples give the same lines on every run and with every
block size. So nothing in them may come from a clock, but for the summary's `wall_s` and `cpu_s`.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from k1edge.audio.replay import DEFAULT_BLOCK_FRAMES, ReplaySource
from k1edge.audio.source import EndOfStreamError
from k1edge.beat.pipeline import Event, Pipeline
from k1edge.beat.tempo import Tempi
from k1edge.cli.options import ConfigOption, JsonOption, settings_from
from k1edge.events import Beat, Onset
from k1edge.timebase import SAMPLE_RATE_HZ

MAX_BLOCK_FRAMES = 1_000_000
"""22 s of sound: beyond that nothing is a stream any more."""

READ_TIMEOUT_S = 1.0
"""With --realtime: how long one read waits before it is simply called again."""

ROW_S = 10.0
MAX_ROWS = 40
"""The table people get: a row per 10 s, longer rows for long files."""

Line = dict[str, str | int | float | None]


@dataclass(slots=True)
class Tally:
    """What the summary tells.

    Attributes:
        samples: consumed so far, at 44.1 kHz.
        beats: lines of committed beats.
        onsets: times of onsets in s.
        wall_s: from the file's first block to its end.
        cpu_s: the same in CPU time of this process, all threads: decoding, resampling, tracking and printing, not Python's start.
    """

    samples: int = 0
    beats: list[Line] = field(default_factory=list)
    onsets: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def audio_s(self) -> float:
        """Sound consumed."""
        return self.samples / SAMPLE_RATE_HZ

    def line(self) -> Line:
        """The last line of the stream."""
        return {
            "event": "summary",
            "audio_s": round(self.audio_s, 4),
            "wall_s": round(self.wall_s, 4),
            "cpu_s": round(self.cpu_s, 4),
            "beats": len(self.beats),
        }


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Sound file: wav, flac, ogg, mp3.", show_default=False)],
    *,
    json_lines: JsonOption = False,
    block: Annotated[
        int, typer.Option("--block", min=1, max=MAX_BLOCK_FRAMES, help="Samples per block; changes nothing in the lines.")
    ] = DEFAULT_BLOCK_FRAMES,
    realtime: Annotated[bool, typer.Option("--realtime", help="At the speed of the music instead of as fast as possible.")] = False,
    config: ConfigOption = None,
) -> None:
    """Find the beats of a sound FILE with the pipeline that runs live.

    `time` is where a beat falls, in seconds of the file, committed `beat.lead_ms` (100) ahead; `announced` is how much sound had been consumed by
    then at 44.1 kHz, the tracker's rate; of a file at another rate the resampler has some ms more in hand. `cpu_s` in the summary counts decoding,
    resampling, tracking and printing, not the start of the program.
    """
    beat = settings_from(config, {}).beat
    pipeline = Pipeline(beat.lead_ms, Tempi(beat.bpm_min, beat.bpm_max, beat.prior_bpm, beat.prior_octaves), beat.hearing)
    with _progress(json_lines=json_lines) as show:
        tally = _stream(ReplaySource(file, block, realtime), pipeline, emit=_print_line if json_lines else None, show=show)
    if json_lines:
        _print_line(tally.line())
    else:
        _print_table(file, tally)


def event_line(event: Event) -> Line | None:
    """What is printed for `event`; None for what is not part of the stream."""
    if isinstance(event, Beat):
        return {
            "event": "beat",
            "time": _seconds(event.sample),
            "announced": _seconds(event.heard),
            "bpm": round(event.bpm, 2),
            "confidence": round(event.confidence, 3),
            "beat_in_bar": event.beat_in_bar,
            "index": event.index,
        }
    if isinstance(event, Onset):
        return {
            "event": "onset",
            "time": _seconds(event.sample),
            "announced": _seconds(event.heard),
            "strength": round(event.strength, 3),
        }
    return None


def _stream(
    source: ReplaySource, pipeline: Pipeline, *, emit: Callable[[Line], None] | None, show: Callable[[float, float | None], None]
) -> Tally:
    tally = Tally()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    try:
        for event in _events(source, pipeline, tally, show):
            line = event_line(event)
            if line is not None:
                if isinstance(event, Beat):
                    tally.beats.append(line)
                else:
                    tally.onsets.append(float(line["time"] or 0.0))
                if emit is not None:
                    emit(line)
    finally:
        source.close()
    tally.wall_s, tally.cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return tally


def _events(source: ReplaySource, pipeline: Pipeline, tally: Tally, show: Callable[[float, float | None], None]) -> Iterator[Event]:
    while True:
        try:
            heard = source.read(READ_TIMEOUT_S)
        except EndOfStreamError:
            return
        if heard is not None:
            tally.samples += len(heard.samples)
            yield from pipeline.push(heard)
            show(tally.audio_s, source.duration_s)


def _seconds(samples: int) -> float:
    # Rounding is monotonic: announced <= time survives it. 0.1 ms is finer than a light can be.
    return round(samples / SAMPLE_RATE_HZ, 4)


def _print_line(line: Line) -> None:
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


@contextmanager
def _progress(*, json_lines: bool) -> Iterator[Callable[[float, float | None], None]]:
    """A bar on stderr while a person looks on; nothing where it would run through the lines on the same terminal."""
    err = Console(stderr=True)
    if not err.is_terminal or (json_lines and sys.stdout.isatty()):
        yield lambda _done, _whole: None
        return
    columns = (TextColumn("{task.completed:.0f} s of sound"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Redirecting would send stdout, which may be a pipe, through the bar's own stderr.
    with Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("replay", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _print_table(file: Path, tally: Tally) -> None:
    row_s = max(ROW_S, math.ceil(tally.audio_s / MAX_ROWS))
    table = Table(title=file.name, title_justify="left")
    for heading in ("from s", "beats", "bpm", "confidence", "onsets"):
        table.add_column(heading, justify="right")
    for row in range(math.ceil(tally.audio_s / row_s)):
        beats = [line for line in tally.beats if int(_number(line, "time") // row_s) == row]
        onsets = sum(int(at_s // row_s) == row for at_s in tally.onsets)
        bpm = f"{median(_number(line, 'bpm') for line in beats):.1f}" if beats else "-"
        sure = f"{fmean(_number(line, 'confidence') for line in beats):.2f}" if beats else "-"
        table.add_row(f"{row * row_s:.0f}", str(len(beats)), bpm, sure, str(onsets))
    out = Console()
    out.print(table)
    cost = tally.cpu_s / tally.audio_s if tally.audio_s else 0.0
    out.print(f"{len(tally.beats)} beats in {tally.audio_s:.1f} s of sound, {tally.wall_s:.2f} s ({cost:.4f} s of CPU per s of sound)")


def _number(line: Line, key: str) -> float:
    value = line[key]
    return float(value) if isinstance(value, int | float) else math.nan
