"""`k1edge demo`: the whole daemon without hardware. A synthesised song plays the room, a virtual node on a pty plays the lamp.

Everything between the two is what `k1edge run` runs. What the demo knows beside it, the song's beats and the node's true clock, judges the
flashes and is never told to the daemon. All state here belongs to the event loop.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console, RenderableType
from rich.live import Live

from k1edge.audio import synth
from k1edge.audio.replay import ArraySource
from k1edge.cli.demo_node import DemoNode
from k1edge.cli.demo_summary import Evidence, figures, summary_table
from k1edge.cli.node_simulate import DialectName
from k1edge.cli.options import JsonOption, delay_range
from k1edge.cli.run import handle_signals
from k1edge.cli.view import Moment, picture
from k1edge.config import NetworkSettings, NodeSettings, Settings
from k1edge.daemon import Daemon, Heard
from k1edge.events import FlashReport
from k1edge.link.dialect import ClockUpdated, LinkEvent
from k1edge.report.log import set_up
from k1edge.snapshot import Snapshot
from k1edge.timebase import NS_PER_S, NS_PER_US, SAMPLE_RATE_HZ, HostTime

FRAME_S = 1 / 15
"""Pace of the picture: enough for the eye, and the loop has other things to do."""

LINE_EVERY_S = 5.0
"""Pace of plain progress where there is no terminal."""

TAIL_S = 0.5
"""Silence behind the song, so that the flash of the last beat and the report of it are still seen."""

DRAIN_MS = 100
"""The virtual node prints no boot text to wait for; a real one is given 2 s."""

FLASHES_SHOWN = 64
"""More than the picture's few seconds can hold."""


@dataclass(slots=True)
class Stage:
    """The song, the node, and what was seen of them.

    Attributes:
        song: what is played.
        source: it, paced by the host clock.
        node: the lamp.
        reports: what the node told of its flashes.
        bounds_ns: true clock error and published bound, at every fit of the node's clock.
        snapshot: the newest picture of the running daemon.
    """

    song: synth.Song
    source: ArraySource
    node: DemoNode
    reports: list[FlashReport] = field(default_factory=list)
    bounds_ns: list[tuple[float, float]] = field(default_factory=list)
    snapshot: Snapshot | None = None

    def watch(self, event: Heard | LinkEvent) -> None:
        """Note what the node reported, and how well its clock was known just then."""
        if isinstance(event, FlashReport):
            self.reports.append(event)
        elif isinstance(event, ClockUpdated):
            at_ns, clock = event.clock.at_ns, event.clock
            error_us = clock.to_node.forward(at_ns) - self.node.node_us(at_ns)
            self.bounds_ns.append((float(error_us * NS_PER_US), clock.bound_us * NS_PER_US))

    def played_s(self) -> float:
        """How much of the song has been in the air."""
        start_ns = self.source.start_ns
        return 0.0 if start_ns is None else min(self.song.seconds, (time.monotonic_ns() - start_ns) / NS_PER_S)


def demo(
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=600, help="Length of the song.")] = 45.0,
    json_object: JsonOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the song and of the node's delays.")] = 1,
    song: Annotated[str, typer.Option("--song", metavar="PRESET", help=f"One of {', '.join(synth.PRESETS)}.")] = "demo",
    dialect: Annotated[DialectName, typer.Option("--dialect", help="What the virtual node speaks.")] = DialectName.K1LINK,
    ppm: Annotated[float, typer.Option("--ppm", min=-1000, max=1000, help="Rate error of the node's clock, + = fast.")] = 100.0,
    delay: Annotated[str, typer.Option("--delay", metavar="LO-HI", help="Random delay of bytes on the wire, each way, ms.")] = "1-3",
) -> None:
    """Play a synthesised song to the whole daemon and watch a virtual node flash; needs no hardware.

    Ends with how many of the song's beats the node really flashed, how far off, and how well its clock was known. Ctrl-C ends it early.
    """
    delay_ms = delay_range(delay)
    if song not in synth.PRESETS:
        msg = f"no song {song!r}; there are {', '.join(synth.PRESETS)}"
        raise typer.BadParameter(msg, param_hint="--song")
    set_up("warning")
    music = synth.song(song, seed=seed, seconds=seconds)
    sound = np.concatenate([music.samples, np.zeros(round(TAIL_S * SAMPLE_RATE_HZ), np.float32)])
    source = ArraySource(sound, realtime=True, name=f"the song {song!r}")
    with DemoNode(dialect=dialect.value, ppm=ppm, delay_ms=delay_ms, seed=seed) as node:
        stage = Stage(music, source, node)
        asyncio.run(_play(stage))
        found = figures(_evidence(stage, seed))
    if json_object:
        print(json.dumps(found))
    else:
        Console().print(summary_table(found))
    if found["reason"] is not None:
        print(f"k1edge: the demo failed: {found['reason']}", file=sys.stderr)
        raise typer.Exit(1)


