"""Text lines out of a byte stream that may carry anything: boot text, panic dumps, a megabyte without a newline.

Pure; owned by whoever owns the conversation.
"""

import json
import re
from typing import Any

MAX_LINE_BYTES = 4_096
"""Longest line kept. LightwaveOS' longest reply to what is asked here is under 1 KiB; whatever is longer is none of ours."""

KEPT_BYTES = 1_024
"""How much of the newest text is kept for people."""


SPOKEN_CHARS = 240
"""How much of one line is told."""

_WORDS = re.compile(rb"[\t\x20-\x7e]{4,}$")
"""Text at the end of a line that began with bytes of a damaged frame."""

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
"""ESP-IDF colours its log."""


class LineBuffer:
    """Splits bytes at newlines in bounded memory; a line longer than `MAX_LINE_BYTES` is dropped whole and counted."""

    def __init__(self) -> None:
        self.overlong = 0  # lines dropped for their length
        self._partial = bytearray()
        self._skipping = False  # inside an overlong line, until its newline

    def take(self, data: bytes) -> tuple[bytes | None, bytes]:
        """Take bytes up to the first newline; return the line it ends (None: none yet) without its line end, and the bytes after it."""
        head, newline, rest = data.partition(b"\n")
        if not self._skipping:
            self._partial += head[: MAX_LINE_BYTES + 1 - len(self._partial)]
            if len(self._partial) > MAX_LINE_BYTES:
                self._partial.clear()
                self._skipping = True
                self.overlong += 1
        if not newline:
            return None, b""
        line = bytes(self._partial).strip(b"\r")
        self._partial.clear()
        skipped, self._skipping = self._skipping, False
        return (b"" if skipped else line), rest

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the lines they complete, empty ones left out."""
        lines = []
        rest = data
        while rest:
            line, rest = self.take(rest)
            if line:
                lines.append(line)
        return lines

    def clear(self) -> None:
        """Forget a line that has begun."""
        self._partial.clear()
        self._skipping = False


class KeptText:
    """The last `KEPT_BYTES` of what came in, for people to read."""

    def __init__(self) -> None:
        self._tail = b""

    def add(self, data: bytes) -> None:
        """Keep the end of `data`."""
        self._tail = (self._tail + data[-KEPT_BYTES:])[-KEPT_BYTES:]

    def take_back_line(self) -> None:
        """Forget the line that has just ended: it was a message after all."""
        self._tail = self._tail[: self._tail.rfind(b"\n", 0, -1) + 1]

    def text(self) -> str:
        """What is kept, with anything that is not text escaped, so that no terminal obeys it."""
        return readable(self._tail)


def newest(text: str, size: int = KEPT_BYTES) -> str:
    """The end of printable `text`, at most `size` bytes of UTF-8: escapes take up to ten times what they stand for."""
    return text.encode()[-size:].decode("utf-8", "ignore")


def readable(data: bytes) -> str:
    """Decode for people, so that no terminal obeys it; see `printable`."""
    return printable(data.decode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    r"""Leave newlines and turn every other character that does not print (control, lone surrogate) into a \x.. or \u.. escape."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text.replace("\r\n", "\n"))


def spoken(line: bytes) -> str:
    """What a line that was no message says to people, at most SPOKEN_CHARS; "" where there are no words in it, but a damaged frame, say."""
    plain = _COLOUR.sub(b"", line).strip()
    text = plain.decode("utf-8", "replace")
    if not text.isprintable() or "\ufffd" in text:
        words = _WORDS.search(plain)
        text = words[0].decode() if words else ""
    return printable(text)[:SPOKEN_CHARS]


def json_object(line: bytes) -> dict[str, Any] | None:
    """Parse a line as one JSON object; None for anything else. Text before the first brace is a torn log line and is skipped."""
    start = line.find(b"{")
    if start < 0:
        return None
    try:
        value = json.loads(line[start:].decode("utf-8"))
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError; a deep nest of brackets exhausts the parser
        return None
    return value if isinstance(value, dict) else None
