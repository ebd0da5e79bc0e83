"""A snapshot to serve, a status server for the length of a scenario, and one in a thread of its own for clients that block."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from k1edge.events import Culprit, Severity
from k1edge.held import TempoStatus
from k1edge.report.app import build_app
from k1edge.report.server import Limits
from k1edge.report.status import StatusServer
from k1edge.snapshot import (
    Alert,
    AlertsStatus,
    AudioStatus,
    BeatStatus,
    DriftFigures,
    DriftStatus,
    Figure,
    LatencyStatus,
    NetworkStatus,
    NodeStatus,
    ProcessStatus,
    Snapshot,
    Spread,
    UplinkStatus,
)

NODE = NodeStatus(
    port="/dev/ttyACM0", state="ready", reason=None, dialect="k1link", timing="timed", unique_id="k1-0a1b", firmware="1.2.0", led_count=160,
    boot_reason="power on",
    offset_bound_us=210.5, sync_error_us=40.0, node_drift_ppm=-12.5, pings=64, sent=10, fired=7, late=1, missed=1, cancelled=0, pending=1,
    frames_in=90, frames_out=80, bad_frames=0, lost_frames=0, stray_reports=14, garbage_bytes=3, unknown_replies={}, dropped=0,
    kept_text=None, resets=0, reopened=1,
)  # fmt: skip

ALERT = Alert(
    id=1, kind="drift", severity=Severity.AMBER, begin_ns=63_456_789_000, end_ns=73_456_789_000, worst_ms=31.5, attribution=Culprit.TRACKER,
    reason="the light is late",
)  # fmt: skip

NETWORK = NetworkStatus(
    bind="all", port=19_249, tls=False, token=False, rate_hz=10.0, reasons=(), clients=2, subscribers=1, sent=600, lost=3, cut_off=1, refused=0,
    announced="kitchen",
    uplink=UplinkStatus(
        state="connected", url="wss://hub.local/ws/telemetry/k1e-0123456789ab", reason=None, connected_s=61.0, sent=610, acknowledged=4, waiting=1,
        dropped=0, lost=2, ignored=0, reconnects=1,
    ),
)  # fmt: skip


def steady(median: float, p95: float, count: int) -> Figure:
    """A figure that was never different."""
    spread = Spread(median=median, p95=p95, worst=p95, count=count)
    return Figure(newest=median, last_10s=spread, since_start=spread)


SNAPSHOT = Snapshot(
    id="k1e-0123456789ab",
    version="0.1.0",
    state="running",
    reasons=(),
    wall_time="2026-01-02T03:04:05+00:00",
    monotonic_ns=123_456_789_000,
    uptime_s=93_784.5,
    audio=AudioStatus(
        state="live", reason=None, device="k1mon", device_rate_hz=48_000, channels=2, level_dbfs=-18.25, age_ms=12.0, drift_ppm=3.0,
        clock_estimated=False, overrun_frames=0, xruns=0, bad_samples=0, epoch=1, reopened=0,
    ),
    beat=BeatStatus(lock="locked", bpm=128.04, beat_phase=0.25, beat_index=99, beat_in_bar=3, confidence=0.93, committed=99),
    node=NODE,
    drift=DriftStatus(
        severity=Severity.OK, attribution=None, reason=None, drift_ms=-4.5, drift_ref="onset", beat_residual_ms=1.5, fire_error_us=15.0,
        sync_error_us=40.0, offset_bound_us=210.5, node_drift_ppm=-12.5, audio_drift_ppm=3.0,
        figures=DriftFigures(
            drift_ms=steady(-4.5, 11.0, 17), beat_residual_ms=steady(1.5, 8.0, 18), fire_error_us=steady(15.0, 60.0, 19),
            sync_error_us=steady(40.0, 40.0, 100), offset_bound_us=steady(210.5, 212.0, 100), node_drift_ppm=steady(-12.5, 13.0, 100),
            audio_drift_ppm=steady(3.0, 3.0, 100),
        ),
    ),
    alerts=AlertsStatus(open=(), closed=(ALERT,), total=1),
    latency=LatencyStatus(capture_ms=30.0, window_ms=11.6, lead_ms=100.0, transport_ms=1.2, led_tx_ms=4.9, offset_ms=-5.0, total_ms=47.7),
    tempo=TempoStatus(held_by=None, bpm_min=55.0, bpm_max=215.0, nudge_ms=0.0, taps=0),
    process=ProcessStatus(pid=4242, cpu_s=12.5, rss_mb=64.0, threads=5, loop_lag_ms=0.4, restarts=2),
)  # fmt: skip


@contextmanager
def serving(path: Path, snapshot: Callable[[], Snapshot] = lambda: SNAPSHOT) -> Iterator[StatusServer]:
    """Serve at `path` until the end of the block."""
    server = StatusServer(build_app(snapshot), path)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


GET = b"GET /status HTTP/1.1\r\nhost: k1\r\n\r\n"


def run(path: Path, scenario: Callable[[StatusServer], Awaitable[None]], limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
    async def served() -> None:
        server = StatusServer(build_app(lambda: SNAPSHOT), path, limits)
        await server.start()
        try:
            await asyncio.wait_for(scenario(server), 30)
        finally:
            await server.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(served())
    assert not path.exists()


async def ask(path: Path, request: bytes = GET) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
        return int(head.split()[1]), await reader.readexactly(length)
    finally:
        writer.close()


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for happens in the server, which tells nobody
        await asyncio.sleep(0.01)
