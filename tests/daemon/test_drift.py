"""Errors put into the whole daemon are shown by it: sound, tracker, wire and a virtual node with a clock of its own, in real time."""

import asyncio
from pathlib import Path

import pytest

from k1edge.audio.replay import ArraySource
from k1edge.audio.synth import click_and_drums
from k1edge.config import NetworkSettings, NodeSettings, Settings
from k1edge.daemon import Daemon
from k1edge.events import Culprit, Severity
from k1edge.link.virtual_node import VirtualNode
from k1edge.snapshot import Snapshot
from k1edge.timebase import NS_PER_S

SECONDS = 14.0
"""3.5 s to the lock and 7 s to red; the rest is for a busy machine."""


async def shown(folder: Path, offset_ms: float) -> list[Snapshot]:
    """What the daemon shows from its lock on, with a light that is set `offset_ms` late."""
    source = ArraySource(click_and_drums(150.0, SECONDS).samples, realtime=True)
    seen: list[Snapshot] = []
    with VirtualNode(ppm=80.0) as node:
        settings = Settings(
            network=NetworkSettings(bind="off"), node=NodeSettings(port=node.path, offset_ms=offset_ms, identify_drain_ms=50)
        )
        daemon = Daemon(settings, source, identity="late", socket=folder / f"{offset_ms:g}.sock", env={})
        running = asyncio.create_task(daemon.run())
        while not running.done():
            await asyncio.wait({running}, timeout=0.2)
            snapshot = daemon.snapshot()
            if seen or snapshot.beat.lock == "locked":
                seen.append(snapshot)
        await running
    return [snapshot for snapshot in seen if snapshot.state == "running"]


def test_a_light_set_late_is_shown_as_late_as_it_was_set(tmp_path: Path) -> None:
    async def side_by_side() -> list[list[Snapshot]]:
        return await asyncio.gather(*(shown(tmp_path, offset_ms) for offset_ms in (35.0, 120.0)))

    amber, red = asyncio.run(side_by_side())
    assert (amber[0].drift.drift_ms, amber[0].drift.severity) == (None, None)
    assert amber[-1].drift.drift_ms == pytest.approx(35.0, abs=3.0)
    assert (amber[-1].drift.severity, amber[-1].drift.attribution) == (Severity.AMBER, Culprit.OFFSET)
    assert red[-1].drift.drift_ms == pytest.approx(120.0, abs=3.0)
    (alert,) = red[-1].alerts.open
    assert (alert.severity, alert.attribution, alert.worst_ms) == (Severity.RED, Culprit.OFFSET, pytest.approx(120.0, abs=6.0))
    first_red_ns = next(snapshot.monotonic_ns for snapshot in red if snapshot.drift.severity is Severity.RED)
    assert first_red_ns - alert.begin_ns >= 5 * NS_PER_S
    for last in (amber[-1], red[-1]):
        assert last.drift.node_drift_ppm == pytest.approx(80.0, abs=25.0)  # it has known the node for ten seconds
        assert last.drift.offset_bound_us is not None
        assert last.drift.figures.fire_error_us.since_start.count > 10
        assert last.drift.beat_residual_ms == pytest.approx(0.0, abs=5.0)
