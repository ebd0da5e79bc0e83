"""The status as people read it. Pure drawing."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from k1edge.cli.view import SEVERITY_STYLES, severity_words
from k1edge.held import TempoStatus
from k1edge.snapshot import (
    Alert,
    AudioStatus,
    BeatStatus,
    ClocksStatus,
    DriftStatus,
    LatencyStatus,
    NetworkStatus,
    NodeStatus,
    Snapshot,
    UplinkStatus,
)
from k1edge.timebase import NS_PER_S

_STATE_STYLES = {"running": "bold green", "starting": "yellow", "degraded": "bold yellow", "stopping": "yellow"}


def table(snapshot: Snapshot) -> RenderableType:
    """Draw the whole snapshot."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right")
    grid.add_column()
    grid.add_row("state", Text(snapshot.state.upper(), style=_STATE_STYLES[snapshot.state]))
    for reason in snapshot.reasons:
        grid.add_row("", Text(reason, style="yellow"))
    grid.add_row("sound", _audio(snapshot.audio))
    grid.add_row("beat", _beat(snapshot.beat))
    if snapshot.tempo is not None:
        grid.add_row("tempo", _tempo(snapshot.tempo))
    grid.add_row("node", _node(snapshot.node))
    grid.add_row("drift", _drift(snapshot.drift))
    for line in _alerts(snapshot):
        grid.add_row("alert", line)
    if snapshot.clocks is not None:
        grid.add_row("clocks", _clocks(snapshot.clocks, snapshot.monotonic_ns))
    grid.add_row("delays", _latency(snapshot.latency))
    grid.add_row("network", _network(snapshot.network))
    if snapshot.network is not None and snapshot.network.uplink is not None:
        grid.add_row("uplink", _uplink(snapshot.network.uplink))
    process = snapshot.process
    grid.add_row(
        "process",
        f"pid {process.pid}, up {_span(snapshot.uptime_s)}, CPU {process.cpu_s:.1f} s, {process.rss_mb:.0f} MB, {process.threads} threads, "
        f"loop lag {_of(process.loop_lag_ms, '.1f', 'ms')}, {process.restarts} restarts",
    )
    return Panel(grid, title=f"k1edge {snapshot.version}", subtitle=f"{snapshot.id} at {snapshot.wall_time}", expand=False)


def unreachable(words: str) -> RenderableType:
    """What stands there while the daemon can't be asked."""
    return Panel(Text(words, style="red"), title="k1edge", expand=False)


def _audio(audio: AudioStatus) -> RenderableType:
    first = Text(f"{audio.state.upper()}  ", style="green" if audio.state == "live" else "yellow")
    first.append(f"{audio.device}, {_of(audio.device_rate_hz, 'd', 'Hz')}, {_of(audio.channels, 'd', 'channels')}", style="default")
    second = (
        f"level {_of(audio.level_dbfs, '.1f', 'dBFS')}, age {_of(audio.age_ms, '.0f', 'ms')}, clock {_of(audio.drift_ppm, '+.1f', 'ppm')}"
        f"{' (estimated)' if audio.clock_estimated else ''}, {audio.xruns} xruns, {audio.overrun_frames} frames lost, {audio.bad_samples} bad samples, "
        f"epoch {audio.epoch}, reopened {audio.reopened}"
    )
    return Group(first, *_why(audio.reason), second)


def _clocks(clocks: ClocksStatus, now_ns: int) -> RenderableType:
    known = f"host slewed by {_of(clocks.host_slew_ppm, '+.1f', 'ppm')}, rates of {clocks.rates_known} nodes remembered"
    if clocks.event is None or clocks.event_ns is None:
        return Text(f"STEADY  {known}")
    ago = _span((now_ns - clocks.event_ns) / NS_PER_S)
    return Group(Text(f"{clocks.event}, {ago} ago", style="yellow" if clocks.attribution is not None else "dim"), known)


def _beat(beat: BeatStatus) -> RenderableType:
    line = Text(f"{beat.lock.upper()}  ", style="green" if beat.lock in {"locked", "holding"} else "yellow")
    line.append(f"{_of(beat.bpm, '.1f', 'bpm')}, in bar {beat.beat_in_bar or '-'}, confidence {beat.confidence:.2f}", style="default")
    return line.append(f", {beat.committed} committed", style="default")


def _tempo(tempo: TempoStatus) -> RenderableType:
    line = Text(f"{(tempo.held_by or 'auto').upper()}  ", style="default" if tempo.held_by is None else "cyan")
    line.append(f"{tempo.bpm_min:.0f} to {tempo.bpm_max:.0f} bpm", style="default")
    line.append(f", nudged {tempo.nudge_ms:+g} ms" if tempo.nudge_ms else "", style="default")
    return line.append(f", {tempo.taps} taps" if tempo.taps else "", style="default")


def _network(network: NetworkStatus | None) -> RenderableType:
    if network is None or network.bind == "off":
        return Text('none: network.bind is "off"', style="dim")
    where = Text(
        f"LISTENING  port {network.port}" if network.port is not None else "WAITING  ",
        style="green" if network.port is not None else "yellow",
    )
    where.append(
        f", {'https' if network.tls else 'http'}, {'with' if network.token else 'without'} a token, bound to {network.bind}",
        style="default",
    )
    seen = f"seen as {network.announced}" if network.announced is not None else "not announced"
    lost = f"{network.sent} messages sent, {network.lost} lost to slow ones, {network.cut_off} cut off, {network.refused} refused"
    return Group(where, Text(f"{seen}, {len(network.peers)} peers"), f"{network.subscribers} subscribers, {lost}")


