"""The daemon under `make bench-lan`, as a process: a song, a virtual node in a process of its own, the LAN on any free port.

Prints a line of JSON once it is locked, and one for each line on its stdin: how far flashes were from their commanded time since the last.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from k1edge.audio.replay import ArraySource
from k1edge.audio.synth import song
from k1edge.cli.demo_node import DemoNode
from k1edge.config import load
from k1edge.daemon import Daemon
from k1edge.events import FlashReport
from k1edge.report.log import set_up

SONG_S = 32.0  # 64 beats at 120 bpm
MOST_S = 900.0


async def serve(node: DemoNode) -> None:
    """Run until stdin ends."""
    reports: list[FlashReport] = []
    sound = np.tile(song("house", seconds=SONG_S, bpm=120.0).samples, round(MOST_S / SONG_S))
    settings = load(Path("/dev/null"), {}, {"node.port": node.path, "node.identify_drain_ms": 100, "network.port": 0})
    with tempfile.TemporaryDirectory(prefix="k1bench-") as folder:
        source = ArraySource(sound, realtime=True)
        daemon = Daemon(
            settings,
            source,
            identity="bench",
            socket=Path(folder) / "k1.sock",
            env={},
            watch=lambda event: reports.append(event) if isinstance(event, FlashReport) and event.fired_ns is not None else None,
        )
        running = asyncio.create_task(daemon.run())
        while (now := daemon.snapshot()).beat.lock != "locked" or now.network is None or now.network.port is None:  # noqa: ASYNC110 - tells nobody
            await asyncio.sleep(0.2)
        say({"port": now.network.port, "pid": os.getpid()})
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while await lines.readline():
            flashed_ns = np.array([flash.fired_ns for flash in node.flashes()])
            errors_us = [float(np.min(np.abs(flashed_ns - report.due_ns))) / 1e3 for report in reports]
            reports.clear()
            network = daemon.snapshot().network
            say({"errors_us": errors_us, "network": None if network is None else network.model_dump()})
        daemon.stop()
        await running


def say(what: dict[str, object]) -> None:
    """One line for the bench."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    set_up("warning")
    with DemoNode(dialect="k1link", ppm=100.0, delay_ms=(1.0, 3.0), seed=1) as virtual:
        asyncio.run(serve(virtual))
