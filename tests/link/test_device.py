import errno
import fcntl
import os
import termios
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from k1edge.link import device
from k1edge.link.address import SerialDevice, find, same_id
from k1edge.link.backoff import Backoff
from k1edge.link.device import EXPIRE_NS, QUEUE_BYTES, Wire, cure, list_ports
from k1edge.timebase import NS_PER_MS, NS_PER_S

MODEM_REQUESTS = {termios.TIOCMSET, termios.TIOCMBIS, termios.TIOCMBIC}


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    os.set_blocking(master, False)
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_opening_never_touches_one_modem_line_alone(pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bytes]] = []
    real = fcntl.ioctl

    def spy(fd: int, request: int, arg: bytes = b"", *rest: bool) -> object:
        if request in MODEM_REQUESTS:
            asked.append((request, arg))
            return 0  # a pty has no modem lines
        return real(fd, request, arg, *rest)

    monkeypatch.setattr(fcntl, "ioctl", spy)
    Wire(pty[1]).close()
    both = (termios.TIOCM_DTR | termios.TIOCM_RTS).to_bytes(4, "little")
    assert asked == [(termios.TIOCMBIS, both)]


def test_a_port_without_modem_lines_is_opened_and_hupcl_is_cleared(pty: tuple[int, str]) -> None:
    wire = Wire(pty[1])
    attributes = termios.tcgetattr(wire.fd)
    assert not attributes[2] & termios.HUPCL
    assert not attributes[3] & (termios.ECHO | termios.ICANON)
    wire.close()


def test_fault_16_only_one_wire_at_a_time(pty: tuple[int, str]) -> None:
    wire = Wire(pty[1])
    with pytest.raises(OSError, match="lock") as caught:
        Wire(pty[1])
    assert "held by another program" in cure(caught.value, pty[1])
    wire.close()
    Wire(pty[1]).close()


def test_what_is_written_arrives_and_what_arrives_is_read(pty: tuple[int, str]) -> None:
    wire = Wire(pty[1])
    assert wire.read() == b""
    wire.send([b"one\r\n", b"\x00\x11\x13"], 0)
    assert os.read(pty[0], 100) == b"one\r\n\x00\x11\x13"
    os.write(pty[0], b"\x03\x04\n\x00")
    assert wire.read() == b"\x03\x04\n\x00"
    wire.close()


