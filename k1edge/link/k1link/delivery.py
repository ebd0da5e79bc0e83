"""Stop and wait for the config class, and the pace of pings. Pure; owned by the thread that owns the dialect."""

from collections import deque
from dataclasses import dataclass, field

from k1edge.link.k1link.messages import Ack, Blackout, Config, GetStats, Hello, HelloAck, Message, Ping, Pong, Stats
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime

TRIES = 5
RTO_MIN_NS = 25 * NS_PER_MS
RTO_MAX_NS = NS_PER_S
RTO_FIRST_NS = 250 * NS_PER_MS
"""Before the first round trip: a USB hub waking up answers within 200 ms."""

REQUESTS_CAP = 4
"""Requests waiting; there are four kinds, and a newer one of a kind replaces the older."""

BURST = 32
BURST_GAP_NS = 8 * NS_PER_MS
PING_GAP_NS = 250 * NS_PER_MS
GAP_GROWTH = 1.05
"""From the burst to four a second within 5 s: the rate shows only over time, and until it does each second of age costs its error."""

GOLDEN = 0.6180339887498949
"""Multiples of it modulo 1 fill the interval evenly: of the host's ms, so that pings meet every phase of the 1 ms USB frame and of the
node's loop, which drift against it slowly; and of the gap, against slower rhythms."""

UNANSWERED_CAP = 16
"""Pings whose answer may still come."""

CROWD = 4
"""Unanswered pings of a burst that hold back the next: it would only queue behind them."""

CROWD_NS = 100 * NS_PER_MS
"""After this an unanswered ping of a burst holds nobody back: it is lost."""


LOSS_NS = NS_PER_S
LOSSES = 2
"""So many pings unanswered for between CROWD_NS and LOSS_NS say that the line loses frames; a single one happens to any."""

LOSING_GAP_NS = 25 * NS_PER_MS
"""Most between two pings while it does: of 40 a second some come through, and 2 kB a second are a fifth of the slowest line."""


@dataclass(slots=True)
class RoundTrip:
    """Retransmission timeout from measured round trips (RFC 6298)."""

    smooth_ns: float = 0.0
    spread_ns: float = 0.0

    def measured(self, trip_ns: int) -> None:
        """Take a round trip of a message that was sent once."""
        if self.smooth_ns == 0.0:
            self.smooth_ns, self.spread_ns = float(trip_ns), trip_ns / 2
        else:
            self.spread_ns += (abs(trip_ns - self.smooth_ns) - self.spread_ns) / 4
            self.smooth_ns += (trip_ns - self.smooth_ns) / 8

    def timeout_ns(self, tries: int) -> int:
        """How long to wait after the `tries`-th sending: doubled each time, 25 ms to 1 s."""
        first = RTO_FIRST_NS if self.smooth_ns == 0.0 else self.smooth_ns + 4 * self.spread_ns
        return round(min(float(RTO_MAX_NS), max(RTO_MIN_NS, first) * float(1 << max(0, tries - 1))))


Request = Hello | Config | Blackout | GetStats


@dataclass(slots=True)
class StopAndWait:
    """One request on the wire at a time; at most REQUESTS_CAP in all."""

    round_trip: RoundTrip = field(default_factory=RoundTrip)
    _waiting: deque[Request] = field(default_factory=deque)
    """first = the one under way"""
    _seqs: list[int] = field(default_factory=list)
    """frame number of each sending so far, at most TRIES"""
    _sent_ns: int = 0
    """last sending"""

    def ask(self, request: Request) -> None:
        """Queue a request; an older one of its kind is dropped, answered or not."""
        self.drop(type(request))
        if len(self._waiting) < REQUESTS_CAP:
            self._waiting.append(request)

    def drop(self, kind: type[Request]) -> None:
        """Forget the request of this kind."""
        if self._waiting and isinstance(self._waiting[0], kind):
            self._seqs.clear()
        self._waiting = deque(request for request in self._waiting if not isinstance(request, kind))

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._seqs.clear()

    def due(self, now: HostTime) -> Request | None:
        """The request to send now, or None."""
        if not self._waiting or (self._seqs and now < self._again_ns) or len(self._seqs) >= TRIES:
            return None
        return self._waiting[0]

    def failed(self, now: HostTime) -> Request | None:
        """The request that went unanswered TRIES times; the owner drops it, or all."""
        return self._waiting[0] if len(self._seqs) >= TRIES and now >= self._again_ns else None

    def sent(self, seq: int, now: HostTime) -> None:
        """The request from `due` went out as frame `seq`."""
        self._seqs.append(seq)
        self._sent_ns = now

    def answered(self, answer: Message, now: HostTime) -> bool:
        """Match an answer; True where it ends the request under way."""
        if not self._waiting or not self._seqs or not _answers(answer, self._waiting[0], self._seqs):
            return False
        if len(self._seqs) == 1:  # Karn: an answer after a repeat may belong to either
            self.round_trip.measured(now - self._sent_ns)
        self._waiting.popleft()
        self._seqs.clear()
        return True

    def next_deadline(self, now: HostTime) -> HostTime | None:
        """When `due` has something to say."""
        if not self._waiting:
            return None
        return HostTime(self._again_ns) if self._seqs else now

    @property
    def _again_ns(self) -> int:
        return self._sent_ns + self.round_trip.timeout_ns(len(self._seqs))


