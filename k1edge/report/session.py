"""A recorded session as series to draw and figures to tell. Pure: lines in, values out.

Per beat where the daemon has a value per beat (drift, fire error), else two samples a second: medians over 10 s do not change faster.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from k1edge.errors import PeerError
from k1edge.report.peer_table import plain
from k1edge.report.record import Entry, Header, Lines, read_entry, read_header
from k1edge.report.telemetry import BeatMessage, TelemetryMessage
from k1edge.snapshot import Alert
from k1edge.timebase import NS_PER_S

SAMPLE_S = 0.5

SILENCE_S = 3.0
"""A longer gap breaks the lines."""

MOST_DEVICES = 64
MOST_ALERTS = 1_000

SAMPLED = ("median_ms", "bpm", "confidence", "node_ppm", "audio_ppm")
NOTHING = float("nan")


@dataclass(slots=True)
class Series:
    """Values at times, in s of the session."""

    at_s: "array[float]" = field(default_factory=lambda: array("d"))
    value: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, at_s: float, value: float | None) -> None:
        """One value; None breaks the line."""
        self.at_s.append(at_s)
        self.value.append(NOTHING if value is None else value)

    def known(self) -> list[float]:
        """Without the breaks."""
        return [value for value in self.value if value == value]  # noqa: PLR0124 - what differs from itself is no number


@dataclass(slots=True)
class Span:
    """A time in one state; `lock` is `holding` or `locked`."""

    lock: Literal["locked", "holding"]
    begin_s: float
    end_s: float


@dataclass(slots=True)
class Alarm:
    """An alert in s of the session; `end_s` is None while it lasted."""

    alert: Alert
    begin_s: float
    end_s: float | None


@dataclass(slots=True)
class Device:
    """One peer.

    Attributes:
        drift_ms: per beat, + = late.
        fire_error_us: per beat.
        sampled: by name, those of `SAMPLED`; `median_ms` is the drift's over 10 s.
        beats_s: when beats were due.
        locks: spans.
        alarms: by run of the daemon and id.
        messages: read.
        lost: missing by their numbers.
        last_s: the newest message.
    """

    drift_ms: Series = field(default_factory=Series)
    fire_error_us: Series = field(default_factory=Series)
    sampled: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in SAMPLED})
    beats_s: "array[float]" = field(default_factory=lambda: array("d"))
    locks: list[Span] = field(default_factory=list)
    alarms: dict[tuple[int, int], Alarm] = field(default_factory=dict)
    messages: int = 0
    lost: int = 0
    last_s: float = 0.0
    _run: int = 0  # of the daemon
    _seq: int | None = None
    _sampled_s: float = -SAMPLE_S
    _span: Span | None = None
    _open: set[tuple[int, int]] = field(default_factory=set)  # alarms that have not ended
    _counts: dict[str, int] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Take the next message."""
        message = entry.message
        if self._seq is not None and message.seq < self._seq:
            self._run += 1
        elif self._seq is not None and message.type != "hello":
            self.lost += max(0, message.seq - self._seq - 1)
        self._seq = message.seq
        silent = self.messages > 0 and entry.at_s - self.last_s > SILENCE_S
        self.messages += 1
        if isinstance(message, BeatMessage):
            self.beats_s.append(entry.at_s + (message.due_monotonic_ns - message.monotonic_ns) / NS_PER_S)
        elif isinstance(message, TelemetryMessage):
            if silent:
                self._break()
            self._take_telemetry(entry.at_s, message)
        elif message.type == "alert":
            self._take_alert(entry.at_s, message.alert, message.monotonic_ns)
        self.last_s = entry.at_s

    def _take_telemetry(self, at_s: float, message: TelemetryMessage) -> None:
        drift = message.drift
        for name, series in (("drift_ms", self.drift_ms), ("fire_error_us", self.fire_error_us)):
            figure = getattr(drift.figures, name)
            count = figure.since_start.count
            if figure.newest is not None and count != self._counts.get(name):
                series.add(at_s, figure.newest)
            self._counts[name] = count
        for alert in message.alerts:
            self._take_alert(at_s, alert, message.monotonic_ns)
        told = {(self._run, alert.id) for alert in message.alerts}
        for key in self._open - told:  # its end was lost, or its daemon was
            self.alarms[key].end_s = at_s
        self._open &= told
        self._lock(at_s, message.lock)
        if at_s - self._sampled_s >= SAMPLE_S:
            self._sampled_s = at_s
            values = (drift.drift_ms, message.bpm, message.confidence, drift.node_drift_ppm, drift.audio_drift_ppm)
            for name, value in zip(SAMPLED, values, strict=True):
                self.sampled[name].add(at_s, value)

    def _take_alert(self, at_s: float, alert: Alert, now_ns: int) -> None:
        key = (self._run, alert.id)
        if key in self.alarms or len(self.alarms) < MOST_ALERTS:
            begin_s, end_s = (None if ns is None else at_s + (ns - now_ns) / NS_PER_S for ns in (alert.begin_ns, alert.end_ns))
            self.alarms[key] = Alarm(alert, begin_s or 0.0, end_s)
            (self._open.add if end_s is None else self._open.discard)(key)

    def _lock(self, at_s: float, lock: str) -> None:
        if self._span is not None:
            self._span.end_s = at_s
            if self._span.lock == lock:
                return
        self._span = Span("locked" if lock == "locked" else "holding", at_s, at_s) if lock in {"locked", "holding"} else None
        if self._span is not None:
            self.locks.append(self._span)

    def _break(self) -> None:
        self._span = None
        for series in self.sampled.values():
            series.add(self.last_s, None)


