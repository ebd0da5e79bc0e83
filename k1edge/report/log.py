"""Log lines to stderr: JSON for the journal, text for a terminal. A full pipe costs lines, never time.

Any thread may log. No queue and no thread: a line is written when the kernel has room for it at once, and dropped and counted
otherwise. The pipe itself (64 KB, some 300 lines) is the bounded queue.
"""

import logging
import os
import select
import sys
import threading
from typing import Literal, TextIO

import structlog

_AT_ONCE = 4096
"""PIPE_BUF: what poll(2) promises room for, so a write of this many bytes does not block."""

_MOST_BYTES = 64 * 1024
"""A longer line is cut: nobody reads it, and it would push out others."""


class Sink:
    """Writes whole lines to a file descriptor without ever waiting for its reader.

    Args:
        fd: where to; kept blocking, because its flags are shared with whoever else has it open.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._torn = False  # the last line broke off in the middle
        self._untold = 0  # dropped and not yet written about
        self.dropped = 0

    def write(self, line: str) -> None:
        """Write `line`, without its newline; drop it when there is no room."""
        data = line.encode("utf-8", "backslashreplace")[:_MOST_BYTES] + b"\n"
        with self._lock:
            if self._untold:
                told = b'{"event": "log lines dropped: their reader is too slow", "level": "warning", "lines": %d}\n' % self._untold
                if self._put(told):
                    self._untold = 0
            if not self._put(data):
                self._untold += 1
                self.dropped += 1

    def _put(self, data: bytes) -> bool:
        if self._torn:
            data = b"\n" + data
        rest = memoryview(data)
        try:
            while rest and self._has_room():
                rest = rest[os.write(self._fd, rest[:_AT_ONCE]) :]
        except OSError:  # the reader is gone; there is nobody to tell
            pass
        if len(rest) < len(data):
            self._torn = bool(rest)
        return not rest

    def _has_room(self) -> bool:
        return any(events & select.POLLOUT for _, events in self._poll.poll(0))

    msg = debug = info = warning = error = critical = exception = log = fatal = write


class _FromStdlib(logging.Handler):
    """What libraries log by `logging` (uvicorn, asyncio) goes the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - a library's broken format string must not end us
            self.handleError(record)


def set_up(level: str = "info", style: Literal["auto", "json", "text"] = "auto", stream: TextIO | None = None) -> Sink:
    """Send all logs of this process to `stream` (stderr); may be called again.

    Args:
        level: debug, info, warning or error.
        style: auto = text when `stream` is a terminal.
        stream: must have a file descriptor.

    Returns:
        the sink, which counts what it dropped.
    """
    stream = stream or sys.stderr
    sink = Sink(stream.fileno())
    number = logging.getLevelNamesMapping()[level.upper()]
    terminal = stream.isatty()
    text = style == "text" or (style == "auto" and terminal)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True)
            if not text
            else structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            *_renderers(text=text, colours=terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,  # loggers made before this call follow it too
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromStdlib()]
    root.setLevel(number if number == logging.DEBUG else max(number, logging.WARNING))  # libraries are chatty
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # a client's nonsense is no line in our log
    return sink


def _renderers(*, text: bool, colours: bool) -> list[structlog.typing.Processor]:
    if text:
        return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
