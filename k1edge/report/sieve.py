"""How much of what strangers send is looked at: a bucket of bytes for each sender, and one for all. Pure: the time is an argument."""

from dataclasses import dataclass, field

from k1edge.timebase import NS_PER_S, HostTime

PACKET_COST_BYTES = 300
"""What a packet costs however small it is."""

MOST_PACKET_BYTES = 4_096
"""RFC 6762 allows 9000; what hosts send fits 1500."""

MOST_SENDERS = 64


@dataclass(slots=True)
class Bucket:
    """Fills at `rate` bytes a second up to `size`; begins full."""

    rate: float
    size: float
    level: float = field(init=False)
    at_ns: int = 0

    def __post_init__(self) -> None:
        self.level = self.size

    def fill(self, now: HostTime) -> None:
        """Let in what has come since the last call."""
        self.level = min(self.size, self.level + max(0, now - self.at_ns) * self.rate / NS_PER_S)
        self.at_ns = now


class Sieve:
    """Decides packet by packet.

    A sender's share is a quarter of all, so that one that floods does not silence the others; more senders than `MOST_SENDERS` at a time
    share what is left with whoever came longest ago.

    Args:
        rate: bytes a second that are looked at, of everybody together.
        burst_s: how many seconds' worth may come at once.

    Attributes:
        dropped: packets that were not looked at.
    """

    def __init__(self, rate: float = 96_000.0, burst_s: float = 2.0) -> None:
        self.dropped = 0
        self._rate, self._burst_s = rate, burst_s
        self._all = Bucket(rate, rate * burst_s)
        self._senders: dict[str, Bucket] = {}  # oldest first

    def admits(self, sender: str, size: int, now: HostTime) -> bool:
        """Whether to look at a packet of `size` bytes from `sender`, an address."""
        share = self._senders.get(sender)
        if share is None:
            if len(self._senders) >= MOST_SENDERS:
                del self._senders[next(iter(self._senders))]
            share = self._senders[sender] = Bucket(self._rate / 4, self._rate * self._burst_s / 4)
        cost = size + PACKET_COST_BYTES
        for bucket in (share, self._all):
            bucket.fill(now)
        if size > MOST_PACKET_BYTES or min(share.level, self._all.level) < cost:
            self.dropped += 1
            return False
        share.level -= cost
        self._all.level -= cost
        return True
