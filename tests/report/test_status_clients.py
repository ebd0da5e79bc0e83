import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest

from k1edge.report.server import Limits
from k1edge.report.status import StatusServer
from tests.report.scene import GET, ask, run, until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def test_fault_37_half_a_request_runs_out_of_time(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(server: StatusServer) -> None:
        mute = await asyncio.open_unix_connection(str(path))
        half = await asyncio.open_unix_connection(str(path))
        half[1].write(GET[:20])
        trickle = asyncio.create_task(drip(half[1]))
        for reader, writer in (mute, half):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
            writer.close()
        trickle.cancel()
        await until(lambda: server.clients == 0)
        assert (await ask(path))[0] == 200

    run(path, scenario, Limits(request_s=0.1))


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"x" * 10_000_000,
        b"GET /status HTTP/1.1\r\nx: " + b"y" * 10_000_000,
        b"\xff\xfe\xc3\x28 /status HTTP/1.1\r\n\r\n",
        "GET /stätüs HTTP/1.1\r\n\r\n".encode(),
        b"\0" * 100,
        b"GET /status HTTP/1.1\r\n\r\n",
    ],
    ids=["10 MB line", "10 MB header", "bad UTF-8", "raw UTF-8", "zeros", "no host"],
)
def test_fault_37_nonsense_is_refused(folder: Path, request_bytes: bytes) -> None:
    path = folder / "k.sock"

    async def scenario(server: StatusServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(request_bytes)
        with contextlib.suppress(ConnectionResetError):  # it was still writing when it was refused
            assert (await reader.read(65536)).split()[1] == b"400"
        writer.close()
        await until(lambda: server.clients == 0)
        assert (await ask(path))[0] == 200

    run(path, scenario)


def test_fault_37_a_big_body_is_not_kept(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(server: StatusServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"POST /status HTTP/1.1\r\nhost: k1\r\ncontent-length: 1000000000\r\n\r\n" + b"z" * 1_000_000)
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"405"
        await until(lambda: server.clients == 0)
        writer.close()

    run(path, scenario, Limits(request_s=0.2))


def test_fault_37_a_client_that_never_reads_is_dropped(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(server: StatusServer) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            await loop.sock_connect(deaf, str(path))
            sending = asyncio.create_task(loop.sock_sendall(deaf, GET * 20_000))
            await until(lambda: server.clients == 1)
            assert (await ask(path))[0] == 200
            await until(lambda: server.clients == 0)
            with pytest.raises(OSError, match=r"Broken pipe|reset"):
                await sending

    run(path, scenario, Limits(request_s=0.3))


def test_fault_37_500_clients_leave_the_others_alone(folder: Path) -> None:
    path = folder / "k.sock"

    async def scenario(server: StatusServer) -> None:
        crowd = [await connected(path) for _ in range(500)]
        assert server.clients <= Limits().most_clients
        took = []
        for _ in range(50):
            begin = time.perf_counter()
            assert (await ask(path))[0] == 200
            took.append(time.perf_counter() - begin)
        assert sorted(took)[48] < 0.5  # far from any time-out, wide of a loaded machine
        for _, writer in crowd:
            writer.close()

    run(path, scenario)


async def connected(path: Path) -> Streams:
    while True:
        try:
            return await asyncio.open_unix_connection(str(path))
        except BlockingIOError:  # the backlog is full for a moment
            await asyncio.sleep(0.001)
