"""A session's telemetry as a file: what is written, and how it is read back. Pure: bytes in, bytes out; files are the caller's.

JSON lines. The first names the form; each of the others is one message as it was heard:

    {"k1edge_record":1,"version":"0.1.0","started_wall_ms":1800000000000.0,"part":1,"peers":["stage"]}
    {"at_s":0.104,"peer":"stage","message":{"type":"telemetry","seq":7,...}}

`at_s` counts from the start of the session on the recorder's monotonic clock, so that neither its own nor a peer's wall clock can bend the
time axis. Compressed (gzip) or not; a file that breaks off anywhere, as after a power cut, is read up to its last whole line.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from k1edge.errors import PeerError
from k1edge.report.intake import harmless, understand
from k1edge.report.peer_table import plain
from k1edge.report.telemetry import Message

RECORD_VERSION = 1

MOST_LINE_BYTES = 1 << 20
"""Ours are some 2 KB."""

_GZIP = 31  # window bits of zlib that mean: with gzip's header
_MAGIC = b"\x1f\x8b"
_STEP_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """The first line.

    Attributes:
        version: of the k1edge that recorded.
        started_wall_ms: Unix time at `at_s` = 0, by the recorder's clock.
        part: 1, 2, ... of a session in several files.
        peers: those that were known when the part began.
    """

    version: str
    started_wall_ms: float
    part: int
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. `at_s` is when it was heard."""

    at_s: float
    peer: str
    message: Message


class Writer:
    """Makes the bytes of one file.

    Args:
        compressed: as gzip.

    Attributes:
        made_bytes: handed out so far.
    """

    def __init__(self, *, compressed: bool) -> None:
        self.made_bytes = 0
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, _GZIP) if compressed else None

    def header(self, header: Header) -> bytes:
        """The first line."""
        return self._line(
            {
                "k1edge_record": RECORD_VERSION,
                "version": header.version,
                "started_wall_ms": header.started_wall_ms,
                "part": header.part,
                "peers": header.peers,
            }
        )

    def entry(self, at_s: float, peer: str, content: dict[str, Any]) -> bytes:
        """One message as it came; may be nothing as yet, while it is being compressed."""
        return self._line({"at_s": round(at_s, 4), "peer": peer, "message": harmless(content)})

    def flush(self) -> bytes:
        """What makes everything before it readable."""
        return self._made(self._deflate.flush(zlib.Z_SYNC_FLUSH)) if self._deflate else b""

    def end(self) -> bytes:
        """The last bytes of the file."""
        return self._made(self._deflate.flush()) if self._deflate else b""

    def _line(self, content: dict[str, Any]) -> bytes:
        line = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        return self._made(self._deflate.compress(line) if self._deflate else line)

    def _made(self, data: bytes) -> bytes:
        self.made_bytes += len(data)
        return data


class Lines:
    """Takes a file apart into whole lines, whatever it is cut into on the way. Memory is bounded, whatever it unpacks to.

    Attributes:
        damaged: why the rest can't be read; None while it can.
        overlong: lines that were skipped because of their length.
    """

    def __init__(self) -> None:
        self.damaged: str | None = None
        self.overlong = 0
        self._begin = b""
        self._inflate: Any = None
        self._open = b""  # of the line that has not ended
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yields lines without their ends."""
        if self._inflate is None:
            data, self._begin = self._begin + data, b""
            if len(data) < len(_MAGIC):
                self._begin = data
                return
            self._inflate = zlib.decompressobj(_GZIP) if data.startswith(_MAGIC) else False
        for piece in self._unpacked(data) if self._inflate else (data,):
            yield from self._split(piece)

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        while data and self.damaged is None:
            if self._inflate.eof:  # another follows, as after `cat a.gz b.gz`
                self._inflate = zlib.decompressobj(_GZIP)
            try:
                yield self._inflate.decompress(data, _STEP_BYTES)
            except zlib.error as error:
                self.damaged = str(error)
                return
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _split(self, piece: bytes) -> Iterator[bytes]:
        *whole, rest = piece.split(b"\n")
        for end in whole:
            line, self._open = self._open + end, b""
            if self._skipping or len(line) > MOST_LINE_BYTES:
                self.overlong += 1
                self._skipping = False
            else:
                yield line
        self._open += rest
        if len(self._open) > MOST_LINE_BYTES:
            self._skipping, self._open = True, b""


def read_header(line: bytes) -> Header:
    """Read the first line.

    Raises:
        PeerError: it is none, or of a later form.
    """
    content = _json(line)
    version = content.get("k1edge_record")
    started, part, peers = content.get("started_wall_ms"), content.get("part"), content.get("peers")
    if not isinstance(version, int) or not isinstance(started, int | float) or not isinstance(part, int) or not isinstance(peers, list):
        msg = 'it is no record of "k1edge record"'
        raise PeerError(msg)
    if version != RECORD_VERSION:
        msg = f"it is a record of form {version}, and this k1edge reads {RECORD_VERSION}; use a newer one"
        raise PeerError(msg)
    return Header(plain(str(content.get("version"))), float(started), part, tuple(plain(str(peer)) for peer in peers))


def read_entry(line: bytes) -> Entry:
    """Read one of the others.

    Raises:
        PeerError: it is none.
    """
    content = _json(line)
    at_s, peer = content.get("at_s"), content.get("peer")
    if not isinstance(at_s, int | float) or not 0 <= at_s < 1e10 or not isinstance(peer, str):
        msg = "no line of a record"
        raise PeerError(msg)
    return Entry(float(at_s), plain(peer), understand(content.get("message")).message)


def part_name(name: str, part: int) -> str:
    """Of the file of a part: "a.jsonl.gz" -> "a-2.jsonl.gz"; the first keeps its name."""
    stem, dot, suffixes = name.partition(".")
    return name if part == 1 else f"{stem}-{part}{dot}{suffixes}"


def _json(line: bytes) -> dict[str, Any]:
    """An object; empty where the line holds none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