def _answers(answer: Message, request: Request, seqs: list[int]) -> bool:
    if isinstance(request, Hello):
        return isinstance(answer, HelloAck) and answer.nonce == request.nonce
    if isinstance(request, GetStats):
        return isinstance(answer, Stats)
    return isinstance(answer, Ack) and answer.acked == request.TYPE and answer.seq in seqs


@dataclass(slots=True)
class Pinger:
    """A burst of 32 pings, then ever fewer down to four a second, at evenly spread phases. An answer counts once."""

    _n: int = 0
    """of the next ping; never used twice on a link"""
    _burst_left: int = 0
    _gap_ns: float = BURST_GAP_NS
    """between two pings, before the phase is spread"""
    _next_ns: int | None = None
    """when the next ping is due; None = not started"""
    _unanswered: dict[int, HostTime] = field(default_factory=dict)
    """ping number: t1"""

    @property
    def bursting(self) -> bool:
        """The burst is not over."""
        return self._burst_left > 0

    def start(self, now: HostTime) -> None:
        """Begin a burst, as on a new session; older pings count as lost."""
        self._burst_left, self._gap_ns, self._next_ns = BURST, BURST_GAP_NS, now
        self._unanswered.clear()

    def stop(self) -> None:
        """Send no more."""
        self._burst_left, self._next_ns = 0, None
        self._unanswered.clear()

    def losing(self, now: HostTime) -> bool:
        """Whether the line has just lost pings or their answers."""
        return sum(CROWD_NS <= now - sent_ns < LOSS_NS for sent_ns in self._unanswered.values()) >= LOSSES

    def due(self, now: HostTime) -> bool:
        """True where a ping may go out, if nothing else wants to."""
        return self._next_ns is not None and now >= self._next_ns

    def ping(self, now: HostTime) -> Ping | None:
        """The ping that leaves at `now`; None while a burst waits for its answers."""
        phase = (self._n * GOLDEN) % 1.0
        crowd = sum(now - sent_ns < CROWD_NS for sent_ns in self._unanswered.values())
        if self._burst_left and crowd >= CROWD:
            self._next_ns = now + BURST_GAP_NS
            return None
        if self._burst_left:
            self._burst_left -= 1
        else:
            self._gap_ns = min(PING_GAP_NS, self._gap_ns * GAP_GROWTH)
        gap_ns = min(self._gap_ns, LOSING_GAP_NS) if self.losing(now) else self._gap_ns
        later_ns = now + round(gap_ns * (0.8 + 0.4 * phase))
        self._next_ns = later_ns - later_ns % NS_PER_MS + round(phase * NS_PER_MS)
        ping = Ping(self._n, now)
        self._n = (self._n + 1) & 0xFFFFFFFF
        self._unanswered[ping.n] = now
        if len(self._unanswered) > UNANSWERED_CAP:
            del self._unanswered[next(iter(self._unanswered))]
        return ping

    def answered(self, pong: Pong) -> HostTime | None:
        """The t1 of the ping that `pong` answers; None where there is no such ping (a replay, or an answer after its time)."""
        t1 = self._unanswered.get(pong.n)
        if t1 is None or t1 != pong.t1:
            return None
        del self._unanswered[pong.n]
        return t1

    def next_deadline(self) -> HostTime | None:
        """When the next ping is due."""
        return None if self._next_ns is None else HostTime(self._next_ns)
