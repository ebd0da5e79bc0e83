"""One peer as its telemetry shows it. Pure: frames and times are arguments. Owned by the event loop of the command that watches.

Bounded whatever the peer sends: its newest telemetry, and counts.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from k1edge.errors import PeerError
from k1edge.report.intake import Received, unpack
from k1edge.report.telemetry import BeatMessage, HelloMessage, TelemetryMessage
from k1edge.timebase import NS_PER_S, HostTime

SILENT_S = 3.0
"""A daemon that runs says something ten times a second."""


class Presence(StrEnum):
    """Whether a peer is there."""

    CONNECTING = "connecting"  # never reached so far
    LIVE = "live"
    SILENT = "silent"  # connected, but nothing has come for `SILENT_S`: crashed, frozen, or its goodbye was lost
    LOST = "lost"  # was there, is tried again
    GONE = "gone"  # was there, said goodbye or was not heard for too long


@dataclass(slots=True)
class Watched:
    """What is known of one peer.

    Attributes:
        name: as people call it, printable.
        listed: False when nobody tells of it any more.
        connected: now.
        reason: why it can't be reached; None while it can.
        newest: telemetry.
        newest_ns: when the newest message came.
        messages: understood.
        received_bytes: of all frames.
        beats: told.
        lost: messages missing by their numbers, within connections.
        strange: frames that were not understood.
        why_strange: the newest of those.
        connections: made so far.
        restarts: of the daemon, as far as its numbers tell.
    """

    name: str
    listed: bool = True
    connected: bool = False
    reason: str | None = None
    newest: TelemetryMessage | None = None
    newest_ns: HostTime | None = None
    messages: int = 0
    received_bytes: int = 0
    beats: int = 0
    lost: int = 0
    strange: int = 0
    why_strange: str | None = None
    connections: int = 0
    restarts: int = 0
    _connected_ns: HostTime = field(default=HostTime(0))
    _seq: int | None = None

    def connect(self, now: HostTime) -> None:
        """A connection was made."""
        self.connected, self.reason = True, None
        self.connections += 1
        self._connected_ns = now

    def disconnect(self, reason: str) -> None:
        """It was lost, or could not be made."""
        self.connected, self.reason = False, reason

    def take(self, frame: bytes, now: HostTime) -> Received | None:
        """Take a frame that came at `now`; None when it is not understood."""
        self.received_bytes += len(frame)
        try:
            received = unpack(frame)
        except PeerError as error:
            self.strange += 1
            self.why_strange = str(error)
            return None
        message = received.message
        self._number(message.seq, first=isinstance(message, HelloMessage))
        self.messages += 1
        self.newest_ns = now
        self.beats += isinstance(message, BeatMessage)
        if isinstance(message, TelemetryMessage):
            self.newest = message
        return received

    def age_s(self, now: HostTime) -> float | None:
        """Of the newest message; None before there was one."""
        return None if self.newest_ns is None else max(0.0, (now - self.newest_ns) / NS_PER_S)

    def presence(self, now: HostTime) -> Presence:
        """Whether it is there at `now`."""
        if not self.connected:
            never = self.newest_ns is None
            return Presence.CONNECTING if never else Presence.LOST if self.listed else Presence.GONE
        since = max(self._connected_ns, self.newest_ns or HostTime(0))
        return Presence.SILENT if now - since > SILENT_S * NS_PER_S else Presence.LIVE

    def _number(self, seq: int, *, first: bool) -> None:
        """Count what is missing; what others heard while we were away is not counted."""
        before, self._seq = self._seq, seq
        if before is None or (first and seq >= before):
            return
        if seq <= before:
            self.restarts += 1
        else:
            self.lost += seq - before - 1
