"""The ASCII side of a k1link node: the two lines that a host says before frames. Pure; owned by the thread that owns the node."""

import json
from collections import deque

from k1edge.link.node.reports import NodeIdentity

ASK_STATUS = b'{"type":"device.getStatus"}'
START_BINARY = b'{"type":"k1link.start"}'

_LONGEST = max(len(ASK_STATUS), len(START_BINARY))
_KEPT = 1_000


class NodeConsole:
    """Answers the two lines, takes nothing else, and says where frames begin; text before a line's first `{` is skipped, white space ignored."""

    def __init__(self, identity: NodeIdentity) -> None:
        self.lines: deque[bytes] = deque(maxlen=_KEPT)  # the newest lines, ours or not, for tests
        self.strays: deque[int] = deque(maxlen=_KEPT)  # the newest bytes that were of no such line, for tests
        self._identity = identity
        self._line = bytearray()  # the one under way, at most one byte longer than any of ours
        self._asked = False
        self._started = False

    def receive(self, data: bytes) -> bytes | None:
        """Take text in any chunking; once frames begin, return what came from there on. They begin after START_BINARY or with a 00."""
        for at, byte in enumerate(data):
            if byte == 0:
                self.forget_line()
                return data[at:]
            if byte == ord("\n"):
                if self._ends_with_start():
                    return data[at + 1 :]
            elif byte not in b" \t\r":
                self._extend(byte)
        return None

    def forget_line(self) -> None:
        """The line under way will never end."""
        self.strays.extend(self._line)
        self._line.clear()

    def data_to_send(self) -> list[bytes]:
        """The answers, with their newlines; a line asked twice is answered once."""
        answers: list[dict[str, object]] = []
        if self._asked:
            data = {"k1link": self._identity.major, "version": _plain(self._identity.firmware)}
            answers.append({"type": "device.getStatus", "success": True, "data": data})
        if self._started:
            answers.append({"type": "k1link.start", "success": True})
        self._asked = self._started = False
        return [json.dumps(answer, separators=(",", ":")).encode() + b"\n" for answer in answers]

    def has_answers(self) -> bool:
        """Whether `data_to_send` has something."""
        return self._asked or self._started

    def _extend(self, byte: int) -> None:
        if not self._line and byte != ord("{"):
            self.strays.append(byte)
        elif len(self._line) <= _LONGEST:
            self._line.append(byte)

    def _ends_with_start(self) -> bool:
        line = bytes(self._line)
        if line:
            self.lines.append(line)
        self._asked |= line == ASK_STATUS
        self._started |= line == START_BINARY
        if line in {ASK_STATUS, START_BINARY}:
            self._line.clear()
        self.forget_line()
        return line == START_BINARY


def _plain(firmware: str) -> str:
    """At most 24 bytes; what is no plain ASCII, or would need an escape, becomes a question mark per byte: escapes could outgrow the line."""
    cut = firmware.encode()[:24].decode("utf-8", "ignore").encode()
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else "?" for byte in cut)
