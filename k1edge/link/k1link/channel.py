"""Messages in frames, numbered both ways, under the session of the moment. Pure; owned by the thread that owns the dialect."""

from dataclasses import dataclass, field

from k1edge.link.k1link.framing import Frame, FrameDecoder, encode
from k1edge.link.k1link.messages import Message, OtherMajor, Ping, Pong, Refusal, parse
from k1edge.timebase import unwrap

REORDERED = 128
"""A frame number that is behind by up to half the range is a replay, not a gap."""


@dataclass(slots=True)
class Channel:
    """The host's end of the wire."""

    session: int
    """1 to 65535; the one before the first until `next_session`"""
    decoder: FrameDecoder = field(default_factory=FrameDecoder)
    frames_out: int = 0
    lost_frames: int = 0
    """gaps in the node's frame numbers"""
    seq: int = 0
    """of the next frame out"""
    _node_seq: int | None = None
    """of the node's next frame, extended over its wraps; None = not known"""

    def next_session(self) -> None:
        """Number the next session; 0 belongs to nobody."""
        self.session = self.session % 0xFFFF + 1
        self._node_seq = None

    def frame(self, message: Message) -> bytes:
        """Put a message on the wire; a PING as long as its answer, so that a slow wire delays both ways alike."""
        padded_bytes = Pong.LAYOUT.size if isinstance(message, Ping) else 0
        data = encode(Frame(message.TYPE, self.session, self.seq, message.encode().ljust(padded_bytes, b"\0")))
        self.seq = (self.seq + 1) & 0xFF
        self.frames_out += 1
        return data

    def receive(self, data: bytes) -> list[tuple[Frame, Message | OtherMajor | Refusal]]:
        """Take bytes in any chunking; the messages that they complete."""
        frames = self.decoder.receive(data)
        for frame in frames:
            if frame.session == self.session:
                self._count(frame.seq)
        return [(frame, parse(frame)) for frame in frames]

    def _count(self, seq: int) -> None:
        expected = seq if self._node_seq is None else self._node_seq
        number = unwrap(seq, expected, 8)
        if 0 <= number - expected < REORDERED:
            self.lost_frames += number - expected
            self._node_seq = number + 1
