"""What Prometheus is told of the snapshot, as tables: name without `k1edge_`, words, and where to read it. Base units; None = no sample."""

from collections.abc import Callable, Sequence
from typing import Final, get_args

from k1edge.events import Severity
from k1edge.snapshot import AudioStatus, BeatStatus, NodeStatus, Snapshot, UplinkStatus

Read = Callable[[Snapshot], float | None]


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _ms(read: Read) -> Read:
    return lambda now: _scaled(read(now), 1e-3)


def _us(read: Read) -> Read:
    return lambda now: _scaled(read(now), 1e-6)


_ppm = _us
"""Parts per million, as a ratio: the same factor."""


def _node(name: str) -> Read:
    return lambda now: None if now.node is None else getattr(now.node, name)


def _network(name: str) -> Read:
    return lambda now: None if now.network is None else getattr(now.network, name)


def _uplink(name: str) -> Read:
    return lambda now: None if now.network is None or now.network.uplink is None else getattr(now.network.uplink, name)


GAUGES: Final[dict[str, tuple[str, Read]]] = {
    "uptime_seconds": ("Since the daemon started", lambda now: now.uptime_s),
    "tempo_hertz": ("Beats per second; times 60 is bpm", lambda now: _scaled(now.beat.bpm, 1 / 60)),
    "confidence_ratio": ("How sure the tracker is, 0 to 1", lambda now: now.beat.confidence),
    "drift_seconds": ("Flash against music, + is late, median over 10 s", _ms(lambda now: now.drift.drift_ms)),
    "drift_p95_seconds": ("95th percentile of its size over 10 s", _ms(lambda now: now.drift.figures.drift_ms.last_10s.p95)),
    "beat_residual_seconds": ("Beat against onset, + is late, median over 10 s", _ms(lambda now: now.drift.beat_residual_ms)),
    "fire_error_seconds": ("Flash against its order, + is late, median over 10 s", _us(lambda now: now.drift.fire_error_us)),
    "clock_bound_seconds": ("The clock of the node is known within this, for certain", _us(lambda now: now.drift.offset_bound_us)),
    "clock_error_seconds": ("The clock of the node is probably known within this", _us(lambda now: now.drift.sync_error_us)),
    "node_drift_ratio": (
        "Rate of the node's clock against the host's, 1e-6 is 1 ppm, + is fast",
        _ppm(lambda now: now.drift.node_drift_ppm),
    ),
    "audio_drift_ratio": ("Rate of the sound card against the host, + is fast", _ppm(lambda now: now.drift.audio_drift_ppm)),
    "audio_level_dbfs": ("Level of the sound", lambda now: now.audio.level_dbfs),
    "audio_age_seconds": ("How old the newest sound is", _ms(lambda now: now.audio.age_ms)),
    "latency_seconds": ("From a sound to the earliest flash for it", _ms(lambda now: now.latency.total_ms)),
    "beats_pending": ("Beats that the node was told and that have not ended", _node("pending")),
    "threads": ("Threads of the daemon", lambda now: now.process.threads),
    "lan_clients": ("Connections on the LAN port", _network("clients")),
    "telemetry_subscribers": ("Who listens to the telemetry", _network("subscribers")),
    "uplink_alerts_waiting": ("Alerts that the hub has not acknowledged", _uplink("waiting")),
}

COUNTERS: Final[dict[str, tuple[str, Read]]] = {
    "beats_committed": ("Beats that the tracker committed", lambda now: now.beat.committed),
    "beats_sent": ("Beats that the node was told", _node("sent")),
    "link_frames_in": ("Frames from the node", _node("frames_in")),
    "link_frames_out": ("Frames to the node", _node("frames_out")),
    "link_frames_bad": ("Frames with a wrong checksum or form", _node("bad_frames")),
    "link_frames_lost": ("Frames that never came, by gaps in their numbers", _node("lost_frames")),
    "link_garbage_bytes": ("Bytes from the node that were no message", _node("garbage_bytes")),
    "link_writes_dropped": ("Writes given up because the node did not read", _node("dropped")),
    "node_resets": ("Starts of the node that were noticed", _node("resets")),
    "node_reopened": ("Openings of the port after the first", _node("reopened")),
    "audio_overrun_frames": ("Frames lost because the daemon was too slow", lambda now: now.audio.overrun_frames),
    "audio_xruns": ("Gaps that the driver told", lambda now: now.audio.xruns),
    "audio_bad_samples": ("Samples that were no numbers", lambda now: now.audio.bad_samples),
    "audio_reopened": ("Openings of the sound device after the first", lambda now: now.audio.reopened),
    "alerts": ("Alerts since the start", lambda now: now.alerts.total),
    "part_restarts": ("Parts of the daemon started anew", lambda now: now.process.restarts),
    "telemetry_messages_sent": ("Messages to subscribers", _network("sent")),
    "telemetry_messages_lost": ("Messages that slow subscribers did not get", _network("lost")),
    "telemetry_cut_off": ("Subscribers closed for being slow or noisy", _network("cut_off")),
    "lan_refused": ("Requests for telemetry that were refused", _network("refused")),
    "uplink_messages_sent": ("Messages to the hub", _uplink("sent")),
    "uplink_messages_lost": ("Telemetry and beats that a slow hub did not get", _uplink("lost")),
    "uplink_alerts_acknowledged": ("Alerts that the hub has taken", _uplink("acknowledged")),
    "uplink_alerts_dropped": ("Alerts given up because the hub was gone for too long", _uplink("dropped")),
    "uplink_reconnects": ("Connections to the hub after the first", _uplink("reconnects")),
}


def _choices(model: type, field: str) -> tuple[str, ...]:
    return get_args(model.model_fields[field].annotation)  # type: ignore[attr-defined] # each of them is a pydantic model


STATES: Final[dict[str, tuple[str, Sequence[str], Callable[[Snapshot], str | None]]]] = {
    "state": ("State of the daemon", _choices(Snapshot, "state"), lambda now: now.state),
    "lock": ("State of the tracker", _choices(BeatStatus, "lock"), lambda now: now.beat.lock),
    "audio_state": ("State of the sound", _choices(AudioStatus, "state"), lambda now: now.audio.state),
    "node_state": ("State of the link", _choices(NodeStatus, "state"), lambda now: None if now.node is None else now.node.state),
    "uplink_state": (
        "State of the connection to the hub",
        _choices(UplinkStatus, "state"),
        lambda now: None if now.network is None or now.network.uplink is None else now.network.uplink.state,
    ),
    "drift_severity": (
        "How bad the drift is",
        tuple(Severity),
        lambda now: None if now.drift.severity is None else now.drift.severity.value,
    ),
}
