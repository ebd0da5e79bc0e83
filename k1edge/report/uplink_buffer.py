"""What waits for the hub: every alert until it is acknowledged, the newest telemetry, a few beats. Pure; memory is bounded.

Alerts are numbered by the order in which they were put in. A new connection begins again with the oldest that is not acknowledged, so each
is delivered at least once, in order, and one that comes twice shows its number. Telemetry is worth nothing once there is newer.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from k1edge.report.telemetry import AlertMessage, BeatMessage, Message, TelemetryMessage
from k1edge.report.uplink_messages import UplinkAlert
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

MOST_ALERTS = 4096
"""Some 4 MB. A bad night makes hundreds; a daemon that makes more than this is broken, and its hub will know from the newest."""

MOST_BEATS = 32
"""As for a subscriber: what is older has passed."""

EARLY_NS = 10 * NS_PER_MS
"""A tick that comes a little early is not one too many: half the time between two at the fastest rate."""


@dataclass(slots=True)
class UplinkCounts:
    """Since the start: messages handed to the kernel, alerts that the hub acknowledged, alerts given up, telemetry and beats that a slow hub lost."""

    sent: int = 0
    acknowledged: int = 0
    dropped: int = 0
    lost: int = 0


class UplinkBuffer:
    """The order is: alerts, then beats, then telemetry.

    Args:
        restored: alerts of an earlier run that were not acknowledged; they come first, under new numbers.
        most_alerts: beyond this the oldest is given up, and counted.

    Attributes:
        counts: totals.
        asked_at: when the oldest alert that is sent and not acknowledged was sent; None without one.
    """

    def __init__(self, restored: Iterable[AlertMessage] = (), most_alerts: int = MOST_ALERTS) -> None:
        self.counts = UplinkCounts()
        self.asked_at: HostTime | None = None
        self._most_alerts = most_alerts
        self._alerts: deque[UplinkAlert] = deque()  # not acknowledged, oldest first, numbered without a gap
        self._newest = 0  # number of the newest alert there ever was
        self._sent = 0  # and of the newest that this connection was sent
        self._beats: deque[BeatMessage] = deque()
        self._telemetry: TelemetryMessage | None = None
        self._period_ns = 0  # between telemetry messages; 0 = every one
        self._due = HostTime(0)  # no telemetry before this
        self._wants_beats = False
        for alert in restored:
            self._put_alert(alert)

    @property
    def waiting(self) -> int:
        """Alerts that are not acknowledged."""
        return len(self._alerts)

    @property
    def oldest(self) -> int:
        """Number of the oldest alert that waits; where none does, the next one's."""
        return self._newest + 1 - len(self._alerts)

    def __iter__(self) -> Iterator[UplinkAlert]:
        """The alerts that wait, oldest first."""
        return iter(self._alerts)

    def connect(self) -> None:
        """Begin a connection: whatever an earlier one was sent counts as lost unless it was acknowledged; its wishes are forgotten."""
        self._sent = self.oldest - 1
        self.asked_at = None
        self._beats.clear()
        self._telemetry, self._period_ns, self._due, self._wants_beats = None, 0, HostTime(0), False

    def want(self, rate_hz: float, *, beats: bool) -> None:
        """Send telemetry no more often than this, and beats or none."""
        self._period_ns, self._wants_beats = round(NS_PER_S / rate_hz), beats
        self._due = HostTime(0)

    def put(self, message: Message, now: HostTime) -> None:
        """Take what the daemon publishes."""
        if isinstance(message, AlertMessage):
            self._put_alert(message)
        elif isinstance(message, TelemetryMessage):
            if now + EARLY_NS >= self._due:
                self._due = HostTime((self._due if now - self._due < self._period_ns else now) + self._period_ns)
                self.counts.lost += self._telemetry is not None
                self._telemetry = message
        elif isinstance(message, BeatMessage) and self._wants_beats:
            if len(self._beats) >= MOST_BEATS:
                self._beats.popleft()
                self.counts.lost += 1
            self._beats.append(message)

    def take(self, now: HostTime) -> UplinkAlert | BeatMessage | TelemetryMessage | None:
        """What to send next; None = nothing for the moment."""
        message: UplinkAlert | BeatMessage | TelemetryMessage | None
        if self._sent < self._newest:
            message = self._alerts[self._sent + 1 - self.oldest]
            self._sent = message.alert_seq
            self.asked_at = now if self.asked_at is None else self.asked_at
        elif self._beats:
            message = self._beats.popleft()
        else:
            message, self._telemetry = self._telemetry, None
        self.counts.sent += message is not None
        return message

    def acknowledge(self, alert_seq: int, now: HostTime) -> bool:
        """Take that the hub has every alert up to this one; False where it can't have."""
        if alert_seq > self._sent:
            return False
        fresh = max(0, alert_seq + 1 - self.oldest)
        for _ in range(fresh):
            self._alerts.popleft()
        self.counts.acknowledged += fresh
        if fresh:
            self.asked_at = now if self._sent >= self.oldest else None
        return True

    def _put_alert(self, alert: AlertMessage) -> None:
        self._newest += 1
        self._alerts.append(UplinkAlert.model_construct(**{**alert.__dict__, "alert_seq": self._newest}))
        if len(self._alerts) > self._most_alerts:
            self._alerts.popleft()
            self.counts.dropped += 1
            self._sent = max(self._sent, self.oldest - 1)