def test_fault_13_a_peer_that_is_gone_is_an_error_with_a_cure() -> None:
    master, slave = os.openpty()
    wire = Wire(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    with pytest.raises(OSError, match=r".") as caught:
        wire.read()
    assert "went away" in cure(caught.value, "/dev/ttyACM7")
    with pytest.raises(OSError, match=r"."):
        wire.send([b"x"], 0)
    wire.drain(0)
    wire.close()


def test_fault_18_what_a_deaf_node_does_not_read_expires_and_never_piles_up(pty: tuple[int, str]) -> None:
    wire = Wire(pty[1])
    sent, now = 0, 0
    for now in range(0, 20 * NS_PER_S, 5 * NS_PER_MS):
        wire.send([b"%08d" % (now // NS_PER_MS) * 8], now)
        sent += 1
        assert wire.waiting_bytes <= QUEUE_BYTES
    assert wire.blocked_since_ns is not None
    assert now - wire.blocked_since_ns > 5 * NS_PER_S
    assert wire.dropped > 0
    heard = b""
    while chunk := read_all(pty[0]):
        heard += chunk
        wire.flush(now)
    assert wire.waiting_bytes == 0
    assert wire.blocked_since_ns is None
    assert len(heard) % 64 == 0  # an element that was begun was finished
    numbers = [int(heard[start : start + 8]) for start in range(0, len(heard), 64)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + wire.dropped == sent
    assert numbers[-1] * NS_PER_MS >= now - EXPIRE_NS
    wire.close()


def read_all(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(errno.EACCES, "x"), "dialout"),
        (OSError(errno.EBUSY, "x"), "fuser -v /dev/k1"),
        (BlockingIOError(errno.EAGAIN, "x"), "ModemManager"),
        (FileNotFoundError(errno.ENOENT, "x"), "plug the node in"),
        (PermissionError(errno.EPERM, "x"), "DeviceAllow"),
        (termios.error(errno.EIO, "x"), "went away"),
        (termios.error(errno.ENOTTY, "x"), "not a serial device"),
        (OSError("no number"), "no number"),
        (termios.error(), "/dev/k1"),
    ],
)
def test_fault_15_each_failure_has_its_cure(error: BaseException, says: str) -> None:
    assert says in cure(error, "/dev/k1")


def test_ports_are_listed_with_those_that_may_be_a_k1_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def port(path: str, vid: int | None, pid: int | None) -> SimpleNamespace:
        return SimpleNamespace(device=path, vid=vid, pid=pid, serial_number="S", description="D")

    listed = [port("/dev/ttyACM0", 0x2341, 0x0043), port("/dev/ttyACM1", 0x303A, 0x1001), port("/dev/ttyS0", None, None)]
    monkeypatch.setattr(device.comports, "comports", lambda: listed)
    assert [(found.path, found.likely_k1) for found in list_ports()] == [
        ("/dev/ttyACM1", True),
        ("/dev/ttyACM0", False),
        ("/dev/ttyS0", False),
    ]


def usb(path: str, serial: str | None, vid: int = 0x303A, pid: int = 0x1001) -> SerialDevice:
    return SerialDevice(path, None, vid, pid, serial, "", (vid, pid) == (0x303A, 0x1001))


ONE, TWO, ARDUINO = usb("/dev/a", "24:58:7C:00:00:01"), usb("/dev/b", "24:58:7C:00:00:02"), usb("/dev/c", "9", 0x2341, 0x43)


@pytest.mark.parametrize(
    ("port", "devices", "pinned", "met", "path", "says"),
    [
        ("auto", [ARDUINO, ONE], None, None, "/dev/a", None),
        ("auto", [ARDUINO], None, None, None, "no K1"),
        ("auto", [], None, None, None, "no K1"),
        ("auto", [ONE, TWO], None, None, None, "2 boards"),
        ("auto", [ONE, TWO], None, "24:58:7C:00:00:02", "/dev/b", None),
        ("auto", [ONE], None, "24:58:7C:00:00:02", None, "another board"),
        ("auto", [ONE, TWO], "24587c000002", None, "/dev/b", None),
        ("2341:0043", [ARDUINO, ONE], None, None, "/dev/c", None),
        ("303a:1001:24587C000002", [ONE, TWO], None, None, "/dev/b", None),
        ("303A:1001:24:58:7C:00:00:01", [ONE, TWO], None, None, "/dev/a", None),
        ("303A:1001:24587C000009", [ONE, TWO], None, None, None, "no serial device 303A:1001:24587C000009"),
        ("/dev/serial/by-id/k1", [ONE, TWO], None, "other", "/dev/serial/by-id/k1", None),
    ],
)
def test_fault_14_the_device_is_chosen_by_identity(
    port: str, devices: list[SerialDevice], pinned: str | None, met: str | None, path: str | None, says: str | None
) -> None:
    found = find(port, devices, unique_id=pinned, met_serial=met, attempt=3)
    assert found.path == path
    assert (found.reason is None) == (says is None)
    assert says is None or says in str(found.reason)


def test_with_a_pinned_node_the_boards_take_turns() -> None:
    nameless = [usb("/dev/a", None), usb("/dev/b", None)]
    assert [find("auto", nameless, unique_id="X", met_serial=None, attempt=k).path for k in range(3)] == ["/dev/a", "/dev/b", "/dev/a"]


def test_ids_are_compared_without_separators_and_case() -> None:
    assert same_id("24:58:7C", "24-58-7c")
    assert not same_id("24:58:7C", None)
    assert not same_id("24:58:7C", "24:58:7D")


class Highest:
    """A source of chance that always says the most."""

    def uniform(self, _low: float, high: float) -> float:
        return high


def test_pauses_double_to_their_longest_and_begin_again() -> None:
    backoff = Backoff(Highest())  # type: ignore[arg-type]  # one method of Random is all it needs
    assert [backoff.next_ns() / NS_PER_S for _ in range(7)] == [0.25, 0.5, 1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_ns() == 250 * NS_PER_MS
    assert backoff.next_ns(slow=True) == 5 * NS_PER_S
    backoff.tries = 10**6
    assert backoff.next_ns() == 5 * NS_PER_S
