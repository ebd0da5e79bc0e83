"""Subscribers that talk, flood, freeze or vanish, on real sockets: FAULTS.md 39 and 40."""

import asyncio
import contextlib
import struct

import msgpack
import pytest

from k1edge.report import fanout
from k1edge.report.fanout import FanoutLimits
from tests.report.lan_scene import Lan, is_well, raw_subscriber, read, run
from tests.report.scene import until


def frame(opcode: int, content: bytes, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    head = bytes([0x80 | opcode, 0x80 | length]) if length < 126 else struct.pack("!BBQ", 0x80 | opcode, 0xFF, length)
    return head + b"\0\0\0\0" + content


DEEP = b"\x91" * 1000 + b"\xc0"
"""MessagePack: a thousand lists in each other."""


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(2, DEEP), 1008),
        (frame(2, msgpack.packb(msgpack.ExtType(42, b"x"))), 1008),
        (frame(1, b"[" * 100), 1008),
        (frame(1, b"\xff\xfe"), 1008),
        (frame(2, b"", size=2**62), 1009),
        (frame(2, b"x" * 1025), 1009),
        (frame(3, b""), 1002),
        (frame(9, b"x" * 126), 1002),
        (b"\x82\x01x", 1002),
        (frame(8, b"\x00"), 1002),
        (frame(0, b"x"), 1002),
        (b"\xf2\x80\0\0\0\0", 1002),
    ],
    ids=[
        "deep",
        "ext type",
        "deep JSON",
        "bad UTF-8",
        "2^62 bytes",
        "oversize",
        "opcode 3",
        "big ping",
        "unmasked",
        "bad close",
        "lone continuation",
        "reserved bits",
    ],
)
def test_fault_39_a_subscriber_that_talks_is_closed(sent: bytes, code: int) -> None:
    async def scenario(lan: Lan) -> None:
        loop = asyncio.get_running_loop()
        async with lan.subscribe(local_addr=("127.0.0.9", 0)) as other:
            await read(other)
            sock = await raw_subscriber(lan)
            await loop.sock_sendall(sock, sent)
            got = b""
            while chunk := await loop.sock_recv(sock, 4096):
                got += chunk
            sock.close()
            closing = got[got.rindex(b"\x88") :]
            assert struct.unpack("!H", closing[2:4])[0] == code
            lan.publish()
            assert (await read(other))["seq"] == 1

    run(scenario)


@pytest.mark.parametrize("flood", [frame(9, b"") * 1000, frame(10, b"x" * 100) * 1000, b"\0" * 100_000], ids=["pings", "pongs", "zeros"])
def test_fault_39_a_flood_of_small_frames_is_cut_off(flood: bytes) -> None:
    async def scenario(lan: Lan) -> None:
        sock = await raw_subscriber(lan)
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(sock, flood)
        await asyncio.wait_for(until(lambda: not lan.fanout.members), 5)  # before it is too slow or has answered no ping
        sock.close()
        await is_well(lan)

    run(scenario)


def test_fault_40_one_that_never_reads_loses_samples_and_is_closed_and_others_notice_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SWEEP_S", 0.05)

    async def scenario(lan: Lan) -> None:
        async with lan.subscribe(local_addr=("127.0.0.9", 0)) as healthy:
            await read(healthy)
            frozen = await raw_subscriber(lan, receive_bytes=4096)
            await until(lambda: len(lan.fanout.members) == 2)
            published = 0
            while lan.fanout.counts.lost < 50:
                lan.publish()
                published += 1
                assert (await read(healthy))["seq"] == published
            stuck = next(member for member in lan.fanout.members if member.address == "127.0.0.1")
            assert len(stuck._waiting) == 1
            assert published < 500  # the kernel keeps some for it, but not minutes of them
            await until(lambda: lan.fanout.counts.cut_off == 1)
            assert len(lan.fanout.members) == 1
            lan.publish()
            assert (await read(healthy))["seq"] == published + 1
            frozen.close()

    run(scenario, fanout_limits=FanoutLimits(slow_s=0.3))


def test_fault_40_one_that_reads_again_gets_the_newest_not_the_backlog() -> None:
    async def scenario(lan: Lan) -> None:
        loop = asyncio.get_running_loop()
        sock = await raw_subscriber(lan, receive_bytes=4096)
        await until(lambda: len(lan.fanout.members) == 1)
        while lan.fanout.counts.lost < 100:
            lan.publish()
        got = b""
        packed = msgpack.packb({"seq": lan.feed.seq})[1:]
        while packed not in got:
            got += await loop.sock_recv(sock, 65536)
        assert got.count(b"\xa9telemetry") < lan.feed.seq - 90
        assert next(iter(lan.fanout.members))._paused_at is None
        sock.close()

    run(scenario)


def test_fault_40_one_that_answers_no_ping_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half open: its host is gone, but nothing has said so."""
    monkeypatch.setattr(fanout, "SWEEP_S", 0.02)
    monkeypatch.setattr(fanout, "PINGS_S", 5)

    async def scenario(lan: Lan) -> None:
        sock = await raw_subscriber(lan)
        await until(lambda: lan.fanout.counts.cut_off == 1)
        assert not lan.fanout.members
        sock.close()

    run(scenario)
