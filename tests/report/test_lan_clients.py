"""Hostile and helpless clients against the real server on loopback: FAULTS.md 37, 39 and 48."""

import asyncio
import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import pytest

from k1edge.report import server
from k1edge.report.lan import LAN_LIMITS
from k1edge.report.server import Limits
from tests.report.lan_scene import SESAME, Lan, handshake, is_well, raw_subscriber, read, run
from tests.report.scene import until


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"x" * 10_000_000,
        b"GET /status HTTP/1.1\r\nx: " + b"y" * 10_000_000,
        b"GET /status HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(100_000)),
        b"\xff\xfe\xc3\x28 /status HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100,
        b"GET /status HTTP/1.1\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["10 MB line", "10 MB header", "10^5 headers", "bad UTF-8", "zeros", "TLS", "no host", "two hosts", "HTTP/2"],
)
def test_fault_39_nonsense_is_refused(request_bytes: bytes) -> None:
    async def scenario(lan: Lan) -> None:
        reader, writer = await lan.raw(request_bytes)
        with contextlib.suppress(ConnectionResetError):  # it was still writing when it was refused
            assert (await reader.read(65536)).split()[1] in {b"400", b"405"}
        writer.close()
        await is_well(lan)
        await until(lambda: lan.server.clients == 0)

    run(scenario)


@pytest.mark.parametrize("headers", [[], ["sec-websocket-version: 12"], ["Sec-WebSocket-Key: b"], ["X: " + "y" * 9000]])
def test_fault_39_half_a_handshake_is_refused(headers: list[str]) -> None:
    async def scenario(lan: Lan) -> None:
        request = handshake(lan, *headers)
        if not headers:
            request = request.replace(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Key: short")
        reader, writer = await lan.raw(request)
        answer = await reader.read()
        assert answer.split()[1:2] in ([b"400"], [])
        assert not lan.fanout.members
        writer.close()

    run(scenario)


def test_fault_37_a_slow_request_runs_out_of_time() -> None:
    async def scenario(lan: Lan) -> None:
        mute, half = await lan.raw(b""), await lan.raw(b"GET /status HT")
        drip = asyncio.create_task(trickle(half[1]))
        for reader, writer in (mute, half):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
            writer.close()
        drip.cancel()
        await asyncio.gather(drip, return_exceptions=True)
        await is_well(lan)

    run(scenario, limits=Limits(request_s=0.1))


async def trickle(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


def test_fault_39_a_body_is_not_taken() -> None:
    async def scenario(lan: Lan) -> None:
        head = f"Host: 127.0.0.1:{lan.port}\r\n".encode()
        for request in (
            b"GET /status HTTP/1.1\r\n" + head + b"content-length: 1000000000\r\n\r\n" + b"z" * 1_000_000,
            b"GET /status HTTP/1.1\r\n" + head + b"transfer-encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"z" * 65_535,
        ):
            reader, writer = await lan.raw(request)
            assert (await reader.readuntil(b"\r\n")).split()[1] == b"413"
            writer.close()
        await until(lambda: lan.server.clients == 0)

    run(scenario)


def test_fault_37_500_clients_leave_the_others_alone() -> None:
    """From one address, which costs them their own connections; a subscriber at another is not touched."""

    async def scenario(lan: Lan) -> None:
        async with lan.subscribe(local_addr=("127.0.0.9", 0)) as subscriber:
            await read(subscriber)
            crowd = [await lan.raw(b"") for _ in range(500)]
            await is_well(lan)  # behind them all in the queue, so they have been looked at
            assert lan.server.clients <= (LAN_LIMITS.most_per_address or 0)
            took = []
            for _ in range(30):
                begin = time.perf_counter()
                await is_well(lan)
                took.append(time.perf_counter() - begin)
            lan.publish()
            assert (await read(subscriber))["seq"] == 1
            assert sorted(took)[28] < 0.5  # far from any time-out, wide of a loaded machine
            for _, writer in crowd:
                writer.close()

    run(scenario)


def test_fault_37_a_crowd_from_many_addresses_stays_within_the_total() -> None:
    async def scenario(lan: Lan) -> None:
        crowd = [await lan.raw(b"", source=f"127.0.0.{10 + n % 50}") for n in range(300)]
        await until(lambda: lan.server.clients == LAN_LIMITS.most_clients)
        await is_well(lan)
        for _, writer in crowd:
            writer.close()

    run(scenario)


def highest_descriptor() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())


def test_fault_48_without_descriptors_subscribers_go_and_the_server_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SHED_S", 0.1)

    async def scenario(lan: Lan) -> None:
        subscribers = [await raw_subscriber(lan) for _ in range(8)]
        await until(lambda: len(lan.fanout.members) == 8)
        waiting = socket.socket()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest_descriptor() + 1, hard))
        held = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.dup(0))
            waiting.setblocking(False)
            await asyncio.get_running_loop().sock_connect(waiting, ("127.0.0.1", lan.port))
            await until(lambda: len(lan.fanout.members) == 4)
        finally:
            for number in held:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: lan.server.clients == 1)
        await is_well(lan)
        for sock in (*subscribers, waiting):
            sock.close()

    run(scenario)


def test_no_detail_for_strangers_and_reading_only() -> None:
    async def scenario(lan: Lan) -> None:
        code, headers, body = await lan.get()
        assert code == 200
        assert not {"server", "date", "x-powered-by"} & headers.keys()
        for hidden in (b"firmware", b"kept_text", b"/dev/ttyACM0", b'"pid"'):
            assert hidden not in body
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
            code, headers, _ = await lan.get(method=method)
            assert (code, headers["allow"]) == (405, "GET, HEAD")
        code, headers, body = await lan.get(method="HEAD")
        assert (code, body) == (200, b"")

    run(scenario)


def test_pages_of_other_sites_may_read_only_when_listed() -> None:
    async def scenario(lan: Lan) -> None:
        listed, stranger = "Origin: http://wall.local", "Origin: http://evil.example.com"
        code, headers, _ = await lan.get("/status", listed)
        assert (code, headers["access-control-allow-origin"], headers["vary"]) == (200, "http://wall.local", "Origin")
        code, headers, _ = await lan.get("/status", listed, "Access-Control-Request-Method: GET", method="OPTIONS")
        assert (code, headers["access-control-allow-headers"]) == (204, "Authorization")
        code, headers, _ = await lan.get("/status", stranger)
        assert (code, "access-control-allow-origin" in headers) == (403, False)
        assert (await lan.get("/status", "Host: rebound.example.com"))[0] == 421

    run(scenario, origins=("http://wall.local",))


def test_with_a_token_nothing_is_told_without_it() -> None:
    async def scenario(lan: Lan) -> None:
        for path in ("/status", "/healthz", "/nothing"):
            code, headers, body = await lan.get(path)
            assert code == 401
            assert SESAME.encode() not in body
            assert "www-authenticate" in headers
        assert (await lan.get("/status?token=" + SESAME))[0] == 401
        assert (await lan.get("/status", f"Authorization: Bearer {SESAME}"))[0] == 200

    run(scenario, token=SESAME)
