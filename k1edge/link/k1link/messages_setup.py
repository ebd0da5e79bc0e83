"""Messages of the config class: HELLO, HELLO_ACK, CONFIG, BLACKOUT, GET_STATS, ACK; the rules that hold for all are in `messages`."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

MAJOR = 1
MINOR = 0
TIME_LIMIT = 1 << 63
"""Times at and above this are refused: a C node may then do signed arithmetic on them."""

SLOTS = 3
"""Beats in a BEATS, reports in a FIRED: each is said up to three times, so that one lost frame costs nothing."""

CAP_CLOCK_32 = 1 << 0
"""HELLO_ACK.capabilities: the node's counter wraps at 2**32 us (71 minutes)."""


class OutOfRangeError(ValueError):
    """A field holds what the table forbids."""


class ResetReason(IntEnum):
    """HELLO_ACK.reset_reason; unknown numbers are kept as they are."""

    UNKNOWN = 0
    POWER_ON = 1
    SOFTWARE = 2
    PANIC = 3
    WATCHDOG = 4
    BROWNOUT = 5
    EXTERNAL = 6


class AckResult(IntEnum):
    """ACK.result."""

    OK = 0
    REFUSED = 1
    STALE = 2


def require(ok: bool, what: str) -> None:
    """Raise OutOfRangeError naming `what` unless ok."""
    if not ok:
        raise OutOfRangeError(what)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _padded(text: str, size: int) -> bytes:
    return text.encode()[:size].decode("utf-8", "ignore").encode().ljust(size, b"\0")


@dataclass(frozen=True, slots=True)
class Hello:
    """0x01 HELLO, config class: start a session, whose number is in the frame header. Answer: HELLO_ACK.

    | offset | type     | field     |                                                            |
    |--------|----------|-----------|------------------------------------------------------------|
    | 0      | u8       | major     | offsets 0 to 5 keep their meaning in every version         |
    | 1      | u8       | minor     |                                                            |
    | 2      | u32      | nonce     | not 0; a repeated HELLO of one session repeats it          |
    | 6      | char[16] | host_name | for people                                                 |
    """

    TYPE: ClassVar[int] = 0x01
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBI16s")
    nonce: int
    host_name: str = ""
    major: int = MAJOR
    minor: int = MINOR

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(self.major, self.minor, self.nonce, _padded(self.host_name, 16))

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        major, minor, nonce, host_name = cls.LAYOUT.unpack_from(payload)
        require(nonce != 0, "nonce")
        return cls(nonce, _text(host_name), major, minor)


