"""The LAN inside the daemon: whatever goes wrong there is a reason in status, and the sound is heard on."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from k1edge.config import load
from k1edge.daemon import Daemon, station
from k1edge.report.part import LanPart, Surroundings
from k1edge.snapshot import NetworkStatus
from tests.daemon.test_daemon import Sound, until

SESAME = "open-sesame-0123456789"


def run(folder: Path, scenario: Callable[[Daemon, Sound], Awaitable[None]], **network: object) -> None:
    settings = load(
        Path("/dev/null"),
        {},
        {"node.port": "off", "network.port": 0, "network.bind": "127.0.0.1"} | {f"network.{k}": v for k, v in network.items()},
    )
    sound = Sound()

    async def whole() -> None:
        daemon = Daemon(settings, sound, identity="k1e-test", socket=folder / "k1.sock", env={})
        running = asyncio.create_task(daemon.run())
        try:
            await until(lambda: sound.reads > 3)
            await scenario(daemon, sound)
        finally:
            daemon.stop()
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())
    assert sound.closed == 1


def lan(daemon: Daemon) -> NetworkStatus:
    network = daemon.snapshot().network
    assert network is not None
    return network


async def url(daemon: Daemon) -> str:
    await until(lambda: lan(daemon).port is not None)
    return f"127.0.0.1:{lan(daemon).port}"


async def still_hears(sound: Sound) -> None:
    reads = sound.reads
    await until(lambda: sound.reads > reads + 5)


def test_status_and_telemetry_are_served(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon, _: Sound) -> None:
        async with httpx.AsyncClient() as client:
            status = (await client.get(f"http://{await url(daemon)}/status")).json()
        assert status["id"] == "k1e-test"
        assert status["network"]["bind"] == "127.0.0.1"
        async with connect(f"ws://{await url(daemon)}/telemetry", proxy=None) as subscriber:
            got = [msgpack.unpackb(await subscriber.recv(decode=False)) for _ in range(4)]
        assert [message["type"] for message in got] == ["hello", "telemetry", "telemetry", "telemetry"]
        assert lan(daemon).sent >= 4
        assert daemon.snapshot().state == "running"

    run(tmp_path, scenario)


def test_off_is_nothing_at_all(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon, sound: Sound) -> None:
        await still_hears(sound)
        assert daemon.snapshot().network is None
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "lan"]

    run(tmp_path, scenario, bind="off")


def test_fault_48_a_taken_port_is_a_reason_and_no_more(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon, sound: Sound) -> None:
        port = int((await url(daemon)).partition(":")[2])
        (tmp_path / "second").mkdir()

        async def second(other: Daemon, other_sound: Sound) -> None:
            await until(lambda: bool(lan(other).reasons))
            snapshot = other.snapshot()
            assert snapshot.state == "degraded"
            assert snapshot.reasons == (f"network: port {port} is taken by another program; stop that one, or set network.port",)
            await still_hears(other_sound)

        await asyncio.to_thread(run, tmp_path / "second", second, port=port)
        assert lan(daemon).reasons == ()
        await still_hears(sound)

    run(tmp_path, scenario)


@pytest.mark.parametrize("missing", ["websockets.server", "msgpack"])
def test_fault_53_a_missing_library_turns_the_lan_off_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [
        name for name in sys.modules if name in {"k1edge.daemon.station", "k1edge.report.fanout", "k1edge.report.formats", missing}
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    async def scenario(daemon: Daemon, sound: Sound) -> None:
        await until(lambda: bool(lan(daemon).reasons))
        assert missing in lan(daemon).reasons[0]
        assert "install" in lan(daemon).reasons[0]
        await still_hears(sound)

    run(tmp_path, scenario)


class Fragile(LanPart):
    """Fails in every way there is."""

    name = "fragile"

    async def run(self) -> None:
        raise RuntimeError("no legs")


def test_a_part_that_fails_is_a_reason_and_the_rest_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unbuilt(_: Surroundings) -> LanPart:
        raise ImportError("no zeroconf", name="zeroconf")

    monkeypatch.setattr(station, "PARTS", (Fragile, unbuilt))

    async def scenario(daemon: Daemon, sound: Sound) -> None:
        async with connect(f"ws://{await url(daemon)}/telemetry", proxy=None) as subscriber:
            await subscriber.recv()
        await until(lambda: len(lan(daemon).reasons) == 2)
        assert set(lan(daemon).reasons) == {"fragile: RuntimeError: no legs", "unbuilt: zeroconf is missing; install k1edge anew"}
        await still_hears(sound)

    run(tmp_path, scenario)


def test_a_part_that_fails_when_told_something_has_the_lan_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(LanPart):
        def hopped(self, dsp_ns: int) -> None:
            raise RuntimeError("what?", dsp_ns)

    monkeypatch.setattr(station, "PARTS", (Deaf,))

    async def scenario(daemon: Daemon, sound: Sound) -> None:
        await until(lambda: bool(lan(daemon).reasons))
        assert lan(daemon).reasons[0].startswith("network: RuntimeError:")
        await still_hears(sound)

    run(tmp_path, scenario)


def test_fault_45_a_reload_takes_the_token_the_origins_and_the_rate(tmp_path: Path) -> None:
    async def scenario(daemon: Daemon, _: Sound) -> None:
        address = await url(daemon)
        flags: dict[str, object] = {"node.port": "off", "network.port": 0, "network.bind": "127.0.0.1"}
        early = await connect(f"ws://{address}/telemetry", proxy=None)
        daemon.reload(load(Path("/dev/null"), {}, flags | {"network.token": SESAME, "network.rate_hz": 50.0}))
        with contextlib.suppress(ConnectionClosed):
            while True:
                await early.recv()
        assert (lan(daemon).token, lan(daemon).rate_hz) == (True, 50.0)
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{address}/telemetry", proxy=None)
        async with connect(f"ws://{address}/telemetry?token={SESAME}", proxy=None) as subscriber:
            await subscriber.recv()
        daemon.reload(load(Path("/dev/null"), {}, flags))
        async with httpx.AsyncClient() as client:
            assert "pid" not in (await client.get(f"http://{address}/status")).json()["process"]

    run(tmp_path, scenario)


def test_a_token_file_that_can_not_be_read_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "token"

    async def scenario(daemon: Daemon, _: Sound) -> None:
        address = await url(daemon)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{address}/status")).status_code == 401
            assert str(file) in lan(daemon).reasons[0]
            file.write_text(SESAME + "\n")
            daemon.reload(daemon.settings)
            assert lan(daemon).reasons == ()
            known = await client.get(f"http://{address}/status", headers={"Authorization": f"Bearer {SESAME}"})
            assert known.json()["process"]["pid"]

    run(tmp_path, scenario, token=str(file))
