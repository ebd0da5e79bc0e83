"""What a node tells of itself: who it is, and how each beat ended, three times over. Pure; owned by the thread that owns the node."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from k1edge.link.k1link.messages import CAP_CLOCK_32, MAJOR, MINOR, SLOTS, HelloAck, ResetReason, WireReport
from k1edge.timebase import NodeTime

RETELL_US = 120_000
"""Pause between two tellings of the same verdict: longer than the bursts that damage a line."""

TELLINGS = 3
REPORTS_KEPT = 24
"""Verdicts waiting to be told: three full queues; the oldest go first."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What HELLO_ACK tells of the node; see `messages.HelloAck` for the ranges.

    `clock_bits` is the width of times on the wire; the node core itself is always given its counter extended to 64 bits.
    """

    unique_id: bytes
    boot_id: int
    led_count: int = 160
    led_tx_us: int = 5_100  # 160 LEDs at 30 us and the latch
    firmware: str = "k1edge virtual"
    reset_reason: int = ResetReason.POWER_ON
    queue_depth: int = 8
    clock_bits: int = 64
    major: int = MAJOR
    minor: int = MINOR

    def hello_ack(self, nonce: int, uptime_us: int) -> HelloAck:
        """Answer the HELLO that carried `nonce`; 0 = unasked."""
        return HelloAck(
            nonce,
            self.boot_id,
            uptime_us,
            self.unique_id,
            self.led_tx_us,
            self.reset_reason,
            self.queue_depth,
            led_count=self.led_count,
            capabilities=CAP_CLOCK_32 if self.clock_bits == 32 else 0,
            firmware=self.firmware,
            major=self.major,
            minor=self.minor,
        )


@dataclass(slots=True)
class _Telling:
    report: WireReport
    told: int = 0


@dataclass(slots=True)
class Tellings:
    """Verdicts that are still to be told, each TELLINGS times, at most REPORTS_KEPT."""

    _waiting: deque[_Telling] = field(default_factory=lambda: deque(maxlen=REPORTS_KEPT))
    """told less than TELLINGS times, oldest first"""
    _retell_us: int = 0
    """no verdict is repeated by itself before this"""

    def add(self, reports: Iterable[WireReport]) -> None:
        """Queue new verdicts."""
        self._waiting.extend(_Telling(report) for report in reports)

    def clear(self) -> None:
        """Forget all: their session is over."""
        self._waiting.clear()

    def next_due(self) -> NodeTime | None:
        """When `take` returns something; None = not before `add`."""
        if not self._waiting:
            return None
        return NodeTime(0 if any(telling.told == 0 for telling in self._waiting) else self._retell_us)

    def take(self, now: NodeTime) -> list[tuple[WireReport, ...]]:
        """The reports to send now, one tuple of at most SLOTS a frame: all that are new, older ones along with them."""
        batches: list[tuple[WireReport, ...]] = []
        while (due := self.next_due()) is not None and now >= due:
            batch = sorted(self._waiting, key=lambda telling: telling.told)[:SLOTS]
            for telling in batch:
                telling.told += 1
            batches.append(tuple(telling.report for telling in batch))
            self._retell_us = now + RETELL_US
            self._waiting = deque((telling for telling in self._waiting if telling.told < TELLINGS), maxlen=REPORTS_KEPT)
        return batches