async def _play(stage: Stage) -> None:
    """Run the daemon until the song or the user ends it, and show it meanwhile."""
    settings = Settings(node=NodeSettings(port=stage.node.path, identify_drain_ms=DRAIN_MS), network=NetworkSettings(bind="off"))
    with tempfile.TemporaryDirectory(prefix="k1edge-demo-") as private:
        daemon = Daemon(settings, stage.source, identity="demo", socket=Path(private) / "k1edge.sock", env={}, watch=stage.watch)
        handle_signals(daemon)
        running = asyncio.create_task(daemon.run())
        err = Console(stderr=True)
        if err.is_terminal:
            with Live(console=err, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False) as live:
                await _follow(stage, daemon, running, FRAME_S, lambda now: live.update(_frame(stage, now), refresh=True))
        else:
            await _follow(stage, daemon, running, LINE_EVERY_S, lambda _: print(_progress(stage), file=sys.stderr, flush=True))
        await running


async def _follow(stage: Stage, daemon: Daemon, running: "asyncio.Task[None]", every_s: float, show: Callable[[HostTime], None]) -> None:
    """Keep the newest snapshot and show it every `every_s`, until the daemon stops."""
    due_ns = float(time.monotonic_ns())
    while not running.done():
        await asyncio.wait({running}, timeout=FRAME_S)
        now = HostTime(time.monotonic_ns())
        snapshot = daemon.snapshot()
        if snapshot.state != "stopping":
            stage.snapshot = snapshot
            if now >= due_ns:
                due_ns += every_s * NS_PER_S
                show(now)


def _frame(stage: Stage, now: HostTime) -> RenderableType:
    assert stage.snapshot is not None  # noqa: S101 - drawn only once there is one
    start_ns, song = stage.source.start_ns, stage.song
    truth = [] if start_ns is None else [start_ns + round(beat * NS_PER_S) for beat in song.beats_s.tolist()]
    flashes = [flash.fired_ns for flash in stage.node.flashes()[-FLASHES_SHOWN:]]
    title = f"k1edge demo: {song.name}, {song.seconds:.0f} s"
    return picture(stage.snapshot, Moment(now, flashes, truth, stage.played_s() / song.seconds, title))


def _progress(stage: Stage) -> str:
    assert stage.snapshot is not None  # noqa: S101 - told only once there is one
    beat, node = stage.snapshot.beat, stage.snapshot.node
    bpm = "no tempo" if beat.bpm is None else f"{beat.bpm:.1f} bpm"
    flashed = f"{beat.committed} beats committed, {len(stage.node.flashes())} flashed"
    return f"{stage.played_s():5.1f} s  {beat.lock}, {bpm}, {flashed}, node {'none' if node is None else node.state}"


def _evidence(stage: Stage, seed: int) -> Evidence:
    flashes = stage.node.flashes()
    fired = [report for report in stage.reports if report.fired_ns is not None]
    # By time, not by number: those on the wire are the session's own.
    really = [min(flashes, key=lambda flash: abs(flash.fired_ns - (report.fired_ns or 0))) for report in fired] if flashes else []
    late_ns = [(flash.fired_us - flash.scheduled_us) * NS_PER_US for flash in really]
    errors_ns = [flash.fired_ns - report.due_ns for flash, report in zip(really, fired, strict=False)]
    return Evidence(
        song=stage.song.name,
        seed=seed,
        start_ns=stage.source.start_ns,
        played_s=stage.played_s(),
        truth_s=stage.song.beats_s.tolist(),
        flashes_ns=[flash.fired_ns for flash in flashes],
        fire_errors_ns=errors_ns,
        told_errors_ns=[error - late for error, late in zip(errors_ns, late_ns, strict=True)],
        bounds_ns=stage.bounds_ns,
        snapshot=stage.snapshot,
    )
