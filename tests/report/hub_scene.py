"""A hub stand-in on loopback, and an uplink that calls it, for the length of a scenario. Pauses of seconds are made short."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from k1edge.config import Settings, TelemetrySettings
from k1edge.report import uplink as edge
from k1edge.report import uplink_session
from k1edge.report.feed import Feed
from k1edge.report.part import Surroundings
from k1edge.report.uplink import AlertStore, Uplink
from k1edge.snapshot import NetworkStatus, Snapshot, UplinkStatus
from k1edge.timebase import NS_PER_MS, HostTime
from tests.report.lan_scene import WALL_NS
from tests.report.scene import ALERT, NETWORK, SNAPSHOT, until

SESAME = "open-sesame-0123456789"

Check = Callable[[ServerConnection, Request], Response | None]


@dataclass
class Hub:
    """Keeps what it gets; acknowledges alerts unless told otherwise."""

    acknowledges: bool = True
    wants: dict[str, Any] | None = None
    heard: list[list[dict[str, Any]]] = field(default_factory=list)  # by connection
    asked: list[Request] = field(default_factory=list)
    port: int = 0
    server: Server | None = None

    async def start(self, check: Check | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.server = await serve(self._serve, "127.0.0.1", self.port, process_request=check, ssl=tls, close_timeout=0.2)
        self.port = next(iter(self.server.sockets)).getsockname()[1]

    async def die(self) -> None:
        """As by SIGKILL: no goodbye."""
        assert self.server is not None
        for connection in self.server.connections:
            connection.transport.abort()
        self.server.close()
        await self.server.wait_closed()

    def alerts(self) -> list[int]:
        """Numbers of the alerts, as they came."""
        return [message["alert_seq"] for messages in self.heard for message in messages if message["type"] == "alert"]

    def kinds(self) -> list[str]:
        return [message["type"] for messages in self.heard for message in messages]

    async def _serve(self, connection: ServerConnection) -> None:
        heard: list[dict[str, Any]] = []
        self.heard.append(heard)
        assert connection.request is not None
        self.asked.append(connection.request)
        if self.wants is not None:
            await connection.send(msgpack.packb({"type": "want", **self.wants}))
        with contextlib.suppress(ConnectionClosed):
            async for frame in connection:
                assert isinstance(frame, bytes)
                heard.append(msgpack.unpackb(frame))
                if heard[-1]["type"] == "alert" and self.acknowledges:
                    await connection.send(msgpack.packb({"type": "ack", "alert_seq": heard[-1]["alert_seq"]}))


@dataclass
class Line:
    """What a scenario may touch."""

    feed: Feed
    uplink: Uplink

    @property
    def status(self) -> UplinkStatus:
        shown = self.uplink.shown()["uplink"]
        assert isinstance(shown, UplinkStatus)
        return shown

    def telemetry(self) -> None:
        self.feed.telemetry(lambda: SNAPSHOT, WALL_NS)

    def alert(self, number: int = 1) -> None:
        self.feed.alert(ALERT.model_copy(update={"id": number, "end_ns": None}), HostTime(1), WALL_NS)

    async def connected(self) -> None:
        await until(lambda: self.status.state == "connected")

    async def failed(self, words: str = "") -> str:
        """Wait for a reason with these words in it, and return it."""
        seen = dict.fromkeys([self.status.reason])
        try:
            async with asyncio.timeout(5):
                while words not in (reason := self.status.reason or "\0") or reason == "\0":
                    seen[reason] = None
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pytest.fail(f"{words!r} is in none of {list(seen)}")
        return reason


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of 10 to 40 ms."""
    monkeypatch.setattr(uplink_session, "FIRST_PAUSE_NS", 10 * NS_PER_MS)
    monkeypatch.setattr(uplink_session, "LONGEST_PAUSE_NS", 40 * NS_PER_MS)
    monkeypatch.setattr(edge, "PULSE_S", 0.02)
    monkeypatch.setattr(edge, "LOOK_S", 0.02)


def run(
    scenario: Callable[[Line], Awaitable[None]],
    address: str,
    *,
    token: str = "",
    ca: str = "",
    network: Callable[[], NetworkStatus] = lambda: NETWORK,
    store: AlertStore | None = None,
) -> None:
    """Run an uplink beside the scenario; nothing may be left behind."""
    settings = Settings(telemetry=TelemetrySettings(uplink=address, uplink_token=token, uplink_ca=ca))

    def snapshot() -> Snapshot:
        return SNAPSHOT.model_copy(update={"network": network()})

    async def whole() -> None:
        feed = Feed("k1e-1")
        uplink = Uplink(Surroundings(settings, "k1e-1", snapshot, feed, lambda: None), store)
        calling = asyncio.create_task(uplink.run())
        try:
            await asyncio.wait_for(scenario(Line(feed, uplink)), 20)
        finally:
            calling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await calling
        await asyncio.wait_for(until(lambda: len(asyncio.all_tasks()) <= 2), 5)  # this one and that of wait_for

    asyncio.run(whole())


def meeting(scenario: Callable[[Line, Hub], Awaitable[None]], hub: Hub | None = None, **options: str) -> Hub:
    """A scenario with a hub that is well."""
    hub = hub or Hub()
    hub.port = free_port()

    async def whole(line: Line) -> None:
        await hub.start()
        try:
            await scenario(line, hub)
        finally:
            await hub.die()

    run(whole, f"ws://127.0.0.1:{hub.port}/fleet", **options)
    return hub


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def raw_hub(port: int, serve_one: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[None]:
    """Whatever `serve_one` does with a connection; all of them are cut at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve_one(reader, writer)

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind(("127.0.0.1", port))
    server = await asyncio.start_server(one, sock=sock, limit=4096)
    try:
        yield
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()
