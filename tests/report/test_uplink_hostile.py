"""Hubs that sleep, lie or flood, and what is no hub at all: the connection is the most that it may cost."""

import asyncio
import base64
import hashlib
import socket
from collections.abc import Awaitable, Callable, Iterable

import msgpack
import pytest
from websockets.frames import Frame, Opcode

from k1edge.report import uplink as edge
from k1edge.report import uplink_session
from k1edge.timebase import NS_PER_MS
from tests.report.hub_scene import Hub, Line, free_port, meeting, raw_hub, run
from tests.report.hub_scene import hurried as hurried  # noqa: PLC0414 - a fixture
from tests.report.scene import until

pytestmark = pytest.mark.usefixtures("hurried")


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept the WebSocket by hand."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324 - RFC 6455
    writer.write(b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def before_the_handshake(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()

    return serve


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "does not answer"),
        (b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n", "no hub"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no hub"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "no hub"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000, "no hub"),
        (bytes(range(256)) * 100, "no hub"),
    ],
    ids=["mute", "wrong proof", "ssh", "headers", "body", "noise"],
)
def test_what_is_no_hub_is_told_apart(answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "OPEN_S", 0.3)
    port = free_port()

    async def scenario(line: Line) -> None:
        async with raw_hub(port, before_the_handshake(answer)):
            await line.failed(words)

    run(scenario, f"ws://127.0.0.1:{port}")


def frames(kind: Opcode, contents: Iterable[bytes], *, fin: bool = True) -> bytes:
    return b"".join(Frame(kind, content, fin).serialize(mask=False) for content in contents)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (frames(Opcode.BINARY, [b"x" * 2_000]), "breaks the protocol"),
        (b"\x82\x7f" + (1 << 62).to_bytes(8) + b"x" * 5_000, "breaks the protocol"),
        (Frame(Opcode.BINARY, b"masked").serialize(mask=True), "breaks the protocol"),
        (b"\xff\xff\xff\xff", "breaks the protocol"),
        (frames(Opcode.CLOSE, [(1008).to_bytes(2) + b"who \x1b[31mare you?"]), "(1008) who [31mare you?"),
        (frames(Opcode.BINARY, [b"\x91" * 1_000, b"", b"\xc1", msgpack.packb({"type": "ack", "alert_seq": 1 << 62})]), None),
        (frames(Opcode.TEXT, [b"{}", b"\xff\xfe"]), None),
        (frames(Opcode.BINARY, [b"never"] * 3, fin=False)[:7] + frames(Opcode.CONT, [b"ends"] * 50, fin=False), None),
        (frames(Opcode.PING, [b"p" * 125]) * 1_000 + frames(Opcode.PONG, [b""] * 1_000), None),
    ],
    ids=["large", "endless", "masked", "bits", "close", "nonsense", "text", "fragments", "pings"],
)
def test_a_hub_that_sends_anything_costs_the_connection_at_most(sent: bytes, words: str | None) -> None:
    port, calls = free_port(), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await shake_hands(reader, writer)
        writer.write(sent)
        while await reader.read(4096):
            pass

    async def scenario(line: Line) -> None:
        line.alert()
        async with raw_hub(port, serve):
            if words is not None:
                await line.failed(words)
                await until(lambda: calls >= 2)
            else:
                await line.connected()
                await asyncio.sleep(0.15)
                assert (line.status.state, line.status.waiting, calls) == ("connected", 1, 1)
            assert line.status.acknowledged == 0

    run(scenario, f"ws://127.0.0.1:{port}")


def test_a_flood_is_held_back_by_tcp_and_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "PULSE_S", 0.2)
    port, written = free_port(), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
        await shake_hands(reader, writer)
        flood = frames(Opcode.BINARY, [b"\x80"] * 2_000)
        while True:
            writer.write(flood)
            await writer.drain()
            written += len(flood)

    async def scenario(line: Line) -> None:
        async with raw_hub(port, serve):
            await line.connected()
            await asyncio.sleep(0.1)
            first = line.status.ignored
            await asyncio.sleep(0.5)
            assert line.status.state == "connected"
            assert 0 < line.status.ignored - first < 3_500  # two or three measures of 400 and the slice that was begun
            assert written < 2_000_000
            line.alert()
            await until(lambda: line.status.sent == 1)  # and we are heard all the same

    run(scenario, f"ws://127.0.0.1:{port}")


def test_a_silent_hub_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_session, "SILENT_NS", 200 * NS_PER_MS)
    monkeypatch.setattr(edge, "PINGS", 1_000_000)
    port = free_port()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        while await reader.read(4096):
            pass

    async def scenario(line: Line) -> None:
        async with raw_hub(port, serve):
            await line.failed("silent")

    run(scenario, f"ws://127.0.0.1:{port}")


def test_pings_keep_a_quiet_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_session, "SILENT_NS", 200 * NS_PER_MS)
    monkeypatch.setattr(edge, "PINGS", 2)

    async def scenario(line: Line, hub: Hub) -> None:
        await line.connected()
        await asyncio.sleep(0.5)
        assert line.status.state == "connected"
        assert len(hub.heard) == 1

    meeting(scenario)


def test_a_hub_that_reads_slowly_gets_the_newest_and_costs_no_memory() -> None:
    port, reads = free_port(), asyncio.Event()
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reads.wait()
        while chunk := await reader.read(65_536):
            got.append(chunk)

    async def scenario(line: Line) -> None:
        async with raw_hub(port, serve):
            await line.connected()
            for _ in range(300):
                line.telemetry()
                await asyncio.sleep(0)
            line.alert()
            assert line.status.lost > 100
            assert line.status.sent < 150
            sent = line.status.sent
            reads.set()
            await until(lambda: line.status.sent == sent + 2)  # the alert, and the newest telemetry
            assert line.feed.seq == 301

    run(scenario, f"ws://127.0.0.1:{port}")


def test_a_hub_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_session, "SILENT_NS", 200 * NS_PER_MS)
    port = free_port()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        while not writer.is_closing():  # it talks, so it is not silent
            writer.write(frames(Opcode.PONG, [b""]))
            await asyncio.sleep(0.02)

    async def scenario(line: Line) -> None:
        async with raw_hub(port, serve):
            await line.connected()
            while line.status.reason is None:
                line.telemetry()
                await asyncio.sleep(0.001)
            assert "does not read" in line.status.reason

    run(scenario, f"ws://127.0.0.1:{port}")
