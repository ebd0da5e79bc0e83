"""Where telemetry is made, and handed to whoever listens inside the daemon: the WebSocket fan-out, the uplink, the metrics.

Owned by the event loop; reads no clock: the times are arguments. Nothing is made while nobody listens.
"""

from collections.abc import Callable

import structlog

from k1edge.events import Beat
from k1edge.report.telemetry import AlertMessage, BeatMessage, HostSigns, Message, telemetry_of, wall_ms_at
from k1edge.snapshot import Alert, Snapshot
from k1edge.timebase import NS_PER_MS, HostTime

log = structlog.get_logger(__name__)

Listener = Callable[[Message], None]


class Feed:
    """Numbers messages and hands them out.

    A listener is called on the event loop and has to be quick. One that raises is named in the log and never called again: a fault of one
    must not cost the others, nor a beat.

    Args:
        identity: id of this daemon.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.seq = 0  # of the newest message
        self.signs = HostSigns()  # the newest
        self.failures: dict[str, str] = {}  # listeners that raised, and what
        self._open: set[int] = set()  # alerts that began and have not ended
        self._listeners: dict[Listener, bool] = {}  # and whether it wants more than alerts

    def listen(self, listener: Listener, *, alerts_only: bool = False) -> Callable[[], None]:
        """Call `listener` with every message from now on, or with alerts alone; returns what ends that, which may be called twice.

        One that listens already changes what it wants.
        """
        self._listeners[listener] = not alerts_only

        def end() -> None:
            self._listeners.pop(listener, None)

        return end

    @property
    def wanted(self) -> bool:
        """Whether anybody listens to more than alerts."""
        return any(self._listeners.values())

    def telemetry(self, snapshot: Callable[[], Snapshot], wall_ns: int) -> None:
        """Publish the picture of this moment; `wall_ns` is Unix time now."""
        if self.wanted:
            self._publish(telemetry_of(snapshot(), self._next(), wall_ns, self.signs))

    def beat(self, beat: Beat, due: HostTime, offset_ms: float, now: HostTime, wall_ns: int) -> None:
        """Publish a committed beat; `due` is when its light shall be seen."""
        if not self.wanted:
            return
        wall_ms = wall_ns / NS_PER_MS
        self._publish(
            BeatMessage(
                id=self.identity,
                seq=self._next(),
                wall_ms=wall_ms,
                monotonic_ns=now,
                due_wall_ms=wall_ms_at(due, now, wall_ms),
                due_monotonic_ns=due,
                beat_index=beat.index,
                beat_in_bar=beat.beat_in_bar,
                bar_confidence=beat.bar_confidence,
                bpm=beat.bpm,
                confidence=beat.confidence,
                strength=beat.strength,
                offset_ms=offset_ms,
            )
        )

    def alert(self, alert: Alert, now: HostTime, wall_ns: int) -> None:
        """Publish that an alert began, grew more severe, or ended."""
        event = "end" if alert.end_ns is not None else "grow" if alert.id in self._open else "begin"
        (self._open.discard if event == "end" else self._open.add)(alert.id)
        if self._listeners:
            stamp = {"id": self.identity, "seq": self._next(), "wall_ms": wall_ns / NS_PER_MS, "monotonic_ns": now}
            self._publish(AlertMessage.model_validate({**stamp, "event": event, "alert": alert}))

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _publish(self, message: Message) -> None:
        for listener, wants_all in tuple(self._listeners.items()):
            if not wants_all and not isinstance(message, AlertMessage):
                continue
            try:
                listener(message)
            except Exception as error:
                name = getattr(listener, "__qualname__", repr(listener))
                log.exception("a listener of the telemetry failed; it gets no more", listener=name)
                self.failures[name] = f"{type(error).__name__}: {error}"
                self._listeners.pop(listener, None)
