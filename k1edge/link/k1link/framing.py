"""Frames on the wire of the timed dialect: `00 COBS(header, payload, crc32) 00`, and the decoder that never raises.

Decoded frame, little-endian, no padding, 9 to 120 bytes:

| offset | size | field   | meaning                                                              |
|--------|------|---------|----------------------------------------------------------------------|
| 0      | 1    | type    | which message; bit 7 set = from the node (`messages`)                |
| 1      | 1    | flags   | 0; a receiver ignores bits that it does not know                     |
| 2      | 2    | session | the host's number of this conversation; 0 = outside of any           |
| 4      | 1    | seq     | counts the sender's frames, wraps; shows losses                      |
| 5      | n    | payload | 0 to 111 bytes                                                       |
| 5 + n  | 4    | crc32   | of all bytes before it (the CRC of zlib: reflected 0xEDB88320)       |

COBS (Cheshire and Baker 1999) costs one byte whatever the content, and leaves 00 free to mark both ends: a frame survives boot text before
and after it, and damage costs the frame it hits and at most one more. State is owned by the thread that owns the dialect.
"""

import re
import struct
import zlib
from dataclasses import dataclass, field

MAX_FRAME = 120
"""Longest decoded frame in bytes; under 254, so a COBS block never needs splitting and a node's buffer stays small."""

OVERHEAD = 9
"""Bytes of header and checksum."""

MAX_PAYLOAD = MAX_FRAME - OVERHEAD
MAX_STUFFED = MAX_FRAME + 1
"""Longest COBS block, without its two delimiters."""

GARBAGE_KEPT = 1024
"""Bytes of the newest garbage that are kept for people: a panic dump's last lines, not a night of boot loops."""

_HEADER = struct.Struct("<BBHB")
_CRC = struct.Struct("<I")
_BETWEEN_ZEROS = re.compile(rb"[^\0]+")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its checksum already proven or not yet added; the ranges are those of the table above."""

    type: int
    session: int
    seq: int
    payload: bytes = b""
    flags: int = 0


@dataclass(slots=True)
class FrameCounters:
    """What a decoder saw since it was made."""

    frames: int = 0
    """frames with a good checksum"""
    bad_frames: int = 0
    """blocks between two delimiters that were no frame; text between two frames counts as one"""
    garbage_bytes: int = 0
    """bytes of those blocks, delimiters not counted"""


def stuff(data: bytes) -> bytes:
    """COBS-encode up to 253 bytes, without delimiters."""
    return b"".join(bytes((len(run) + 1,)) + run for run in data.split(b"\0"))


def unstuff(block: bytes) -> bytes | None:
    """Undo `stuff`; None where `block` is not its output."""
    out = bytearray()
    at = 0
    while at < len(block):
        code = block[at]
        if code == 0 or at + code > len(block):
            return None
        out += block[at + 1 : at + code]
        at += code
        if at < len(block):
            out.append(0)
    return bytes(out)


def encode(frame: Frame) -> bytes:
    """Return the bytes to write, delimiters included: payload + 12.

    Raises:
        ValueError: a payload over MAX_PAYLOAD, which is our own bug.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        msg = f"payload of {len(frame.payload)} bytes; a frame holds {MAX_PAYLOAD}"
        raise ValueError(msg)
    body = _HEADER.pack(frame.type, frame.flags, frame.session, frame.seq) + frame.payload
    return b"\0" + stuff(body + _CRC.pack(zlib.crc32(body))) + b"\0"


def decode_block(block: bytes) -> Frame | None:
    """Decode what stood between two delimiters; None where it is no frame."""
    if not OVERHEAD < len(block) <= MAX_STUFFED:
        return None
    data = unstuff(block)
    if data is None or len(data) < OVERHEAD:
        return None
    body = data[: -_CRC.size]
    if _CRC.unpack_from(data, len(body))[0] != zlib.crc32(body):
        return None
    kind, flags, session, seq = _HEADER.unpack_from(body)
    return Frame(kind, session, seq, body[_HEADER.size :], flags)


@dataclass(slots=True)
class FrameDecoder:
    """Finds frames in a stream of bytes. Memory is bounded by MAX_STUFFED + GARBAGE_KEPT whatever comes in."""

    counters: FrameCounters = field(default_factory=FrameCounters)
    """totals; read only from outside"""
    _block: bytearray = field(default_factory=bytearray)
    """the block under way, at most MAX_STUFFED bytes"""
    _overlong: bool = False
    """the block under way is too long to be a frame; its bytes went to the garbage already"""
    _garbage: bytearray = field(default_factory=bytearray)
    """the newest GARBAGE_KEPT bytes that were no frame"""

    def receive(self, data: bytes) -> list[Frame]:
        """Take bytes in any chunking and return the frames that they complete, in order. Never raises."""
        frames: list[Frame] = []
        for run in _BETWEEN_ZEROS.finditer(data):
            if run.start() > 0:
                self._end_block(frames)
            self._extend_block(data, run.start(), run.end())
        if data.endswith(b"\0"):
            self._end_block(frames)
        return frames

    @property
    def garbage(self) -> bytes:
        """The newest bytes that were no frame: boot text, a panic dump."""
        return bytes(self._garbage)

    def _extend_block(self, data: bytes, start: int, end: int) -> None:
        if not self._overlong and len(self._block) + end - start > MAX_STUFFED:
            self._overlong = True
            self.counters.bad_frames += 1
            self._discard(self._block)
            self._block.clear()
        if self._overlong:
            self.counters.garbage_bytes += end - start
            self._keep(data[max(start, end - GARBAGE_KEPT) : end])
        else:
            self._block += data[start:end]

    def _end_block(self, frames: list[Frame]) -> None:
        if self._overlong:
            self._overlong = False
            return
        if not self._block:
            return
        frame = decode_block(bytes(self._block))
        if frame is None:
            self.counters.bad_frames += 1
            self._discard(self._block)
        else:
            self.counters.frames += 1
            frames.append(frame)
        self._block.clear()

    def _discard(self, block: bytearray) -> None:
        self.counters.garbage_bytes += len(block)
        self._keep(block)

    def _keep(self, text: bytes | bytearray) -> None:
        self._garbage += text
        del self._garbage[:-GARBAGE_KEPT]
