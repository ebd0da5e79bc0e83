"""The messages of the timed dialect: fixed little-endian structs, no padding, no floats; `MESSAGES` is the table of types.

Host to node 0x01 to 0x7F, node to host 0x81 to 0xFF. Rules for a receiver of the same major version:
- an unknown type is ignored and counted;
- a payload longer than the table is fine (fields are only ever appended), a shorter one is refused and counted;
- a value out of its range refuses the whole message, and is counted; nothing is clamped.

Times of the node are u64 us of its free-running counter, below 2**63. A node whose counter has 32 bits (CAP_CLOCK_32) sends and expects
the low 32 bits, the rest 0. Strings are UTF-8, padded with 00. Sans-IO and without state.

| type | message   | from | class   | type | message   | from | class   |
|------|-----------|------|---------|------|-----------|------|---------|
| 0x01 | HELLO     | host | config  | 0x81 | HELLO_ACK | node | config  |
| 0x02 | CONFIG    | host | config  | 0x82 | ACK       | node | config  |
| 0x03 | BLACKOUT  | host | config  | 0x84 | STATS     | node | config  |
| 0x04 | GET_STATS | host | config  | 0xA0 | PONG      | node | clock   |
| 0x10 | BEATS     | host | beats   | 0xB0 | FIRED     | node | reports |
| 0x20 | PING      | host | clock   | 0xB1 | LOG       | node | reports |
"""

from enum import StrEnum

from k1edge.link.k1link.framing import Frame
from k1edge.link.k1link.messages_flow import Beats, Fate, Fired, Log, Ping, Pong, Stats, WireBeat, WireReport
from k1edge.link.k1link.messages_setup import (
    CAP_CLOCK_32,
    MAJOR,
    MINOR,
    SLOTS,
    TIME_LIMIT,
    Ack,
    AckResult,
    Blackout,
    Config,
    GetStats,
    Hello,
    HelloAck,
    OtherMajor,
    OutOfRangeError,
    ResetReason,
)

__all__ = [
    "CAP_CLOCK_32",
    "MAJOR",
    "MESSAGES",
    "MINOR",
    "SLOTS",
    "TIME_LIMIT",
    "Ack",
    "AckResult",
    "Beats",
    "Blackout",
    "Config",
    "Fate",
    "Fired",
    "GetStats",
    "Hello",
    "HelloAck",
    "Log",
    "Message",
    "OtherMajor",
    "Ping",
    "Pong",
    "Refusal",
    "ResetReason",
    "Stats",
    "WireBeat",
    "WireReport",
    "parse",
]

Message = Hello | HelloAck | Config | Blackout | GetStats | Ack | Beats | Ping | Pong | Fired | Stats | Log

_TYPES: tuple[type[Message], ...] = (Hello, HelloAck, Config, Blackout, GetStats, Ack, Beats, Ping, Pong, Fired, Stats, Log)
MESSAGES: dict[int, type[Message]] = {message.TYPE: message for message in _TYPES}
"""Type byte to message."""


class Refusal(StrEnum):
    """Why a frame with a good checksum was not taken."""

    UNKNOWN_TYPE = "unknown_type"
    TOO_SHORT = "too_short"
    OUT_OF_RANGE = "out_of_range"


def parse(frame: Frame) -> Message | OtherMajor | Refusal:
    """Read the message in a frame; what is wrong with it is a value, not an exception."""
    message = MESSAGES.get(frame.type)
    if message is None:
        return Refusal.UNKNOWN_TYPE
    if message in {Hello, HelloAck} and len(frame.payload) >= 6 and frame.payload[0] != MAJOR:
        return OtherMajor(frame.payload[0], frame.payload[1], int.from_bytes(frame.payload[2:6], "little"))
    if len(frame.payload) < message.LAYOUT.size:
        return Refusal.TOO_SHORT
    try:
        return message.decode(frame.payload)
    except OutOfRangeError:
        return Refusal.OUT_OF_RANGE
