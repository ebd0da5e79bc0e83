"""Serial devices of this host: found by identity, opened without resetting the node, written to without ever blocking.

Opening. The ESP32-S3's own USB port resets the chip on the modem lines DTR = 0, RTS = 1, and a few per cent of such resets leave it dead until
a power cycle. Linux raises both lines together when the port is opened; pyserial then writes them one after the other. So `_BothLines` sets
them in one ioctl and never alone, and HUPCL is cleared so that the kernel does not drop them on closing either.

An opened `Wire` belongs to one thread, the node's (`port`).
"""

import contextlib
import errno
import fcntl
import os
import struct
import termios
import time
from collections import deque
from pathlib import Path

import serial
from serial.tools import list_ports as comports

from k1edge.link.address import SerialDevice
from k1edge.link.holders import holders
from k1edge.timebase import NS_PER_MS

GONE = (OSError, termios.error)
"""What a device that went away raises: SerialException is an OSError, with errno None at times; termios.error is not."""

ESPRESSIF = (0x303A, 0x1001)
"""VID and PID of the ESP32-S3's built-in USB-Serial-JTAG."""

BY_ID = Path("/dev/serial/by-id")
READ_BYTES = 4_096
EXPIRE_NS = 100 * NS_PER_MS
"""What has waited longer behind a node that does not read is dropped: a beat planned before that has been repeated since."""

QUEUE_BYTES = 2_048
"""Most that waits here; the kernel holds some 4 to 8 KB more."""

LOOK_NS = 50 * NS_PER_MS
"""How long to wait for bytes before looking, where the kernel wakes whoever waits."""

ACM_LOOK_NS = 5 * NS_PER_MS
"""The same for cdc-acm, which on some Raspberry Pi kernels does not wake a waiting poll."""

_BOTH = struct.pack("I", termios.TIOCM_DTR | termios.TIOCM_RTS)
_CURES = {
    errno.ENOENT: "no such device: plug the node in, or set node.port to one that `k1edge devices serial` lists",
    errno.ENXIO: "the device went away while it was opened: check its cable",
    errno.ENODEV: "the device went away while it was opened: check its cable",
    errno.EACCES: "permission denied: add the user to the dialout group (`sudo usermod -aG dialout USER`, then log in anew), or install the udev rule",
    errno.EPERM: "not permitted: allow the device in the unit (DeviceAllow=) or install the udev rule",
    errno.EBUSY: "held by another program: end it (`fuser -v PATH` names it); the udev rule keeps ModemManager off",
    errno.EIO: "the device went away: unplugged, reset, or its cable is bad",
    errno.ETIMEDOUT: "the node has not read for 5 s; if this repeats, power-cycle the node",
    errno.ENOTTY: "not a serial device: set node.port to one that `k1edge devices serial` lists",
}
_CURES[errno.EAGAIN] = _CURES[errno.EBUSY]  # what the exclusive lock answers


def list_ports() -> list[SerialDevice]:
    """List the serial devices of this host, those that may be a K1 first."""
    by_id = {os.path.realpath(link): str(link) for link in BY_ID.iterdir()} if BY_ID.is_dir() else {}
    found = [
        SerialDevice(
            port.device,
            by_id.get(os.path.realpath(port.device)),
            port.vid,
            port.pid,
            port.serial_number,
            port.description,
            (port.vid, port.pid) == ESPRESSIF,
        )
        for port in comports.comports()
    ]
    return sorted(found, key=lambda device: (not device.likely_k1, device.path))


def cure(error: BaseException, path: str) -> str:
    """Say in one line what kept `path` from being opened or used, and what to do."""
    number = error.errno if isinstance(error, OSError) else error.args[0] if error.args else None
    known = _CURES.get(number) if isinstance(number, int) else None
    if number in {errno.EBUSY, errno.EAGAIN} and (found := holders(path)):
        known = f"held by another program, {', '.join(found)}: end it; the udev rule keeps ModemManager off"
    return f"{path}: {known.replace('PATH', path)}" if known else f"{path}: {error}"


DEFAULT_BAUD = 921_600
"""64 bytes in 0.7 ms: a clock frame must not wait for its own wire."""