def _uplink(uplink: UplinkStatus) -> RenderableType:
    first = Text(f"{uplink.state.upper()}  ", style="green" if uplink.state == "connected" else "yellow")
    first.append(uplink.url or "", style="default")
    if uplink.connected_s is not None:
        first.append(f", for {_span(uplink.connected_s)}", style="default")
    alerts = f"alerts: {uplink.waiting} waiting, {uplink.acknowledged} acknowledged, {uplink.dropped} given up"
    rest = f"{uplink.sent} messages sent, {uplink.lost} lost, {uplink.reconnects} reconnects, {uplink.ignored} words not understood"
    return Group(first, *_why(uplink.reason), f"{alerts}; {rest}")


def _node(node: NodeStatus | None) -> RenderableType:
    if node is None:
        return Text('none: node.port is "off"', style="dim")
    first = Text(f"{node.state.upper()}  ", style="green" if node.state == "ready" else "yellow")
    first.append(
        f"{node.port}, {node.dialect or '-'} {node.timing or ''}, id {node.unique_id or '-'}, firmware {node.firmware or '-'}",
        style="default",
    )
    beats = f"sent {node.sent} = fired {node.fired} + late {node.late} + missed {node.missed} + cancelled {node.cancelled} + pending {node.pending}"
    clock = (
        f"clock within ±{_of(node.offset_bound_us, '.0f', 'us')}, likely {_of(node.sync_error_us, '.0f', 'us')}, "
        f"{_of(node.node_drift_ppm, '+.1f', 'ppm')}, {_of(node.pings, 'd', 'pings')}"
    )
    wire = (
        f"frames {node.frames_in} in, {node.frames_out} out, {node.bad_frames} bad, {node.lost_frames} lost, {node.garbage_bytes} B garbage, "
        f"{sum(node.unknown_replies.values())} unknown, {node.stray_reports} repeats, {node.dropped} writes dropped, {node.resets} resets, reopened {node.reopened}"
    )
    return Group(
        first, *_why(node.reason), *_last_words(node), *([beats, clock] if node.timing == "timed" else [f"sent {node.sent} lines"]), wire
    )


def _last_words(node: NodeStatus) -> list[Text]:
    """What the node said last that was no message, while something is wrong with it."""
    lines = [] if node.state == "ready" else (node.kept_text or "").split("\n")
    spoken = [line for line in lines if line.strip()]
    return [Text(f"it said: {spoken[-1]}", style="dim")] if spoken else []


def _drift(drift: DriftStatus) -> RenderableType:
    if drift.drift_ms is None:
        return Text(f"none: {drift.reason}", style="dim")
    size, prediction, fired = (getattr(drift.figures, name).last_10s for name in ("drift_ms", "beat_residual_ms", "fire_error_us"))
    line = Text(f"{drift.drift_ms:+.1f} ms {severity_words(drift)}  ", style=SEVERITY_STYLES[drift.severity])
    line.append(
        f"p95 {_of(size.p95, '.1f', 'ms')} against {drift.drift_ref or '-'}, {size.count} of {fired.count} flashes; ", style="default"
    )
    line.append(f"prediction {_of(prediction.median, '+.1f', 'ms')}, node {_of(fired.median, '+.0f', 'us')} ", style="default")
    line.append(f"(p95 {_of(fired.p95, '.0f', 'us')})", style="default")
    ever = drift.figures.drift_ms.since_start
    past = f"since the start {_of(ever.median, '+.1f', 'ms')}, p95 {_of(ever.p95, '.1f', 'ms')}, worst {_of(ever.worst, '+.1f', 'ms')}"
    return Group(line, f"{past}, {ever.count} flashes")


def _alerts(snapshot: Snapshot) -> list[Text]:
    """One line for each that is open, and the newest that is over."""
    lines = [Text(f"{alert.severity.upper()}: {_told(alert, snapshot.monotonic_ns)}", style="yellow") for alert in snapshot.alerts.open]
    return lines + [Text(f"over: {_told(alert, snapshot.monotonic_ns)}", style="dim") for alert in snapshot.alerts.closed[-1:]]


def _told(alert: Alert, now_ns: int) -> str:
    worst = "" if alert.worst_ms is None else f", worst {alert.worst_ms:+.0f} ms"
    why = "" if alert.attribution is None else f", by the {alert.attribution.replace('_', ' ')}"
    begin = f"began {_span((now_ns - alert.begin_ns) / NS_PER_S)} ago"
    lasted = begin if alert.end_ns is None else f"{begin}, lasted {_span((alert.end_ns - alert.begin_ns) / NS_PER_S)}"
    return f"{alert.reason}{why}{worst}; {lasted}"


def _latency(latency: LatencyStatus) -> str:
    return (
        f"capture {_of(latency.capture_ms, '.1f', '')}+ window {latency.window_ms:.1f} + transport {_of(latency.transport_ms, '.1f', '')}+ "
        f"LEDs {_of(latency.led_tx_ms, '.1f', '')}= {_of(latency.total_ms, '.1f', 'ms')}; committed {latency.lead_ms:g} ms ahead, "
        f"offset {latency.offset_ms:+g} ms"
    )


def _why(reason: str | None) -> list[Text]:
    return [Text(reason, style="yellow")] if reason else []


def _of(value: float | None, form: str, unit: str) -> str:
    return f"- {unit}" if value is None else f"{value:{form}} {unit}"


def _span(seconds: float) -> str:
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    return f"{days} d {h} h" if days else f"{h} h {m} min" if h else f"{m} min {s} s"
