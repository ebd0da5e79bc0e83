"""FAULTS 21 and 22 on the whole daemon: the host sleeps, its wall clock jumps. Real threads, a made-up sound, clocks moved by hand."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest

from k1edge.audio.source import AudioState
from k1edge.beat.scheduler import Scheduler
from k1edge.config import load
from k1edge.daemon import Daemon
from k1edge.daemon.clocks import Clocks
from k1edge.daemon.conductor import Conductor
from k1edge.daemon.hearing import Heard
from k1edge.daemon.host_clocks import Reading
from k1edge.drift.meter import DriftMeter
from k1edge.events import BeatGrid, BeatPlan, Culprit, LockState, Timeline
from k1edge.timebase import NS_PER_S, AffineMap, HostTime, SampleIndex
from tests.daemon.test_daemon import Sound, running, until

OVERSLEPT_NS = 3_600 * NS_PER_S


class SleepySound(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.renewed = 0

    def renew(self) -> None:
        self.renewed += 1


class SleepyHost:
    """This host's real clocks, and a suspend on demand."""

    def __init__(self) -> None:
        self.slept_ns = 0

    def read(self) -> Reading:
        now = time.monotonic_ns()
        return Reading(now, now, now + self.slept_ns)


def locked_grid() -> BeatGrid:
    return BeatGrid(SampleIndex(0), LockState.LOCKED, Timeline(22_050.0, 0.0, 0.0), 4, 0.9, 0.5, -20.0)


def make(folder: Path, sound: Sound, env: dict[str, str]) -> Daemon:
    settings = load(Path("/dev/null"), {}, {"node.port": "off", "network.bind": "off"})
    return Daemon(settings, sound, identity="k1e-test", socket=folder / "k1.sock", env=env)


def test_fault_21_after_a_suspend_everything_is_heard_anew_and_no_old_grid_is_used(tmp_path: Path) -> None:
    async def live() -> None:
        sound, host = SleepySound(), SleepyHost()
        daemon = make(tmp_path, sound, {})
        daemon.clocks = Clocks(None, HostTime(time.monotonic_ns()), host.read)
        task = await running(daemon, sound)
        await until(lambda: len(daemon.clocks._host._past) > 0)  # it has looked before
        sound.state = AudioState.STALLED  # nothing else is heard until the test says so
        await asyncio.sleep(0.05)
        now = time.monotonic_ns()
        old = Heard((locked_grid(),), AffineMap(0, now, 1e9 / 44_100), 0, life=0)
        daemon._on_heard(old)
        assert daemon.conductor.timeline(HostTime(now)) is not None
        host.slept_ns = OVERSLEPT_NS
        await until(lambda: sound.renewed > 0)
        assert daemon.conductor.timeline(HostTime(time.monotonic_ns())) is None
        daemon._on_heard(old)  # it was still under way
        assert daemon.conductor.timeline(HostTime(time.monotonic_ns())) is None
        sound.state = AudioState.LIVE
        await until(lambda: daemon.conductor.heard_ns is not None)  # it goes on
        clocks = daemon.snapshot().clocks
        assert clocks is not None
        assert (clocks.attribution, clocks.event) == (Culprit.HOST_CLOCK, "the host slept for 3600.0 s")
        assert sound.renewed == 1
        daemon.stop()
        await task

    asyncio.run(live())


def test_fault_21_a_conductor_that_forgets_goes_dark() -> None:
    ours, now = Conductor(Scheduler(0), DriftMeter()), 7_000 * NS_PER_S
    assert isinstance(ours.hear(Heard((locked_grid(),), AffineMap(0, now, 1e9 / 44_100), 0), HostTime(now)), BeatPlan)
    ours.forget()
    assert ours.plan(HostTime(now)) is None


def test_fault_22_a_wall_clock_that_steps_by_years_moves_nothing_and_the_watchdog_is_fed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(tmp_path / "notify"))
            systemd.setblocking(False)
            sound = SleepySound()
            daemon = make(tmp_path, sound, {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"})
            task = await running(daemon, sound)
            uptime_s = daemon.snapshot().uptime_s
            real = time.time
            monkeypatch.setattr(time, "time", lambda: real() + 10 * 365 * 86_400)
            monkeypatch.setattr(time, "time_ns", lambda: round((real() + 10 * 365 * 86_400) * 1e9))
            read, fed = sound.reads, 0

            def feed() -> bool:
                nonlocal fed
                with contextlib.suppress(BlockingIOError):
                    fed += b"WATCHDOG=1" in systemd.recv(4096)
                return fed >= 1 and sound.reads > read + 100

            with contextlib.suppress(BlockingIOError):
                while True:  # what was fed before the step does not count
                    systemd.recv(4096)
            await until(feed)
            after = daemon.snapshot()
            assert 0 <= after.uptime_s - uptime_s < 60
            assert after.state == "running"
            assert after.clocks is not None
            assert after.clocks.event is None
            assert sound.renewed == 0
            daemon.stop()
            await task

    asyncio.run(live())