class _BothLines(serial.Serial):  # type: ignore[misc]  # pyserial ships no types
    """pyserial with the modem lines left together: its two hooks for opening are all that is changed."""

    def _update_dtr_state(self) -> None:
        """Leave DTR as the kernel raised it; it is set together with RTS."""

    def _update_rts_state(self) -> None:
        """Assert DTR and RTS in one request; pyserial forgives a pty that it has neither (ENOTTY)."""
        fcntl.ioctl(self.fd, termios.TIOCMBIS, _BOTH)


class Wire:
    """An opened port: reads at once or not at all, writes from a small queue that forgets what is too old.

    Args:
        path: the device; opened raw and locked against other exclusive openers.
        baud: bits per second of a real UART; USB and a pty ignore it.

    Raises:
        OSError, termios.error: it cannot be opened; `cure` explains.
    """

    def __init__(self, path: str, baud: int = DEFAULT_BAUD) -> None:
        self.path = path
        self.look_ns = ACM_LOOK_NS if os.path.realpath(path).startswith("/dev/ttyACM") else LOOK_NS
        self.dropped = 0  # elements that expired or found no room
        self.blocked_since_ns: int | None = None  # the node has not read since
        self._queue: deque[tuple[bytes, int, bool]] = deque()  # bytes, queued at, its beginning is already sent
        self._port = _BothLines(path, baud, timeout=0, write_timeout=0, exclusive=True)
        self.fd: int = self._port.fileno()
        try:
            attributes = termios.tcgetattr(self.fd)
            attributes[2] &= ~termios.HUPCL
            attributes[6][termios.VMIN] = 1  # so that "nothing there" (EAGAIN) differs from "hung up" (no bytes)
            termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
        except GONE:
            self.close()
            raise

    def read(self) -> bytes:
        """Return what has arrived, b"" for nothing.

        Raises:
            OSError: the device is gone.
        """
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError(errno.EIO, "hung up")
        return data

    def send(self, elements: list[bytes], now_ns: int) -> None:
        """Queue elements, each for one write, and write what the device takes now.

        Raises:
            OSError: the device is gone.
        """
        waiting = self.waiting_bytes
        for element in elements:
            waiting += len(element)
            if waiting <= QUEUE_BYTES:
                self._queue.append((element, now_ns, False))
            else:
                self.dropped += 1
        self.flush(now_ns)

    def flush(self, now_ns: int) -> None:
        """Write what the device takes; an element that was begun is finished, one that waited too long is dropped.

        Raises:
            OSError: the device is gone.
        """
        while self._queue:
            element, queued_ns, begun = self._queue.popleft()
            if not begun and now_ns - queued_ns > EXPIRE_NS:
                self.dropped += 1
                continue
            try:
                count = os.write(self.fd, element)
            except BlockingIOError:
                count = 0
            if count:
                self.blocked_since_ns = None
            if count < len(element):
                self._queue.appendleft((element[count:], queued_ns, begun or count > 0))
                self.blocked_since_ns = now_ns if self.blocked_since_ns is None else self.blocked_since_ns
                return

    @property
    def waiting_bytes(self) -> int:
        """Bytes queued here, not yet the kernel's."""
        return sum(len(element) for element, _, _ in self._queue)

    def drain(self, until_ns: int) -> None:
        """Wait until the kernel has handed everything to the device, or until `until_ns`; never raises."""
        with contextlib.suppress(*GONE):
            while time.monotonic_ns() < until_ns:
                self.flush(time.monotonic_ns())
                if not self._queue and not self._kernel_bytes():
                    return
                time.sleep(0.002)

    def close(self) -> None:
        """Close without waiting for a node that does not read, as the kernel would for 30 s; never raises."""
        with contextlib.suppress(*GONE):
            if self._queue or self._kernel_bytes():  # else not: on a pty this would take back what is on its way
                termios.tcflush(self.fd, termios.TCOFLUSH)
        with contextlib.suppress(*GONE):
            self._port.close()

    def _kernel_bytes(self) -> int:
        return int(struct.unpack("I", fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(4)))[0])