@dataclass(frozen=True, slots=True)
class HelloAck:
    """0x81 HELLO_ACK: who the node is. With nonce 0 and session 0 unasked: the node has just started, and waits for HELLO.

    | offset | type     | field        |                                                         |
    |--------|----------|--------------|---------------------------------------------------------|
    | 0      | u8       | major        | offsets 0 to 5 keep their meaning in every version      |
    | 1      | u8       | minor        |                                                         |
    | 2      | u32      | nonce        | of the HELLO                                            |
    | 6      | u32      | boot_id      | another one after every start                           |
    | 10     | u64      | uptime_us    | us since that start                                     |
    | 18     | u8[8]    | unique_id    | of the board                                            |
    | 26     | u8       | reset_reason | ResetReason                                             |
    | 27     | u8       | queue_depth  | beats the node can hold, >= 3                           |
    | 28     | u8       | max_frame    | longest decoded frame it takes, 80 to 120               |
    | 29     | u16      | led_count    |                                                         |
    | 31     | u32      | led_tx_us    | from starting to send to the LEDs to their latch, < 1 s |
    | 35     | u32      | capabilities | bits CAP_*                                              |
    | 39     | char[24] | firmware     | name and version, for people                            |
    """

    TYPE: ClassVar[int] = 0x81
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBIIQ8sBBBHII24s")
    nonce: int
    boot_id: int
    uptime_us: int
    unique_id: bytes
    led_tx_us: int
    reset_reason: int = ResetReason.UNKNOWN
    queue_depth: int = 8
    max_frame: int = 120
    led_count: int = 0
    capabilities: int = 0
    firmware: str = ""
    major: int = MAJOR
    minor: int = MINOR

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(
            self.major,
            self.minor,
            self.nonce,
            self.boot_id,
            self.uptime_us,
            self.unique_id.ljust(8, b"\0"),
            self.reset_reason,
            self.queue_depth,
            self.max_frame,
            self.led_count,
            self.led_tx_us,
            self.capabilities,
            _padded(self.firmware, 24),
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        major, minor, nonce, boot_id, uptime, unique_id, reason, depth, max_frame, leds, tx, caps, firmware = cls.LAYOUT.unpack_from(
            payload
        )
        require(uptime < TIME_LIMIT, "uptime_us")
        require(depth >= SLOTS, "queue_depth")
        require(80 <= max_frame <= 120, "max_frame")
        require(tx < 1_000_000, "led_tx_us")
        return cls(nonce, boot_id, uptime, unique_id, tx, reason, depth, max_frame, leds, caps, _text(firmware), major, minor)


@dataclass(frozen=True, slots=True)
class OtherMajor:
    """HELLO or HELLO_ACK of another major version: only its first six bytes are understood."""

    major: int
    minor: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Config:
    """0x02 CONFIG, config class: how the node shall flash. Answer: ACK. A value of 0xFFFF (0xFF) keeps the node's own.

    | offset | type | field         |                                                                |
    |--------|------|---------------|----------------------------------------------------------------|
    | 0      | u8   | brightness    | 0 to 254, full at 254                                          |
    | 1      | u16  | refractory_ms | no flash within this time after the one before, 0 to 1000      |
    | 3      | u16  | fade_ms       | how long a flash decays and how long the fade to idle takes    |
    """

    TYPE: ClassVar[int] = 0x02
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BHH")
    brightness: int = 0xFF
    refractory_ms: int = 0xFFFF
    fade_ms: int = 0xFFFF

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(self.brightness, self.refractory_ms, self.fade_ms)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        brightness, refractory, fade = cls.LAYOUT.unpack_from(payload)
        require(refractory <= 1000 or refractory == 0xFFFF, "refractory_ms")
        return cls(brightness, refractory, fade)


@dataclass(frozen=True, slots=True)
class Blackout:
    """0x03 BLACKOUT, config class: go dark, forget every beat up to `revision`. Answer: ACK, STALE where newer beats came meanwhile.

    | offset | type | field    |                                                                          |
    |--------|------|----------|--------------------------------------------------------------------------|
    | 0      | u32  | revision | the newest BEATS that it takes back; a node that has a newer one ignores it |
    """

    TYPE: ClassVar[int] = 0x03
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<I")
    revision: int

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(self.revision)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        return cls(*cls.LAYOUT.unpack_from(payload))


@dataclass(frozen=True, slots=True)
class GetStats:
    """0x04 GET_STATS, config class, empty. Answer: STATS."""

    TYPE: ClassVar[int] = 0x04
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<")

    def encode(self) -> bytes:
        """Return the payload."""
        return b""

    @classmethod
    def decode(cls, _payload: bytes) -> Self:
        """Read a payload of any length."""
        return cls()


@dataclass(frozen=True, slots=True)
class Ack:
    """0x82 ACK: CONFIG or BLACKOUT arrived. A repeated request is answered again.

    | offset | type | field  |                                  |
    |--------|------|--------|----------------------------------|
    | 0      | u8   | acked  | type of the request              |
    | 1      | u8   | seq    | seq of the request's frame       |
    | 2      | u8   | result | AckResult                        |
    """

    TYPE: ClassVar[int] = 0x82
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BBB")
    acked: int
    seq: int
    result: int = AckResult.OK

    def encode(self) -> bytes:
        """Return the payload."""
        return self.LAYOUT.pack(self.acked, self.seq, self.result)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload of at least LAYOUT.size bytes."""
        return cls(*cls.LAYOUT.unpack_from(payload))
