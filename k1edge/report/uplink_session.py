"""The life with a hub that comes and goes: when to call again, when a silent one is given up, and what status says of it. Pure."""

import random
from dataclasses import dataclass
from typing import Final, Literal

from k1edge.link.backoff import Backoff
from k1edge.report.uplink_buffer import UplinkBuffer
from k1edge.report.uplink_messages import Ack, read_hub
from k1edge.snapshot import UplinkStatus
from k1edge.timebase import NS_PER_S, HostTime

FIRST_PAUSE_NS: Final = NS_PER_S
LONGEST_PAUSE_NS: Final = 30 * NS_PER_S

SILENT_NS: Final = 25 * NS_PER_S
"""A hub that was not heard for so long is gone: two pings, 10 s apart, went without an answer. One that takes nothing for so long, too."""

UNANSWERED_NS: Final = 30 * NS_PER_S
"""An alert not acknowledged for so long has to be told again, over a new connection."""

WELL_NS: Final = LONGEST_PAUSE_NS
"""A connection that lasted this long was a good one: the next pause is short again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a connection ended or never came about, with the cure. `slow`: trying again soon is no use."""

    reason: str
    slow: bool = False


class UplinkSession:
    """One hub at a time.

    Args:
        buffer: what it is to get.
        rng: jitter, so that a hundred daemons do not come back to a restarted hub in one instant.

    Attributes:
        buffer: as given.
    """

    def __init__(self, buffer: UplinkBuffer, rng: random.Random) -> None:
        self.buffer = buffer
        self._rng = rng
        self._backoff = Backoff(rng, FIRST_PAUSE_NS, LONGEST_PAUSE_NS)
        self._state: Literal["searching", "connecting", "connected", "waiting"] = "searching"
        self._url: str | None = None
        self._reason: str | None = None
        self._connections = 0
        self._ignored = 0  # messages of the hub that were not understood
        self._connected_ns = HostTime(0)
        self._heard_ns = HostTime(0)
        self._stuck_ns: HostTime | None = None  # since when the hub takes nothing

    def search(self, reason: str) -> None:
        """There is nobody to call."""
        self._state, self._url, self._reason = "searching", None, reason

    def call(self, url: str) -> None:
        """Begin to connect. The reason of the last failure stands until this one is well."""
        self._state, self._url = "connecting", url

    def open(self, now: HostTime) -> None:
        """The hub has accepted."""
        self._state, self._reason = "connected", None
        self._connected_ns = self._heard_ns = now
        self._stuck_ns = None
        self._connections += 1
        self.buffer.connect()

    def sign(self, now: HostTime) -> None:
        """Take that the hub lives: something came from it."""
        self._heard_ns = now

    def hear(self, data: bytes, now: HostTime) -> None:
        """Take one message of the hub. What makes no sense is counted: a newer hub may say more than we know."""
        message = read_hub(data)
        if message is None:
            self._ignored += 1
        elif not isinstance(message, Ack):
            self.buffer.want(message.rate_hz, beats=message.beats)
        elif self.buffer.acknowledge(message.alert_seq, now):
            self._backoff.reset()
        else:
            self._ignored += 1

    def ignore(self) -> None:
        """Count a frame that is no message."""
        self._ignored += 1

    def stall(self, now: HostTime) -> None:
        """The kernel takes no more: the hub does not read."""
        self._stuck_ns = now

    def resume(self) -> None:
        """The hub reads again."""
        self._stuck_ns = None

    def fault(self, now: HostTime) -> Fault | None:
        """What is wrong with the connection by `now`; None while it is well."""
        asked_at = self.buffer.asked_at
        if self._stuck_ns is not None and now - self._stuck_ns > SILENT_NS:
            return Fault("the hub does not read what it is sent; look whether it is overloaded")
        if now - self._heard_ns > SILENT_NS:
            return Fault("the hub has fallen silent; look whether it runs and can be reached")
        if asked_at is not None and now - asked_at > UNANSWERED_NS:
            return Fault("the hub acknowledges no alert; they are sent again. Look into its log", slow=True)
        return None

    def close(self, fault: Fault, now: HostTime) -> int:
        """The connection is over, or did not come about; returns the pause before the next call, in ns."""
        if self._state == "connected" and now - self._connected_ns >= WELL_NS:
            self._backoff.reset()
        self._state, self._reason = "waiting", fault.reason
        pause_ns = self._backoff.next_ns(slow=fault.slow)
        return min(LONGEST_PAUSE_NS, pause_ns + self._rng.randrange(FIRST_PAUSE_NS))

    def status(self, now: HostTime) -> UplinkStatus:
        """For the snapshot."""
        counts, connected = self.buffer.counts, self._state == "connected"
        return UplinkStatus(
            state=self._state,
            url=self._url,
            reason=self._reason,
            connected_s=(now - self._connected_ns) / NS_PER_S if connected else None,
            sent=counts.sent,
            acknowledged=counts.acknowledged,
            waiting=self.buffer.waiting,
            dropped=counts.dropped,
            lost=counts.lost,
            ignored=self._ignored,
            reconnects=max(0, self._connections - 1),
        )
