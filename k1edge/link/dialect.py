"""The one interface of all dialects: bytes and time in, bytes and events out (sans-IO). `session` picks the dialect, `port` moves the bytes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from k1edge.events import BeatPlan, ClockMap, FlashReport
from k1edge.timebase import HostTime


class LinkState(StrEnum):
    """The wire as people see it."""

    CLOSED = "closed"  # no port, or not to be opened; `reason` says why
    IDENTIFYING = "identifying"
    HANDSHAKE = "handshake"
    SYNCING = "syncing"  # k1link: first burst of pings
    READY = "ready"
    DEGRADED = "degraded"  # alive but not trusted: no answers, stuck clock, malformed replies
    INCOMPATIBLE = "incompatible"  # another major version
    UNRECOGNISED = "unrecognised"  # something answered, or nothing did; nothing more is sent


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """Who answered. None = the dialect does not tell. `reset_reason` is why it started: "power on", "panic", "watchdog" and so on."""

    dialect: str
    unique_id: str | None
    firmware: str | None
    boot_id: int | None
    led_count: int | None
    led_tx_us: int | None
    queue_depth: int | None
    reset_reason: str | None = None


@dataclass(frozen=True, slots=True)
class NodeIdentified:
    """A node told who it is."""

    info: NodeInfo


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The link's state changed."""

    state: LinkState
    reason: str | None


@dataclass(frozen=True, slots=True)
class ClockUpdated:
    """A new fit of the node's clock."""

    clock: ClockMap


@dataclass(frozen=True, slots=True)
class NodeReset:
    """The node started anew; whatever it had queued is gone."""

    cause: str


@dataclass(frozen=True, slots=True)
class NodeSaid:
    """Words of the node for people, printable: a line that was no message, or with a level (syslog: 3 error to 7 debug) a log entry.

    "" where there were no words, but the bytes of a damaged frame.
    """

    text: str
    level: int | None = None


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The node's clock contradicted itself: it was `jump_us` from where it was expected, to within a round trip."""

    jump_us: int


LinkEvent = ClockStepped | NodeIdentified | StateChanged | ClockUpdated | NodeReset | NodeSaid | FlashReport


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Totals since the port was opened.

    `sent == fired + late + missed + cancelled + pending` holds at any time (k1link); an untimed dialect reports sent lines only.
    `lost_frames` are gaps in the node's frame numbers, `stray_reports` its words on beats that had ended: repeats, mostly (both k1link).
    """

    sent: int = 0
    fired: int = 0
    late: int = 0
    missed: int = 0
    cancelled: int = 0
    pending: int = 0
    frames_in: int = 0
    frames_out: int = 0
    garbage_bytes: int = 0
    bad_frames: int = 0
    resets: int = 0
    lost_frames: int = 0
    stray_reports: int = 0


class Dialect(Protocol):
    """One conversation with one node. Owned by one thread; reads no clock."""

    timed: bool
    """True when beats carry their due time and flashes are reported."""

    def receive_data(self, data: bytes, now: HostTime) -> None:
        """Take bytes that had arrived at `now` (stamped right after the read). Never raises for what they contain."""
        ...

    def data_to_send(self, now: HostTime) -> list[bytes]:
        """Bytes to write at once, each element in one write; stamped inside with `now`, so write them without delay."""
        ...

    def next_event(self) -> LinkEvent | None:
        """The oldest event not yet taken, or None."""
        ...

    def next_deadline(self) -> HostTime | None:
        """When `data_to_send` should be called again even if nothing arrives; None = not before something happens."""
        ...

    def follow(self, plan: BeatPlan | None, now: HostTime) -> None:
        """Play this from now on; None = go dark and forget what was queued."""
        ...

    def close(self, now: HostTime) -> None:
        """Queue what releases the node (blackout, stop); `data_to_send` once more, then hang up."""
        ...

    def counters(self) -> LinkCounters:
        """Totals so far."""
        ...

    def clock(self) -> ClockMap | None:
        """The newest fit; None for an untimed dialect or before the first."""
        ...
