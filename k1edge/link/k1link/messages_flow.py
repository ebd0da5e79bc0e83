"""Messages of the beats, clock and report classes: BEATS, PING, PONG, FIRED, STATS, LOG; the rules that hold for all are in `messages`."""

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import ClassVar, NamedTuple, Self

from k1edge.link.k1link.framing import MAX_PAYLOAD
from k1edge.link.k1link.messages_setup import SLOTS, TIME_LIMIT, require

MIN_PERIOD_US = 200_000  # 300 bpm
MAX_PERIOD_US = 2_000_000  # 30 bpm
MAX_BEAT_IN_BAR = 16

_BEAT = struct.Struct("<IQBB")
_REPORT = struct.Struct("<IQQB")


class Fate(IntFlag):
    """FIRED.flags of one report; FIRED = no bit set. LATE, MISSED and CANCELLED exclude each other."""

    FIRED = 0
    LATE = 1  # fired up to 10 ms after its time
    MISSED = 2  # came or was due too late; not fired
    CANCELLED = 4  # withdrawn by a newer revision, a blackout or a new session; not fired
    REFRACTORY = 8  # with CANCELLED: too close after the flash before it


_VERDICTS = (Fate.FIRED, Fate.LATE, Fate.MISSED, Fate.CANCELLED, Fate.CANCELLED | Fate.REFRACTORY)


class WireBeat(NamedTuple):
    """One slot of BEATS: u32 id, u64 t_node_us (the LED latch), u8 strength, u8 beat_in_bar (1 = downbeat, 0 = unknown); 14 bytes."""

    id: int
    t_node_us: int
    strength: int
    beat_in_bar: int


@dataclass(frozen=True, slots=True)
class Beats:
    """0x10 BEATS, never resent: all that is to flash from now on, the next beat first; it replaces what the node had queued.

    Queued beats that are not named are withdrawn, and named ones moved, up to 30 ms before their time; after that they stand.

    | offset | type     | field         |                                                                         |
    |--------|----------|---------------|-------------------------------------------------------------------------|
    | 0      | u32      | revision      | grows with every BEATS of the session; an older or equal one is ignored |
    | 4      | u32      | period_us     | beat period, 200000 to 2000000; 0 = no grid                             |
    | 8      | u64      | valid_until   | node time after which the grid must not be continued                    |
    | 16     | u8       | count         | slots in use, 0 to 3; 0 withdraws everything                            |
    | 17     | 14 bytes | beat[3]       | always three; WireBeat, unused ones 0                                   |
    | +0     | u32      | beat.id       | never used again in this session                                        |
    | +4     | u64      | beat.t_node_us| the LED latch; the node starts led_tx_us before                         |
    | +12    | u8       | beat.strength | 0 to 255                                                                |
    | +13    | u8       | beat.beat_in_bar | 1 = downbeat, at most 16; 0 = unknown                                |
    """

    TYPE: ClassVar[int] = 0x10
    HEAD: ClassVar[struct.Struct] = struct.Struct("<IIQB")
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IIQB42x")
    revision: int
    period_us: int
    valid_until: int
    beats: tuple[WireBeat, ...]

    def encode(self) -> bytes:
        """Return the payload."""
        head = self.HEAD.pack(self.revision, self.period_us, self.valid_until, len(self.beats))
        return (head + b"".join(_BEAT.pack(*beat) for beat in self.beats)).ljust(self.LAYOUT.size, b"\0")

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        revision, period_us, valid_until, count = cls.HEAD.unpack_from(payload)
        require(period_us == 0 or MIN_PERIOD_US <= period_us <= MAX_PERIOD_US, "period_us")
        require(valid_until < TIME_LIMIT, "valid_until")
        require(count <= SLOTS, "count")
        beats = tuple(WireBeat(*_BEAT.unpack_from(payload, cls.HEAD.size + i * _BEAT.size)) for i in range(count))
        require(len({beat.id for beat in beats}) == count, "id")
        require(all(beat.t_node_us < TIME_LIMIT for beat in beats), "t_node_us")
        require(all(beat.beat_in_bar <= MAX_BEAT_IN_BAR for beat in beats), "beat_in_bar")
        return cls(revision, period_us, valid_until, beats)


@dataclass(frozen=True, slots=True)
class Ping:
    """0x20 PING, never resent, never queued behind other bytes. Answer: PONG, at once.

    | offset | type | field |                                                  |
    |--------|------|-------|--------------------------------------------------|
    | 0      | u32  | n     | counts the pings of a session                    |
    | 4      | u64  | t1    | host ns when it was written; opaque to the node  |
    """

    TYPE: ClassVar[int] = 0x20
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IQ")
    n: int
    t1: int

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(self.n, self.t1)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        return cls(*cls.LAYOUT.unpack_from(payload))


