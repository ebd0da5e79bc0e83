"""Draws the `Snapshot`: every figure that people and programs see, gathered from the parts in one place."""

import os
import resource
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from k1edge import __version__
from k1edge.audio.source import AudioHealth, AudioState
from k1edge.beat.timeline import DELAY_SAMPLES
from k1edge.config import Settings
from k1edge.daemon.conductor import Conductor
from k1edge.drift.watch import DriftWatch, Facts
from k1edge.events import Culprit, LockState
from k1edge.held import TempoStatus
from k1edge.link.dialect import LinkState
from k1edge.link.port_status import PortStatus
from k1edge.snapshot import AudioStatus, BeatStatus, ClocksStatus, LatencyStatus, NetworkStatus, NodeStatus, ProcessStatus, Snapshot
from k1edge.timebase import NS_PER_MS, NS_PER_S, SAMPLE_RATE_HZ, HostTime

WINDOW_MS = DELAY_SAMPLES * 1e3 / SAMPLE_RATE_HZ
"""What the analysis window costs between an attack and its being seen."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the daemon knows of itself.

    Attributes:
        identity: id of this daemon.
        started_ns: when it started.
        stopping: an orderly stop has begun.
        restarts: parts started anew since then.
        loop_lag_ns: how late the event loop ran its last tick; None before the first.
    """

    identity: str
    started_ns: HostTime
    stopping: bool
    restarts: int
    loop_lag_ns: int | None


def draw(
    settings: Settings,
    vitals: Vitals,
    audio: AudioHealth,
    conductor: Conductor,
    drift: DriftWatch,
    node: PortStatus | None,
    network: NetworkStatus | None,
    now: HostTime,
    clocks: ClocksStatus | None = None,
    tempo: TempoStatus | None = None,
) -> Snapshot:
    """One consistent picture at `now`; called on the event loop."""
    reasons = degraded_reasons(audio, node) + (() if network is None else network.reasons)
    audio_status = _audio(audio, conductor)
    return Snapshot(
        id=vitals.identity,
        version=__version__,
        state=_state(vitals, audio, reasons),
        reasons=reasons,
        wall_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        monotonic_ns=now,
        uptime_s=(now - vitals.started_ns) / NS_PER_S,
        audio=audio_status,
        beat=_beat(conductor, now),
        clocks=clocks,
        node=None if node is None else _node(node),
        drift=drift.status(now),
        alerts=drift.alerts(),
        latency=_latency(settings, audio, node),
        network=network,
        tempo=tempo,
        process=_process(vitals),
    )


def drift_facts(audio: AudioHealth, conductor: Conductor, node: PortStatus | None, now: HostTime, moved: Collection[Culprit] = ()) -> Facts:
    """What the watch over the drift has to know of the rest."""
    return Facts(
        locked=conductor.lock(now) is LockState.LOCKED,
        audio_live=None if audio.state is AudioState.ENDED else audio.state is AudioState.LIVE,
        node_ready=None if node is None else node.state is LinkState.READY,
        timed=None if node is None else node.timed,
        clock=None if node is None else node.clock,
        audio_drift_ppm=audio.drift_ppm,
        moved=moved,
    )


def degraded_reasons(audio: AudioHealth, node: PortStatus | None) -> tuple[str, ...]:
    """Why the daemon is not whole, in words; empty when it is."""
    reasons = []
    if audio.state not in {AudioState.LIVE, AudioState.OPENING}:
        reasons.append(f"audio: {audio.reason or audio.state}")
    if node is not None and node.state is not LinkState.READY:
        reasons.append(f"node: {node.reason or node.state}")
    return tuple(reasons)


def _state(vitals: Vitals, audio: AudioHealth, reasons: tuple[str, ...]) -> Literal["starting", "running", "degraded", "stopping"]:
    if vitals.stopping:
        return "stopping"
    if reasons:
        return "degraded"
    return "starting" if audio.state is AudioState.OPENING else "running"


