"""A LAN server on loopback for the length of a scenario: the real sockets, the real guard, the real fan-out."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect

from k1edge.config import NetworkSettings
from k1edge.report.app import STRANGERS_HIDDEN, build_app
from k1edge.report.fanout import Fanout, FanoutLimits
from k1edge.report.feed import Feed
from k1edge.report.guard import Guard, GuardedApp
from k1edge.report.lan import LAN_LIMITS, LanServer
from k1edge.report.server import Limits
from k1edge.report.telemetry import HelloMessage
from tests.report.scene import SNAPSHOT, until

SESAME = "open-sesame-0123456789"
WALL_NS = 1_800_000_000_000_000_000


@dataclass(slots=True)
class Lan:
    """What a scenario may touch."""

    feed: Feed
    fanout: Fanout
    server: LanServer

    @property
    def port(self) -> int:
        assert self.server.port is not None
        return self.server.port

    def publish(self) -> None:
        self.feed.telemetry(lambda: SNAPSHOT, WALL_NS)

    def subscribe(self, query: str = "", **options: Any) -> Any:
        return connect(f"ws://127.0.0.1:{self.port}/telemetry{query}", proxy=None, **options)

    async def raw(self, request: bytes, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        writer.write(request)
        return reader, writer

    async def get(self, path: str = "/status", *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        lines = [f"{method} {path} HTTP/1.1", *headers]
        if not any(header.lower().startswith("host:") for header in headers):
            lines.append(f"Host: 127.0.0.1:{self.port}")
        reader, writer = await self.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        first, *rest = head.decode("latin-1").split("\r\n")
        return int(first.split()[1]), {line.partition(":")[0].lower(): line.partition(": ")[2] for line in rest}, body


def run(
    scenario: Callable[[Lan], Awaitable[None]],
    *,
    token: str = "",
    origins: tuple[str, ...] = (),
    limits: Limits = LAN_LIMITS,
    fanout_limits: FanoutLimits = FanoutLimits(),  # noqa: B008 - frozen
    **network: Any,
) -> None:
    """Serve on a free port of loopback; nothing may be left behind."""

    async def served() -> None:
        settings = NetworkSettings(**({"bind": "127.0.0.1", "port": 0} | network))
        guard = Guard(token, origins)
        feed = Feed(SNAPSHOT.id)
        fanout = Fanout(feed, guard, lambda: hello(feed), fanout_limits)
        app = GuardedApp(build_app(lambda: SNAPSHOT, hidden=lambda: STRANGERS_HIDDEN), guard)
        server = LanServer(settings, app, fanout.upgrade, fanout.shed, limits)
        serving = asyncio.create_task(server.run())
        try:
            await asyncio.wait_for(until(lambda: server.port is not None), 10)
            await asyncio.wait_for(scenario(Lan(feed, fanout, server)), 30)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not fanout.members
        assert not feed.wanted

    asyncio.run(served())


def hello(feed: Feed) -> HelloMessage:
    return HelloMessage(id=feed.identity, seq=feed.seq, wall_ms=0.0, monotonic_ns=0, version="0", rate_hz=10.0)


async def read(connection: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = msgpack.unpackb(await connection.recv(decode=False))
    return found


def handshake(lan: Lan, *headers: str, path: str = "/telemetry") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{lan.port}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *headers, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode("latin-1")


async def raw_subscriber(lan: Lan, source: str = "127.0.0.1", receive_bytes: int | None = None) -> socket.socket:
    """A subscriber that reads nothing by itself after its handshake."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.setblocking(False)
    sock.bind((source, 0))
    await loop.sock_connect(sock, ("127.0.0.1", lan.port))
    await loop.sock_sendall(sock, handshake(lan))
    assert b" 101 " in await loop.sock_recv(sock, 4096)
    return sock


async def is_well(lan: Lan) -> None:
    code, _, _ = await lan.get()
    assert code == 200