@dataclass(frozen=True, slots=True)
class Pong:
    """0xA0 PONG.

    | offset | type | field |                                                             |
    |--------|------|-------|-------------------------------------------------------------|
    | 0      | u32  | n     | of the PING                                                 |
    | 4      | u64  | t1    | of the PING                                                 |
    | 12     | u64  | t2    | node us when the PING's last byte had arrived; never before |
    | 20     | u64  | t3    | node us when this frame is handed to the wire; never after  |
    """

    TYPE: ClassVar[int] = 0xA0
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IQQQ")
    n: int
    t1: int
    t2: int
    t3: int

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(self.n, self.t1, self.t2, self.t3)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        n, t1, t2, t3 = cls.LAYOUT.unpack_from(payload)
        require(t2 < TIME_LIMIT and t3 < TIME_LIMIT, "t2, t3")
        return cls(n, t1, t2, t3)


class WireReport(NamedTuple):
    """One slot of FIRED: u32 id, u64 t_sched (us), u64 t_fired (us, the LED latch; 0 unless fired), u8 flags (Fate); 21 bytes."""

    id: int
    t_sched: int
    t_fired: int
    flags: int

    @property
    def fate(self) -> Fate:
        """How it ended; bits that this version does not know are dropped."""
        return Fate(self.flags & 0x0F)


@dataclass(frozen=True, slots=True)
class Fired:
    """0xB0 FIRED, unacknowledged: how beats ended, in any order. Each end is told in three frames, in case one is lost.

    | offset | type     | field          |                                                                   |
    |--------|----------|----------------|-------------------------------------------------------------------|
    | 0      | u8       | count          | slots in use, 1 to 3                                              |
    | 1      | 21 bytes | report[3]      | always three; WireReport, unused ones 0                           |
    | +0     | u32      | report.id      |                                                                   |
    | +4     | u64      | report.t_sched | node us, by the newest revision that was taken                    |
    | +12    | u64      | report.t_fired | node us of the LED latch; 0 where it did not fire                 |
    | +20    | u8       | report.flags   | Fate                                                              |
    """

    TYPE: ClassVar[int] = 0xB0
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<B63x")
    reports: tuple[WireReport, ...]

    def encode(self) -> bytes:
        """Return the payload."""
        return (bytes((len(self.reports),)) + b"".join(_REPORT.pack(*report) for report in self.reports)).ljust(self.LAYOUT.size, b"\0")

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        require(1 <= payload[0] <= SLOTS, "count")
        reports = tuple(WireReport(*_REPORT.unpack_from(payload, 1 + i * _REPORT.size)) for i in range(payload[0]))
        require(all(report.t_sched < TIME_LIMIT and report.t_fired < TIME_LIMIT for report in reports), "t_sched, t_fired")
        require(all(report.fate in _VERDICTS for report in reports), "flags")
        return cls(reports)


@dataclass(frozen=True, slots=True)
class Stats:
    """0x84 STATS: totals of the node since its start.

    | offset | type | field         |                                                       |
    |--------|------|---------------|-------------------------------------------------------|
    | 0      | u64  | uptime_us     |                                                       |
    | 8      | u32  | frames_in     | frames with a good checksum                           |
    | 12     | u32  | bad_frames    |                                                       |
    | 16     | u32  | garbage_bytes |                                                       |
    | 20     | u32  | refused       | unknown, short, out of range, stale, of an old session |
    | 24     | u32  | fired         | on time                                               |
    | 28     | u32  | late          |                                                       |
    | 32     | u32  | missed        |                                                       |
    | 36     | u32  | cancelled     |                                                       |
    | 40     | u8   | queued        | beats waiting now                                     |
    | 41     | u8   | queue_peak    | most beats that ever waited                           |
    """

    TYPE: ClassVar[int] = 0x84
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<QIIIIIIIIBB")
    uptime_us: int
    frames_in: int
    bad_frames: int
    garbage_bytes: int
    refused: int
    fired: int
    late: int
    missed: int
    cancelled: int
    queued: int
    queue_peak: int

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(
            self.uptime_us,
            self.frames_in,
            self.bad_frames,
            self.garbage_bytes,
            self.refused,
            self.fired,
            self.late,
            self.missed,
            self.cancelled,
            self.queued,
            self.queue_peak,
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        return cls(*cls.LAYOUT.unpack_from(payload))


@dataclass(frozen=True, slots=True)
class Log:
    """0xB1 LOG, for people.

    | offset | type | field |                                                                 |
    |--------|------|-------|-----------------------------------------------------------------|
    | 0      | u8   | level | as syslog: 3 error, 4 warning, 6 info, 7 debug                  |
    | 1      | char | text  | the rest of the payload, UTF-8, at most 110 bytes               |
    """

    TYPE: ClassVar[int] = 0xB1
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<B")
    level: int
    text: str

    def encode(self) -> bytes:
        """Return the payload, the text cut to what fits."""
        return (bytes((self.level,)) + self.text.encode())[:MAX_PAYLOAD]

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        return cls(payload[0], payload[1:].decode("utf-8", "replace"))