@dataclass(slots=True)
class Session:
    """All that was recorded.

    Attributes:
        header: of the first part.
        devices: by name, as they appear.
        strange: lines that were not understood.
        damaged: why a file could not be read to its end; None where all could.
    """

    header: Header
    devices: dict[str, Device] = field(default_factory=dict)
    strange: int = 0
    damaged: str | None = None
    begin_s: float | None = None
    end_s: float = 0.0

    def take(self, line: bytes, begin_s: float, end_s: float) -> None:
        """Take one line; what lies before `begin_s` or after `end_s` is left out."""
        try:
            entry = read_entry(line)
        except PeerError:
            self.strange += 1
            return
        if not begin_s <= entry.at_s <= end_s:
            return
        device = self.devices.get(entry.peer)
        if device is None:
            if len(self.devices) >= MOST_DEVICES:
                return
            device = self.devices[entry.peer] = Device()
        device.take(entry)
        self.begin_s = entry.at_s if self.begin_s is None else min(self.begin_s, entry.at_s)
        self.end_s = max(self.end_s, entry.at_s)


def read_session(files: Iterable[Iterable[bytes]], begin_s: float = 0.0, end_s: float = float("inf")) -> Session:
    """Read the parts of a session, each as chunks of bytes.

    Raises:
        PeerError: a file is no record.
    """
    session: Session | None = None
    for chunks in files:
        lines, headed = Lines(), False
        for chunk in chunks:
            for line in lines.feed(chunk):
                if headed and session is not None:
                    session.take(line, begin_s, end_s)
                    continue
                header, headed = read_header(line), True
                session = session or Session(header)
        if session is None or not headed:
            msg = 'it is no record of "k1edge record"'
            raise PeerError(msg)
        session.strange += lines.overlong
        session.damaged = session.damaged or lines.damaged
    if session is None:
        msg = "no file"
        raise PeerError(msg)
    return session


def figures(session: Session) -> dict[str, Any]:
    """What there is to tell, as JSON has it; null where there is no data."""
    begin_s = session.begin_s or 0.0
    return {
        "started_wall_ms": session.header.started_wall_ms + begin_s * 1e3,
        "duration_s": round(session.end_s - begin_s, 3),
        "strange_lines": session.strange,
        "damaged": session.damaged,
        "devices": {name: _told(device) for name, device in sorted(session.devices.items())},
    }


def _told(device: Device) -> dict[str, Any]:
    drift, fired = device.drift_ms.known(), device.fire_error_us.known()
    return {
        "messages": device.messages,
        "lost": device.lost,
        "restarts": device._run,  # noqa: SLF001 - its own module
        "beats": len(device.beats_s),
        "bpm_median": _rounded(median(device.sampled["bpm"].known() or [NOTHING])),
        "locked_s": _rounded(sum(span.end_s - span.begin_s for span in device.locks)),
        "drift_ms": _spread(drift),
        "fire_error_us": _spread(fired),
        "alerts": [
            {
                "severity": alarm.alert.severity, "kind": alarm.alert.kind, "reason": plain(alarm.alert.reason, 160), "attribution": alarm.alert.attribution,
                "begin_s": _rounded(alarm.begin_s), "end_s": None if alarm.end_s is None else _rounded(alarm.end_s), "worst_ms": alarm.alert.worst_ms,
            }
            for alarm in device.alarms.values()
        ],
    }  # fmt: skip


def _spread(values: list[float]) -> dict[str, float | int | None]:
    """As `snapshot.Spread`: median and worst signed, p95 of the size."""
    if not values:
        return {"median": None, "p95": None, "worst": None, "count": 0}
    sizes = sorted(map(abs, values))
    p95 = sizes[min(len(sizes) - 1, -(-95 * len(sizes) // 100) - 1)]
    return {"median": _rounded(median(values)), "p95": _rounded(p95), "worst": _rounded(max(values, key=abs)), "count": len(values)}


def _rounded(value: float) -> float | None:
    return round(value, 3) if value == value else None  # noqa: PLR0124 - what differs from itself is no number
