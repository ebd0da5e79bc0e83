"""The one frozen, versioned picture of the whole daemon: what the status socket, the commands and later the LAN read.

Units are in the names. "No data" is null, never 0.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from k1edge.events import Culprit, Severity
from k1edge.held import TempoStatus

SNAPSHOT_VERSION = 3
"""2: drift in full (newest, last 10 s, since start; severity, attribution, alerts), clocks, the network. 3: the tempo by hand."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AudioStatus(_Frozen):
    """The sound coming in; see `audio.source.AudioHealth`."""

    state: Literal["opening", "live", "stalled", "lost", "ended"]
    reason: str | None
    device: str
    device_rate_hz: int | None
    channels: int | None
    level_dbfs: float | None
    age_ms: float | None
    drift_ppm: float | None
    clock_estimated: bool
    overrun_frames: int
    xruns: int
    bad_samples: int
    epoch: int
    reopened: int


class BeatStatus(_Frozen):
    """What the tracker holds to be true."""

    lock: Literal["unlocked", "locking", "locked", "holding"]
    bpm: float | None
    beat_phase: float | None
    beat_index: int | None
    beat_in_bar: int | None
    bar_confidence: float | None = None
    confidence: float
    committed: int


class NodeStatus(_Frozen):
    """One node. `timing` is "untimed" where the dialect carries no timestamps: then no flash accuracy is claimed.

    | state        | timed dialect (k1link)                                 | untimed dialect (trinity, its health)                          |
    |--------------|--------------------------------------------------------|----------------------------------------------------------------|
    | closed       | no port to open, or hung up; tried again               | the same; after 15 s without a reply, DISCONNECTED             |
    | identifying  | the one ASCII question is out                          | the same                                                       |
    | handshake    | HELLO is out; or a reset, a stepped clock began anew   | OPEN_NO_RX: no reply since it was identified or began anew     |
    | syncing      | the first burst of pings                               |                                                                |
    | ready        | beats are told, clock and flashes reported             | RX_HEALTHY: replies come, beats are told                       |
    | degraded     | no answer for 2 s; a clock that stands still or steps  | RX_STALE: no reply for 5 s; RX_MALFORMED: replies are no JSON; or it refuses to start |
    | incompatible | another major version; no frame is sent                |                                                                |
    | unrecognised | no K1, mute, or not the pinned one; slow tries         | the same                                                       |

    `reason` says why it is not ready, with the cure, and begins with the health's name where one is given above.
    `boot_reason` is why the node started last, `lost_frames` are gaps in its frame numbers, `stray_reports` its words on beats that had ended
    (each end is told three times: most are repeats). Counters are totals since the daemon started. `kept_text` is its newest text that was no
    message, printable, at most 1 KiB of UTF-8, `unknown_replies` what was not understood, by kind, `dropped` the writes that it did not read.
    """

    port: str
    state: Literal["closed", "identifying", "handshake", "syncing", "ready", "degraded", "incompatible", "unrecognised"]
    reason: str | None
    dialect: str | None
    timing: Literal["timed", "untimed"] | None
    unique_id: str | None
    firmware: str | None
    led_count: int | None
    boot_reason: str | None
    offset_bound_us: float | None
    sync_error_us: float | None
    node_drift_ppm: float | None
    pings: int | None
    sent: int
    fired: int
    late: int
    missed: int
    cancelled: int
    pending: int
    frames_in: int
    frames_out: int
    bad_frames: int
    lost_frames: int
    stray_reports: int
    garbage_bytes: int
    unknown_replies: dict[str, int]
    dropped: int
    kept_text: str | None
    resets: int
    reopened: int


class Spread(_Frozen):
    """`median` and `worst` (the one of the largest size) are signed, `p95` is of the size; null where `count` is 0."""

    median: float | None
    p95: float | None
    worst: float | None
    count: int


class Figure(_Frozen):
    """One quantity of drift/. `newest` is null where it is older than 10 s; median and p95 since the start are right within 1 %."""

    newest: float | None
    last_10s: Spread
    since_start: Spread


class DriftFigures(_Frozen):
    """Each field of `DriftStatus` that is a number, in full and under the same name.

    The first three have a value per beat, the others some three a second.
    """

    drift_ms: Figure
    beat_residual_ms: Figure
    fire_error_us: Figure
    sync_error_us: Figure
    offset_bound_us: Figure
    node_drift_ppm: Figure
    audio_drift_ppm: Figure


