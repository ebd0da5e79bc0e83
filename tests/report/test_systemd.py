import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from k1edge.report.systemd import Notifier


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        yield sock


def test_says_what_systemd_understands(manager: socket.socket, folder: Path) -> None:
    manager.bind(str(folder / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": str(folder / "notify")})
    notifier.ready("listening to k1mon")
    notifier.status("locked\nREADY=1")
    notifier.feed_watchdog()
    notifier.stopping()
    said = [manager.recv(1000) for _ in range(4)]
    assert said == [b"READY=1\nSTATUS=listening to k1mon", b"STATUS=locked READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    notifier.reloading()
    assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_fault_49_abstract_socket(manager: socket.socket) -> None:
    name = f"k1edge-test-{os.getpid()}"
    manager.bind(f"\0{name}")
    Notifier({"NOTIFY_SOCKET": f"@{name}"}).status("hello")
    assert manager.recv(1000) == b"STATUS=hello"


@pytest.mark.parametrize("address", ["/nonexistent/notify", "@k1edge-nobody-listens", "vsock:2:1234", "x" * 300, "/bad\0name"])
def test_fault_49_bad_socket_is_named_once(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    with capture_logs() as logs:
        notifier.ready("up")
        notifier.feed_watchdog()
    assert [entry["event"] for entry in logs] == ["systemd can't be told"]


def test_fault_49_a_manager_that_does_not_read_holds_nobody_up(manager: socket.socket, folder: Path) -> None:
    manager.bind(str(folder / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": str(folder / "notify")})
    with capture_logs() as logs:
        for _ in range(5000):
            notifier.feed_watchdog()
    assert len(logs) == 1
    manager.recv(1000)


def test_fault_49_no_systemd() -> None:
    notifier = Notifier({})
    with capture_logs() as logs:
        notifier.ready("up")
    assert logs == []
    assert notifier.watchdog_s is None


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_is_ours_or_none(env: dict[str, str], expected: float | None) -> None:
    assert Notifier(env).watchdog_s == expected
