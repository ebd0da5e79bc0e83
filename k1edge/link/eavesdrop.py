"""What a node says to whoever only listens: text and LOG messages, in either dialect, without a question asked. Pure; owned by one thread."""

import re

from k1edge.link.dialect import NodeSaid
from k1edge.link.k1link.framing import MAX_STUFFED, decode_block
from k1edge.link.k1link.messages import Log, parse
from k1edge.link.lines import MAX_LINE_BYTES, printable, spoken

_RUN = re.compile(rb"([^\0\n]*)([\0\n]?)")
"""Bytes up to a newline or the delimiter of frames."""


class Eavesdropper:
    """Bytes in, words out. What is still short enough for a frame, and no ASCII, waits for the delimiter; a frame may hold newlines."""

    def __init__(self) -> None:
        self._held = bytearray()  # the line or frame under way, at most MAX_LINE_BYTES

    def receive(self, data: bytes) -> list[NodeSaid]:
        """Take bytes in any chunking; the words that they complete."""
        words: list[NodeSaid] = []
        for run, end in _RUN.findall(data):
            self._held += run
            if end == b"\0":
                words += self._end_frame()
            elif end and (self._held.isascii() or len(self._held) > MAX_STUFFED):
                words += self._end_text()
            else:
                self._held += end
            del self._held[:-MAX_LINE_BYTES]
        return words

    def _end_frame(self) -> list[NodeSaid]:
        frame = decode_block(bytes(self._held))
        if frame is None:
            return self._end_text()
        self._held.clear()
        message = parse(frame)
        return [NodeSaid(printable(message.text), message.level)] if isinstance(message, Log) else []

    def _end_text(self) -> list[NodeSaid]:
        lines = bytes(self._held).split(b"\n")
        self._held.clear()
        return [NodeSaid(text) for line in lines if (text := spoken(line))]