def _audio(health: AudioHealth, conductor: Conductor) -> AudioStatus:
    live = health.state is AudioState.LIVE and conductor.grid is not None
    return AudioStatus(
        state=health.state.value,
        reason=health.reason,
        device=health.device,
        device_rate_hz=health.device_rate_hz,
        channels=health.channels,
        level_dbfs=conductor.grid.level_dbfs if live and conductor.grid is not None else None,
        age_ms=_ms(health.age_ns),
        drift_ppm=health.drift_ppm,
        clock_estimated=health.clock_estimated,
        overrun_frames=health.overruns,
        xruns=health.xruns,
        bad_samples=health.bad_samples,
        epoch=health.epoch,
        reopened=health.reopened,
    )


def _beat(conductor: Conductor, now: HostTime) -> BeatStatus:
    lock = conductor.lock(now)
    timeline = conductor.timeline(now)
    past = [c for c in conductor.committed if c.at_ns <= now]
    last = past[-1] if past and timeline is not None else None
    return BeatStatus(
        lock=lock.value,
        bpm=None if timeline is None else timeline.bpm(NS_PER_S),
        beat_phase=None if timeline is None else timeline.phase_at(now),
        beat_index=None if last is None else last.beat.index,
        beat_in_bar=None if last is None else last.beat.beat_in_bar,
        bar_confidence=None if last is None else last.beat.bar_confidence,
        confidence=conductor.grid.confidence if conductor.grid is not None and lock is not LockState.UNLOCKED else 0.0,
        committed=conductor.total_committed,
    )


def _node(node: PortStatus) -> NodeStatus:
    info, clock, count = node.info, node.clock, node.counters
    return NodeStatus(
        port=node.path or node.port,
        state=node.state.value,
        reason=node.reason,
        dialect=None if info is None else info.dialect,
        timing=None if node.timed is None else ("timed" if node.timed else "untimed"),
        unique_id=None if info is None else info.unique_id,
        firmware=None if info is None else info.firmware,
        led_count=None if info is None else info.led_count,
        boot_reason=None if info is None else info.reset_reason,
        offset_bound_us=None if clock is None else clock.bound_us,
        sync_error_us=None if clock is None else clock.sync_error_us,
        node_drift_ppm=None if clock is None else clock.drift_ppm,
        pings=None if clock is None else clock.pings,
        sent=count.sent,
        fired=count.fired,
        late=count.late,
        missed=count.missed,
        cancelled=count.cancelled,
        pending=count.pending,
        frames_in=count.frames_in,
        frames_out=count.frames_out,
        bad_frames=count.bad_frames,
        lost_frames=count.lost_frames,
        stray_reports=count.stray_reports,
        garbage_bytes=count.garbage_bytes,
        unknown_replies=dict(node.unknown_replies),
        dropped=node.dropped,
        kept_text=node.kept_text or None,
        resets=count.resets,
        reopened=node.reopened,
    )


def _latency(settings: Settings, audio: AudioHealth, node: PortStatus | None) -> LatencyStatus:
    capture_ms = _ms(audio.latency_ns)
    clock = None if node is None else node.clock
    info = None if node is None else node.info
    transport_ms = None if clock is None else clock.bound_us / 1e3  # the bound is half the quickest round trip: one way
    led_tx_ms = None if info is None or info.led_tx_us is None else info.led_tx_us / 1e3
    known = [part for part in (capture_ms, transport_ms, led_tx_ms) if part is not None]
    return LatencyStatus(
        capture_ms=capture_ms,
        window_ms=WINDOW_MS,
        lead_ms=settings.beat.lead_ms,
        transport_ms=transport_ms,
        led_tx_ms=led_tx_ms,
        offset_ms=settings.node.offset_ms,
        total_ms=sum(known) + WINDOW_MS if capture_ms is not None else None,
    )


def _process(vitals: Vitals) -> ProcessStatus:
    use = resource.getrusage(resource.RUSAGE_SELF)
    return ProcessStatus(
        pid=os.getpid(),
        cpu_s=use.ru_utime + use.ru_stime,
        rss_mb=_rss_mb() or use.ru_maxrss / 1024,  # the peak stands in where there is no /proc
        threads=threading.active_count(),
        loop_lag_ms=_ms(vitals.loop_lag_ns),
        restarts=vitals.restarts,
    )


def _rss_mb() -> float | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a hundredth of a Path's cost, once a picture
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except (OSError, ValueError, IndexError):
        return None


def _ms(value_ns: int | None) -> float | None:
    return None if value_ns is None else value_ns / NS_PER_MS
