import asyncio
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from k1edge.errors import PeerError
from k1edge.report.app import build_app
from k1edge.report.node_routes import node_routes
from k1edge.report.peer import may_control
from k1edge.timebase import NS_PER_S, HostTime
from tests.report.scene import SNAPSHOT


class Desk:
    def __init__(self, refusal: str = "") -> None:
        self.orders: list[tuple[int, int, int]] = []
        self.refusal = refusal

    def log(self, after: int, now: HostTime) -> list[dict[str, object]]:
        return [{"number": after + 1, "now": now > 0}]

    def flash(self, first_ns: HostTime, count: int, period_ns: int, now: HostTime) -> None:
        if self.refusal:
            raise PeerError(self.refusal)
        assert now < first_ns
        self.orders.append((first_ns, count, period_ns))

    def flashes(self, now: HostTime) -> dict[str, object]:
        return {"over": now < 0, "flashes": []}


class Trusted:
    """The application as the socket's server calls it: the connection's state says who may control."""

    def __init__(self, desk: Desk | None, *, trusted: bool) -> None:
        self.app = build_app(lambda: SNAPSHOT, node_routes(lambda: desk))
        self.trusted = trusted

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope | {"state": {"may_control": self.trusted}}, receive, send)


def ask(desk: Desk | None, method: str, path: str, *, trusted: bool = True, content: bytes = b"", **order: object) -> httpx.Response:
    async def asking() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Trusted(desk, trusted=trusted)), base_url="http://k1") as client:
            return await client.request(method, path, content=content) if content else await client.request(method, path, json=order)

    return asyncio.run(asking())


def soon() -> int:
    return time.monotonic_ns() + NS_PER_S


def test_the_journal_is_read_from_a_number_on() -> None:
    assert ask(Desk(), "GET", "/node/log?after=41").json() == {"entries": [{"number": 42, "now": True}]}
    assert ask(Desk(), "GET", "/node/log", trusted=False).json()["entries"][0]["number"] == 1
    for wrong in ("-1", "x", "1" * 30, "\u00b2"):
        assert ask(Desk(), "GET", f"/node/log?after={wrong}").status_code == 400


def test_a_flash_is_ordered_and_its_outcome_read() -> None:
    desk, first_ns = Desk(), soon()
    assert ask(desk, "POST", "/node/flash", first_ns=first_ns, count=3, period_ns=400_000_000).status_code == 202
    assert desk.orders == [(first_ns, 3, 400_000_000)]
    assert ask(desk, "GET", "/node/flash").json() == {"over": False, "flashes": []}


def test_fault_38_who_may_only_look_orders_nothing() -> None:
    desk = Desk()
    answer = ask(desk, "POST", "/node/flash", trusted=False, first_ns=soon())
    assert answer.status_code == 403
    assert "look, not control" in answer.json()["detail"]
    assert desk.orders == []


@pytest.mark.parametrize(
    "order",
    [
        {"first_ns": 5},
        {"first_ns": 1 << 62},
        {"first_ns": "soon"},
        {},
        {"count": 0},
        {"count": 65},
        {"period_ns": 1},
        {"colour": "red"},
    ],
)
def test_a_bad_order_is_refused_with_what_is_wrong(order: dict[str, object]) -> None:
    desk = Desk()
    answer = ask(desk, "POST", "/node/flash", **({"first_ns": soon()} | order if order else order))
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(tuple(order or {"first_ns": None}))
    assert desk.orders == []


@pytest.mark.parametrize(("content", "code"), [(b"{", 400), (b"\xff\xfe", 400), (b"[" * 900, 400), (b" " * 2_000, 413)])
def test_fault_37_hostile_bodies_are_refused(content: bytes, code: int) -> None:
    assert ask(Desk(), "POST", "/node/flash", content=content).status_code == code


def test_no_node_and_a_node_that_cannot_are_told_apart() -> None:
    assert ask(None, "POST", "/node/flash", first_ns=soon()).status_code == 404
    assert "node.port" in ask(None, "GET", "/node/log").json()["detail"]
    answer = ask(Desk("the node is closed: unplugged"), "POST", "/node/flash", first_ns=soon())
    assert (answer.status_code, answer.json()["detail"]) == (409, "the node is closed: unplugged")
    assert "use GET, HEAD, POST" in ask(Desk(), "DELETE", "/node/flash").json()["detail"]


class Peer:
    """A connection from somebody else."""

    family = socket.AF_UNIX

    def __init__(self, path: str, uid: int, gid: int, groups: Sequence[int]) -> None:
        self.path, self.credentials, self.groups = path, struct.pack("3i", 1, uid, gid), struct.pack(f"{len(groups)}I", *groups)

    def getsockname(self) -> str:
        return self.path

    def getsockopt(self, _level: int, option: int, _size: int) -> bytes:
        return self.credentials if option == socket.SO_PEERCRED else self.groups


def test_fault_38_root_ourselves_and_the_group_may_control(tmp_path: Any) -> None:
    path, group, stranger = str(tmp_path), os.stat(tmp_path).st_gid, os.getuid() + 4242  # noqa: PTH116 - a path is what a socket has
    assert may_control(Peer(path, 0, 7, []))
    assert may_control(Peer(path, os.getuid(), 7, []))
    assert may_control(Peer(path, stranger, group, []))
    assert may_control(Peer(path, stranger, 7, [5, group]))
    assert not may_control(Peer(path, stranger, group + 1, [group + 2]))
    assert not may_control(Peer(path + "/gone", stranger, group, [group]))
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket() as network:
        assert may_control(ours)
        assert not may_control(network)
