"""The node's side of the timed dialect, as a pure state machine: the virtual node runs it, and `firmware_bridge/` is its twin in C.

    bytes, node time ─► receive ─► queue ─► next_fire / fire ─► light
                            └────► data_to_send ─► bytes

The owner (one thread) calls `receive` with the node's counter read right after the bytes came, `fire` at `next_fire()`, and writes what
`data_to_send` returns with the counter read right before the write. Nothing here reads a clock or raises for what comes in.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import (
    Ack,
    AckResult,
    Beats,
    Blackout,
    Config,
    Fate,
    Fired,
    GetStats,
    Hello,
    HelloAck,
    Log,
    Message,
    OtherMajor,
    Ping,
    Pong,
    Stats,
    WireBeat,
    WireReport,
    parse,
)
from k1edge.link.node.flash_queue import FAR_US, Flash, FlashQueue
from k1edge.link.node.reports import NodeIdentity, Tellings
from k1edge.timebase import NodeTime, unwrap

IDLE_AFTER_US = 1_500_000
"""Without a valid frame for this long the host is gone: finish what is queued, fade to idle."""

ANNOUNCE_US = 500_000
"""Pause between the announcements after a start."""

ANNOUNCEMENTS = 4
"""Announcements after a start; then silence, since the host may be talking ASCII to another program."""

REPLIES_KEPT = 8
"""Answers waiting to be sent; a host that asks faster than it reads loses the oldest."""

_U32 = 0xFFFFFFFF
SESSIONS_KEPT = 4
"""Earlier sessions whose HELLO, replayed, is not taken for a new one."""


@dataclass(slots=True)
class NodeCore:
    """One node from its start to its next reset. `started_us` is its counter at the start; `announce` sends HELLO_ACK unasked."""

    identity: NodeIdentity
    started_us: NodeTime
    announce: bool = True
    queue: FlashQueue = field(init=False)
    decoder: FrameDecoder = field(default_factory=FrameDecoder)
    session: int = 0
    """0 = no host yet"""
    refused: int = 0
    """frames with a good checksum that were not taken"""
    config: Config = field(default_factory=Config)
    """what the host asked for last"""
    period_us: int = 0
    """beat period of the newest BEATS, for effects between flashes; 0 = none"""
    _nonce: int = 0
    """of the session's HELLO"""
    _past: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SESSIONS_KEPT))
    """(session, nonce) of the sessions before"""
    _revision: int = 0
    """newest BEATS or BLACKOUT taken"""
    _heard_us: int | None = None
    """when the last valid frame of the session came"""
    _seq: int = 0
    """of the next frame out"""
    _replies: deque[Callable[[NodeTime], Message]] = field(default_factory=lambda: deque(maxlen=REPLIES_KEPT))
    """answers to send, each made when it leaves: a PONG's t3, uptimes and totals are of then"""
    _log: Log | None = None
    """to send; waits for a session, since nobody reads what is said outside of one"""
    _tellings: Tellings = field(default_factory=Tellings)
    """verdicts still to be told"""
    _announced: int = 0
    """announcements sent or slept through"""

    def __post_init__(self) -> None:
        self.queue = FlashQueue(self.identity.led_tx_us, self.identity.queue_depth)

    def receive(self, data: bytes, now: NodeTime) -> None:
        """Take bytes that had arrived at `now`, in any chunking."""
        for frame in self.decoder.receive(data):
            message = parse(frame)
            if isinstance(message, Hello):
                taken = self._hello(frame, message)
            elif isinstance(message, OtherMajor):
                taken = self._other_major(frame, message)
            elif isinstance(message, str) or frame.session != self.session or self.session == 0:
                taken = False
            else:
                taken = self._take(message, frame, now)
            if taken:
                self._heard_us = now
            else:
                self.refused += 1

    def next_fire(self) -> NodeTime | None:
        """When to call `fire`; None = nothing queued."""
        return self.queue.next_fire()

    def fire(self, now: NodeTime) -> list[Flash]:
        """The flashes to send to the LEDs right now; what came too late ends as missed."""
        flashes = self.queue.fire(now)
        self._collect()
        return flashes

    def next_send(self) -> NodeTime | None:
        """When `data_to_send` has something to say by itself; None = not before something happens. May lie in the past."""
        if self._replies or self._log_ready():
            return self.started_us
        telling = self._tellings.next_due()
        if telling is not None:
            return telling
        return self._announcement_due()

    def data_to_send(self, now: NodeTime) -> list[bytes]:
        """Bytes to write at once; `now` is the counter right before the write."""
        frames: list[bytes] = []
        while self._replies:
            frames.append(self._frame(self._replies.popleft()(now)))
        frames += [self._frame(Fired(tuple(self._report(report) for report in batch))) for batch in self._tellings.take(now)]
        if self._log is not None and self._log_ready():
            frames.append(self._frame(self._log))
            self._log = None
        if (due := self._announcement_due()) is not None and now >= due:
            while due is not None and now >= due:  # those slept through are not made up for
                self._announced += 1
                due = self._announcement_due()
            frames.append(self._frame(self._hello_ack(0, now)))
        return frames

    def log(self, level: int, text: str) -> None:
        """Queue a LOG for people; `level` as syslog. The newest replaces one not yet sent."""
        self._log = Log(level, text)

    def is_idle(self, now: NodeTime) -> bool:
        """True while there is no host to follow and nothing left to flash: fade to idle."""
        silent = self._heard_us is None or now - self._heard_us >= IDLE_AFTER_US
        return len(self.queue) == 0 and (self.session == 0 or silent)

    def _hello(self, frame: Frame, hello: Hello) -> bool:
        key = (frame.session, hello.nonce)
        if frame.session == 0 or key in self._past:
            return False
        if key != (self.session, self._nonce):
            self._past.append((self.session, self._nonce))
            self.session, self._nonce = key
            self._revision = self.period_us = 0
            self.queue.forget()
            self._tellings.clear()
            self._replies.clear()
        self._replies.append(lambda leaving: self._hello_ack(hello.nonce, leaving))
        return True

    def _other_major(self, frame: Frame, hello: OtherMajor) -> bool:
        if frame.type == Hello.TYPE:  # answered with our own version, so that the host can name both
            self._replies.append(lambda leaving: self._hello_ack(hello.nonce, leaving))
        return False

    def _take(self, message: Message, frame: Frame, now: NodeTime) -> bool:
        match message:
            case Ping():
                self._replies.append(lambda leaving: Pong(message.n, message.t1, self._to_wire(now), self._to_wire(leaving)))
            case Beats():
                return self._beats(message, now)
            case Blackout():
                self._acknowledge(frame, self._blackout(message))
            case Config():
                self._configure(message)
                self._acknowledge(frame, AckResult.OK)
            case GetStats():
                self._replies.append(self._stats)
            case _:
                return False
        return True

    def _acknowledge(self, frame: Frame, result: AckResult) -> None:
        self._replies.append(lambda _leaving: Ack(frame.type, frame.seq, result))

    def _configure(self, asked: Config) -> None:
        """Take what is asked for; a field at its default stays as it is."""
        as_it_is = Config()
        fields = ("brightness", "refractory_ms", "fade_ms")
        self.config = replace(self.config, **{name: value for name in fields if (value := getattr(asked, name)) != getattr(as_it_is, name)})
        if asked.refractory_ms != as_it_is.refractory_ms:
            self.queue.refractory_us = asked.refractory_ms * 1000

    def _beats(self, message: Beats, now: NodeTime) -> bool:
        if not _newer(message.revision, self._revision) or self._from_wire(message.valid_until, now) - now > FAR_US:
            return False
        beats = tuple(WireBeat(beat.id, self._from_wire(beat.t_node_us, now), beat.strength, beat.beat_in_bar) for beat in message.beats)
        if not self.queue.replace(beats, now):
            return False
        self._revision = message.revision
        self.period_us = message.period_us
        self._collect()
        return True

    def _blackout(self, message: Blackout) -> AckResult:
        if _newer(self._revision, message.revision):
            return AckResult.STALE
        self._revision = message.revision
        self.period_us = 0
        self.queue.cancel_all()
        self._collect()
        return AckResult.OK

    def _announcement_due(self) -> NodeTime | None:
        if not self.announce or self.session != 0 or self._announced >= ANNOUNCEMENTS:
            return None
        return NodeTime(self.started_us + self._announced * ANNOUNCE_US)

    def _log_ready(self) -> bool:
        return self._log is not None and self.session != 0

    def _hello_ack(self, nonce: int, now: NodeTime) -> HelloAck:
        return self.identity.hello_ack(nonce, self._uptime(now))

    def _uptime(self, now: NodeTime) -> int:
        return max(0, now - self.started_us)

    def _collect(self) -> None:
        self._tellings.add(self.queue.ends)
        self.queue.ends.clear()

    def _report(self, report: WireReport) -> WireReport:
        fired = self._to_wire(NodeTime(report.t_fired)) if report.fate in {Fate.FIRED, Fate.LATE} else 0
        return WireReport(report.id, self._to_wire(NodeTime(report.t_sched)), fired, report.flags)

    def _stats(self, now: NodeTime) -> Stats:
        seen, ends = self.decoder.counters, self.queue.totals
        return Stats(
            self._uptime(now),
            seen.frames & _U32,
            seen.bad_frames & _U32,
            seen.garbage_bytes & _U32,
            self.refused & _U32,
            ends.fired & _U32,
            ends.late & _U32,
            ends.missed & _U32,
            ends.cancelled & _U32,
            len(self.queue),
            self.queue.peak,
        )

    def _frame(self, message: Message) -> bytes:
        seq, self._seq = self._seq, (self._seq + 1) & 0xFF
        return encode(Frame(message.TYPE, self.session, seq, message.encode()))

    def _to_wire(self, time: NodeTime) -> int:
        return time & ((1 << self.identity.clock_bits) - 1)

    def _from_wire(self, time: int, now: NodeTime) -> int:
        return time if self.identity.clock_bits == 64 else unwrap(time, now, self.identity.clock_bits)


def _newer(revision: int, than: int) -> bool:
    """Serial numbers of RFC 1982 over 32 bits: right across the wrap."""
    return 0 < (revision - than) & 0xFFFFFFFF < 1 << 31
