"""What is wrong and what was: alerts with a begin and an end. Pure; state is owned by the daemon's event loop."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from k1edge.events import Culprit, Severity
from k1edge.snapshot import Alert, AlertsStatus
from k1edge.timebase import HostTime

Kind = Literal["drift", "no_reference", "node_lost", "audio_lost"]

KEPT = 16
"""Alerts kept after their end: an evening's worth for the page; the log has them all."""

_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong now, of one kind; see `Alert`."""

    severity: Severity
    since_ns: HostTime
    reason: str
    drift_ms: float | None = None
    culprit: Culprit | None = None


class AlertBook:
    """At most one open alert of each kind."""

    def __init__(self) -> None:
        self._open: dict[Kind, Alert] = {}
        self._closed: deque[Alert] = deque(maxlen=KEPT)  # oldest first
        self._total = 0

    def note(self, kind: Kind, trouble: Trouble | None, until_ns: HostTime) -> Alert | None:
        """Open, go on with, or at `until_ns` end the alert of a kind; returns it if it began, grew more severe, or ended."""
        alert = self._open.get(kind)
        if trouble is None:
            if alert is None:
                return None
            ended = alert.model_copy(update={"end_ns": max(until_ns, alert.begin_ns)})
            del self._open[kind]
            self._closed.append(ended)
            return ended
        if alert is None:
            self._total += 1
            alert = Alert(
                id=self._total,
                kind=kind,
                severity=trouble.severity,
                begin_ns=trouble.since_ns,
                end_ns=None,
                worst_ms=trouble.drift_ms,
                attribution=trouble.culprit,
                reason=trouble.reason,
            )
            self._open[kind] = alert
            return alert
        grown = _grown(alert, trouble)
        self._open[kind] = grown
        return grown if grown.severity is not alert.severity else None

    def status(self) -> AlertsStatus:
        """All that is kept."""
        return AlertsStatus(open=tuple(sorted(self._open.values(), key=lambda a: a.id)), closed=tuple(self._closed), total=self._total)


def _grown(alert: Alert, trouble: Trouble) -> Alert:
    """The alert as the trouble has made it: the highest severity, and the worst drift with what it was put down to."""
    update: dict[str, object] = {}
    if _ORDER.index(trouble.severity) > _ORDER.index(alert.severity):
        update["severity"] = trouble.severity
    if abs(trouble.drift_ms or 0.0) > abs(alert.worst_ms or 0.0):
        update |= {"worst_ms": trouble.drift_ms, "reason": trouble.reason}
        if trouble.culprit is not None:
            update["attribution"] = trouble.culprit
    return alert.model_copy(update=update) if update else alert
