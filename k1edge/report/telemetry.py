"""What the LAN is told, message by message. docs/telemetry.md explains it, docs/telemetry.schema.json is made from these models.

Each message stands alone: who, its number, and both clocks at one moment, so that a receiver can map any host time to the wall clock and back.
`null` means no data, never 0. Pure: the times are arguments. Fields may be added within a `schema_version`; none changes its meaning.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from k1edge.held import TempoStatus
from k1edge.snapshot import Alert, DriftStatus, Snapshot
from k1edge.timebase import NS_PER_MS, HostTime

SCHEMA_VERSION: Literal[1] = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stamp(_Frozen):
    """Who says it, which message it is, and when: `wall_ms` and `monotonic_ns` are the same moment on two clocks.

    A message that does not follow the one before by 1 in `seq` tells that some were lost. `seq` starts anew with the daemon.
    """

    id: str
    seq: Annotated[int, Field(ge=0)]
    wall_ms: Annotated[float, Field(description="Unix time in ms; may step")]
    monotonic_ns: Annotated[int, Field(description="CLOCK_MONOTONIC of the host; never steps, starts anew with the host")]


class _Message(Stamp):
    schema_version: Literal[1] = SCHEMA_VERSION


class HelloMessage(_Message):
    """The first message to every subscriber; `seq` is that of the newest message, which went out before."""

    type: Literal["hello"] = "hello"
    version: str
    rate_hz: float


class BeatMessage(_Message):
    """A committed beat, sent ahead of its time; it is never withdrawn or moved. `due` is when its light shall be seen, `offset_ms` in it."""

    type: Literal["beat"] = "beat"
    due_wall_ms: float
    due_monotonic_ns: int
    beat_index: int
    beat_in_bar: int | None
    bar_confidence: float | None = None
    bpm: float
    confidence: float
    strength: float
    offset_ms: float


class AlertMessage(_Message):
    """An alert begins, grows more severe, or ends."""

    type: Literal["alert"] = "alert"
    event: Literal["begin", "grow", "end"]
    alert: Alert


class LinkTelemetry(_Frozen):
    """The node and its clock, of `snapshot.NodeStatus`."""

    state: str
    reason: str | None
    dialect: str | None
    timing: Literal["timed", "untimed"] | None
    offset_bound_us: float | None
    sync_error_us: float | None
    node_drift_ppm: float | None
    fired: int
    late: int
    missed: int
    resets: int
    reopened: int


class AudioTelemetry(_Frozen):
    """The sound coming in, of `snapshot.AudioStatus`."""

    state: str
    reason: str | None
    level_dbfs: float | None
    age_ms: float | None
    audio_drift_ppm: float | None
    clock_estimated: bool
    overrun_frames: int
    xruns: int
    epoch: int
    reopened: int


class TelemetryMessage(_Message):
    """Everything at one moment. `beat_phase` is 0 on the beat; `cpu_share` is of one core, over the last second; `alerts` are the open ones.

    `offset_ms` is what people add to every flash: the configured offset and the nudge.
    """

    type: Literal["telemetry"] = "telemetry"
    state: Literal["starting", "running", "degraded", "stopping"]
    reasons: tuple[str, ...]
    uptime_s: float
    lock: Literal["unlocked", "locking", "locked", "holding"]
    bpm: float | None
    beat_phase: float | None
    beat_index: int | None
    beat_in_bar: int | None
    bar_confidence: float | None = None
    confidence: float
    tempo: TempoStatus | None = None
    drift: DriftStatus
    link: LinkTelemetry | None
    audio: AudioTelemetry
    latency_ms: float | None
    offset_ms: float
    cpu_share: float | None
    rss_mb: float
    loop_lag_ms: float | None
    temperature_c: float | None
    alerts: tuple[Alert, ...]


Message = HelloMessage | TelemetryMessage | BeatMessage | AlertMessage

MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
"""Parses any of them."""


class HostSigns(_Frozen):
    """What the host shows of itself, sampled once a second: CPU of this process (1 = one core), the hottest thermal zone."""

    cpu_share: float | None = None
    temperature_c: float | None = None


def telemetry_of(snapshot: Snapshot, seq: int, wall_ns: int, signs: HostSigns) -> TelemetryMessage:
    """The message that a snapshot makes; `wall_ns` is Unix time at `snapshot.monotonic_ns`."""
    beat, process = snapshot.beat, snapshot.process
    return TelemetryMessage(
        id=snapshot.id,
        seq=seq,
        wall_ms=wall_ns / NS_PER_MS,
        monotonic_ns=snapshot.monotonic_ns,
        state=snapshot.state,
        reasons=snapshot.reasons,
        uptime_s=snapshot.uptime_s,
        lock=beat.lock,
        bpm=beat.bpm,
        beat_phase=beat.beat_phase,
        beat_index=beat.beat_index,
        beat_in_bar=beat.beat_in_bar,
        bar_confidence=beat.bar_confidence,
        confidence=beat.confidence,
        tempo=snapshot.tempo,
        drift=snapshot.drift,
        link=_link(snapshot),
        audio=_audio(snapshot),
        latency_ms=snapshot.latency.total_ms,
        offset_ms=snapshot.latency.offset_ms + (0.0 if snapshot.tempo is None else snapshot.tempo.nudge_ms),
        cpu_share=signs.cpu_share,
        rss_mb=process.rss_mb,
        loop_lag_ms=process.loop_lag_ms,
        temperature_c=signs.temperature_c,
        alerts=snapshot.alerts.open,
    )


def _link(snapshot: Snapshot) -> LinkTelemetry | None:
    node = snapshot.node
    return None if node is None else LinkTelemetry(**{name: getattr(node, name) for name in LinkTelemetry.model_fields})


def _audio(snapshot: Snapshot) -> AudioTelemetry:
    audio = snapshot.audio
    same = {name: getattr(audio, name) for name in AudioTelemetry.model_fields if name != "audio_drift_ppm"}
    return AudioTelemetry(audio_drift_ppm=audio.drift_ppm, **same)


def wall_ms_at(due: HostTime, monotonic_ns: int, wall_ms: float) -> float:
    """Unix time in ms of a moment on the host's clock, by a pair of both."""
    return wall_ms + (due - monotonic_ns) / NS_PER_MS


def telemetry_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of every message, as it is sent."""
    schema = MESSAGES.json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "k1edge telemetry", **schema}
