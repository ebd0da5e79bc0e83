"""The daemon as a whole, with sounds that fail on purpose. No sound card, no node, a real socket."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from k1edge.audio.source import AudioBlock, AudioHealth, AudioState, EndOfStreamError
from k1edge.config import Settings, load
from k1edge.daemon import Daemon, PartFailedError
from k1edge.report.instance import AlreadyRunningError
from k1edge.timebase import AffineMap, SampleIndex

PATIENCE_S = 20.0
"""For things that take milliseconds, on a machine that may be busy."""


class Sound:
    """A source that plays silence at any speed; `trouble` may raise in `read`."""

    def __init__(self, trouble: Callable[[int], None] = lambda _: None) -> None:
        self.reads = 0
        self.closed = 0
        self.state = AudioState.LIVE
        self._trouble = trouble
        self._next = 0
        self._start_ns = time.monotonic_ns()

    def read(self, timeout_s: float) -> AudioBlock | None:
        time.sleep(min(timeout_s, 0.005))
        self.reads += 1
        self._trouble(self.reads)
        if self.state is not AudioState.LIVE:
            return None
        block = AudioBlock(np.zeros(441, np.float32), SampleIndex(self._next), 0, AffineMap(0, self._start_ns, 1e9 / 44_100))
        self._next += 441
        return block

    def health(self) -> AudioHealth:
        reason = None if self.state is AudioState.LIVE else "unplugged by the test; plug it in"
        return AudioHealth(self.state, reason, "test", 44_100, 1, 0, 0, 0.0, False, 0, 0, 0, 0, 0)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def settings() -> Settings:
    return load(Path("/dev/null"), {}, {"node.port": "off", "network.bind": "off", "daemon.restart_budget": 2})


def make(settings: Settings, sound: Sound, folder: Path) -> Daemon:
    return Daemon(settings, sound, identity="k1e-test", socket=folder / "k1.sock", env={})


async def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def running(daemon: Daemon, sound: Sound) -> asyncio.Task[None]:
    task = asyncio.create_task(daemon.run())
    await until(lambda: sound.reads > 3 or task.done())
    return task


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + PATIENCE_S
    while any(thread.name.startswith("k1-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread outlived the daemon"
        time.sleep(0.01)


def test_status_tells_what_is_and_stop_ends_in_order(settings: Settings, tmp_path: Path) -> None:
    sound = Sound()

    async def scenario() -> None:
        daemon = make(settings, sound, tmp_path)
        task = await running(daemon, sound)
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(tmp_path / "k1.sock"))) as client:
            body = (await client.get("http://k1/status")).json()
        assert body["id"] == "k1e-test"
        assert body["state"] == "running"
        assert body["audio"]["state"] == "live"
        assert body["audio"]["level_dbfs"] is None  # digital silence has no level
        assert body["beat"] == {
            "lock": "unlocked",
            "bpm": None,
            "beat_phase": None,
            "beat_index": None,
            "beat_in_bar": None,
            "bar_confidence": None,
            "confidence": 0.0,
            "committed": 0,
        }
        assert body["node"] is None
        assert body["drift"]["drift_ms"] is None
        daemon.stop()
        daemon.stop()
        await task

    asyncio.run(scenario())
    assert sound.closed == 1
    assert not (tmp_path / "k1.sock").exists()


def test_fault_46_a_stop_before_the_start_is_kept(settings: Settings, tmp_path: Path) -> None:
    async def scenario() -> None:
        daemon = make(settings, Sound(), tmp_path)
        daemon.stop()
        await asyncio.wait_for(daemon.run(), PATIENCE_S)

    asyncio.run(scenario())


def test_fault_24_lost_sound_is_degraded_with_its_reason(settings: Settings, tmp_path: Path) -> None:
    sound = Sound()

    async def scenario() -> None:
        daemon = make(settings, sound, tmp_path)
        task = await running(daemon, sound)
        sound.state = AudioState.LOST
        snapshot = daemon.snapshot()
        assert snapshot.state == "degraded"
        assert snapshot.reasons == ("audio: unplugged by the test; plug it in",)
        assert snapshot.audio.level_dbfs is None
        sound.state = AudioState.LIVE
        assert daemon.snapshot().state == "running"
        daemon.stop()
        await task

    asyncio.run(scenario())


def test_fault_31_a_failed_dsp_thread_is_started_anew_within_the_budget(settings: Settings, tmp_path: Path) -> None:
    def once(read: int) -> None:
        if read == 5:
            raise ValueError("first bug")

    sound = Sound(once)

    async def scenario() -> None:
        daemon = make(settings, sound, tmp_path)
        task = await running(daemon, sound)
        await until(lambda: sound.reads > 10)
        assert daemon.snapshot().process.restarts == 1
        daemon.stop()
        await task

    asyncio.run(scenario())


def test_fault_31_beyond_the_budget_the_daemon_ends_with_the_cause(settings: Settings, tmp_path: Path) -> None:
    def always(_: int) -> None:
        raise ValueError("a bug that stays")

    async def scenario() -> None:
        await asyncio.wait_for(make(settings, Sound(always), tmp_path).run(), PATIENCE_S)

    with pytest.raises(PartFailedError, match="a bug that stays") as caught:
        asyncio.run(scenario())
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.exit_code == 1


def test_the_end_of_the_sound_ends_the_daemon(settings: Settings, tmp_path: Path) -> None:
    def end(read: int) -> None:
        if read > 20:
            raise EndOfStreamError("over")

    async def scenario() -> None:
        await asyncio.wait_for(make(settings, Sound(end), tmp_path).run(), PATIENCE_S)

    asyncio.run(scenario())


def test_fault_35_a_second_instance_is_refused_and_the_first_unaffected(settings: Settings, tmp_path: Path) -> None:
    first_sound, second_sound = Sound(), Sound()

    async def scenario() -> None:
        first = make(settings, first_sound, tmp_path)
        task = await running(first, first_sound)
        with pytest.raises(AlreadyRunningError, match="runs already"):
            await make(settings, second_sound, tmp_path).run()
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(tmp_path / "k1.sock"))) as client:
            assert (await client.get("http://k1/healthz")).status_code == 200
        first.stop()
        await task

    asyncio.run(scenario())
    assert second_sound.reads == 0


def test_fault_45_reload_takes_the_offset_and_tells_what_needs_a_restart(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = make(settings, Sound(), tmp_path)
    flags = {"node.port": "off", "network.bind": "off", "daemon.restart_budget": 2, "node.offset_ms": -12.5}
    daemon.reload(load(Path("/dev/null"), {}, flags))
    assert daemon.conductor.scheduler.offset_ns == -12_500_000
    assert daemon.snapshot().latency.offset_ms == -12.5
    assert "restart" not in capsys.readouterr().out
    daemon.reload(load(Path("/dev/null"), {}, {**flags, "audio.device": "other"}))
    assert "need a restart" in capsys.readouterr().out
    assert daemon.settings.audio.device == "default"


def test_a_reload_tells_systemd_when_it_begins_and_when_it_is_over(settings: Settings, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        Daemon(settings, Sound(), identity="k1e-test", socket=tmp_path / "k1.sock", env=env).reload(settings)
        assert manager.recv(4096).startswith(b"RELOADING=1")
        assert manager.recv(4096).startswith(b"READY=1")


def test_a_snapshot_is_json_without_nan(settings: Settings, tmp_path: Path) -> None:
    text = make(settings, Sound(), tmp_path).snapshot().model_dump_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