class DriftStatus(_Frozen):
    """How far the light is from the music: signed, + = late or fast, medians over the last 10 s; null without data, never 0.

    `reason` says in words why `drift_ms` is null. `severity` is null where there is nothing to judge; `attribution` is null while it is ok,
    and where nothing explains it.
    """

    severity: Severity | None
    attribution: Culprit | None
    reason: str | None
    drift_ms: float | None
    drift_ref: Literal["onset", "map"] | None
    beat_residual_ms: float | None
    fire_error_us: float | None
    sync_error_us: float | None
    offset_bound_us: float | None
    node_drift_ppm: float | None
    audio_drift_ppm: float | None
    figures: DriftFigures


class Alert(_Frozen):
    """Something that was wrong from `begin_ns` to `end_ns` (host clock; null while it lasts).

    `id` grows by one with every alert of this run of the daemon. `severity` is the highest it has reached; `worst_ms` the worst running
    drift, null for other kinds.
    """

    id: int
    kind: Literal["drift", "no_reference", "node_lost", "audio_lost"]
    severity: Severity
    begin_ns: int
    end_ns: int | None
    worst_ms: float | None
    attribution: Culprit | None
    reason: str


class AlertsStatus(_Frozen):
    """What is wrong, and what was: `open` and the newest 16 `closed`, each oldest first; `total` since the start."""

    open: tuple[Alert, ...]
    closed: tuple[Alert, ...]
    total: int


class ClocksStatus(_Frozen):
    """Which clock moved. `attribution` is whose the newest change was, for 10 minutes; `event` says what happened at `event_ns` (host clock).

    `host_slew_ppm` is CLOCK_MONOTONIC against CLOCK_MONOTONIC_RAW: what NTP does to the host. `rates_known` counts remembered nodes.
    """

    attribution: Culprit | None
    event: str | None
    event_ns: int | None
    host_slew_ppm: float | None
    rates_known: int


class LatencyStatus(_Frozen):
    """Each delay by its own name, and the sum of those that lie between the sound and the earliest possible flash."""

    capture_ms: float | None
    window_ms: float
    lead_ms: float
    transport_ms: float | None
    led_tx_ms: float | None
    offset_ms: float
    total_ms: float | None


class PeerStatus(_Frozen):
    """Another k1edge, or a hub, as it tells of itself by multicast DNS, or as `network.peers` names it ("static"). None of it is proven.

    `instance` is unique among those listed. `addresses` are in the order to try them, a link-local one with its zone; those of a static peer
    may be a name. `age_s` is since it was heard last. What nobody has told is null.
    """

    instance: str
    name: str
    id: str | None
    addresses: tuple[str, ...]
    port: int
    path: str
    tls: bool
    proto: str | None
    version: str | None
    source: Literal["mdns", "static"]
    age_s: float | None


class UplinkStatus(_Frozen):
    """The hub we push telemetry to. A slow one `lost` some that was not `sent`; alerts are `waiting` until `acknowledged`, or `dropped`."""

    state: Literal["searching", "connecting", "connected", "waiting"]
    url: str | None
    reason: str | None
    connected_s: float | None
    sent: int
    acknowledged: int
    waiting: int
    dropped: int
    lost: int
    ignored: int
    reconnects: int


class NetworkStatus(_Frozen):
    """What the LAN gets. `reasons` tell, with the cure, what it does not get.

    `lost` counts messages that slow subscribers did not get, `cut_off` subscribers that were closed for being slow or noisy. `announced` is the
    name under which others see us; null while they do not. `peers` are the other daemons, at most 64 heard and 64 static; `hubs` at most 8.
    """

    bind: str
    port: int | None
    tls: bool
    token: bool
    rate_hz: float
    reasons: tuple[str, ...]
    clients: int
    subscribers: int
    sent: int
    lost: int
    cut_off: int
    refused: int
    announced: str | None = None
    peers: tuple[PeerStatus, ...] = ()
    hubs: tuple[PeerStatus, ...] = ()
    uplink: UplinkStatus | None = None


class ProcessStatus(_Frozen):
    """The daemon as a process."""

    pid: int
    cpu_s: float
    rss_mb: float
    threads: int
    loop_lag_ms: float | None
    restarts: int


class Snapshot(_Frozen):
    """Everything at one moment."""

    schema_version: int = SNAPSHOT_VERSION
    id: str
    version: str
    state: Literal["starting", "running", "degraded", "stopping"]
    reasons: tuple[str, ...]
    wall_time: str
    monotonic_ns: int
    uptime_s: float
    audio: AudioStatus
    beat: BeatStatus
    node: NodeStatus | None
    drift: DriftStatus
    clocks: ClocksStatus | None = None
    alerts: AlertsStatus
    latency: LatencyStatus
    network: NetworkStatus | None = None
    tempo: TempoStatus | None = None
    process: ProcessStatus
