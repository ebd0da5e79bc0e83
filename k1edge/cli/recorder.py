"""The file that `k1edge record` writes. State is owned by the event loop; the file is only appended to, so what is in it stays readable."""

import asyncio
import time
from pathlib import Path
from typing import BinaryIO

from k1edge import __version__
from k1edge.cli.audience import Audience
from k1edge.errors import DeviceError
from k1edge.report.intake import Received
from k1edge.report.record import Header, Writer, part_name
from k1edge.report.watched import Watched
from k1edge.timebase import NS_PER_MS, NS_PER_S, HostTime


class Recorder:
    """Writes what is heard, part by part.

    Args:
        path: of the first part.
        part_bytes: after which the next part begins; None = one part.
        most_bytes: of all parts together; then it ends.
        force: overwrite.

    Attributes:
        full: set when `most_bytes` are reached.
        paths: of the parts.
        lines: messages written.
    """

    def __init__(self, path: Path, part_bytes: int | None, most_bytes: int, *, force: bool) -> None:
        self.full = asyncio.Event()
        self.paths: list[Path] = []
        self.lines = 0
        self.audience: Audience | None = None
        self._path, self._part_bytes, self._most_bytes, self._force = path, part_bytes, most_bytes, force
        self._started_ns, self._started_wall_ms = time.monotonic_ns(), time.time_ns() / NS_PER_MS
        self._ended_bytes = 0  # of the parts before
        self._begin()

    @property
    def made_bytes(self) -> int:
        """Of all parts."""
        return self._ended_bytes + self._writer.made_bytes

    @property
    def seconds(self) -> float:
        """Since the start."""
        return (time.monotonic_ns() - self._started_ns) / NS_PER_S

    def take(self, member: Watched, received: Received, now: HostTime) -> None:
        """Write one message."""
        if self.full.is_set():
            return
        self._put(self._writer.entry((now - self._started_ns) / NS_PER_S, member.name, received.content))
        self.lines += 1

    def flush(self) -> None:
        """Make what was taken readable; begin the next part where this one is full."""
        self._put(self._writer.flush())
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error
        if self.made_bytes >= self._most_bytes:
            self.full.set()
        elif self._part_bytes is not None and self._writer.made_bytes >= self._part_bytes:
            self.end()
            self._ended_bytes += self._writer.made_bytes
            self._begin()

    def end(self) -> None:
        """Close the file; nothing more can be taken."""
        self._put(self._writer.end())
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def _begin(self) -> None:
        path = self._path.with_name(part_name(self._path.name, len(self.paths) + 1))
        try:
            self._file: BinaryIO = path.open("wb" if self._force else "xb")
        except FileExistsError as error:
            msg = f"{path} is there already; name another file, or overwrite it by --force"
            raise DeviceError(msg) from error
        except OSError as error:
            msg = f"{path}: {error.strerror or error}"
            raise DeviceError(msg) from error
        self.paths.append(path)
        self._writer = Writer(compressed=path.suffix == ".gz")
        peers = () if self.audience is None else tuple(member.name for member in self.audience.sorted())
        self._put(self._writer.header(Header(__version__, self._started_wall_ms, len(self.paths), peers)))

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> DeviceError:
        msg = f"{self.paths[-1]}: {error.strerror or error}; what was written before is kept"
        return DeviceError(msg)
