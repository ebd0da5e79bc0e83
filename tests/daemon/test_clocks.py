"""The daemon's care for clocks: a host that sleeps or is slewed, a rate that is remembered, a change that is told once."""

import asyncio
import json
from pathlib import Path

import pytest
import structlog

from k1edge.audio.source import AudioHealth, AudioState
from k1edge.daemon.clocks import Clocks
from k1edge.daemon.host_clocks import HostClocks, Reading, read_clocks
from k1edge.daemon.rate_file import FILE_NAME
from k1edge.events import ClockMap, Culprit
from k1edge.link.dialect import ClockStepped, LinkState
from k1edge.link.port_status import PortStatus
from k1edge.timebase import NS_PER_S, AffineMap, HostTime


class Host:
    """The three clocks of a host, to be moved by hand."""

    def __init__(self) -> None:
        self.monotonic_ns = self.boot_ns = 5_000 * NS_PER_S
        self.raw_ns = 4_990.0 * NS_PER_S

    def read(self) -> Reading:
        return Reading(self.monotonic_ns, round(self.raw_ns), self.boot_ns)

    def passes(self, seconds: float, slew_ppm: float = 0.0) -> None:
        self.monotonic_ns += round(seconds * NS_PER_S)
        self.boot_ns += round(seconds * NS_PER_S)
        self.raw_ns += seconds * NS_PER_S / (1 + slew_ppm * 1e-6)

    def sleeps(self, seconds: float) -> None:
        self.boot_ns += round(seconds * NS_PER_S)


def audio(drift_ppm: float | None) -> AudioHealth:
    return AudioHealth(AudioState.LIVE, None, "mic", 44_100, 1, 0, 0, drift_ppm, False, 0, 0, 0, 0, 0)


def node(drift_ppm: float, now: int) -> PortStatus:
    clock = ClockMap(AffineMap(now, 0, 1e-3), 200.0, 30.0, drift_ppm, HostTime(now), 500)
    return PortStatus("/dev/ttyACM0", state=LinkState.READY, reason=None, clock=clock)


def test_fault_23_the_slew_of_the_host_is_measured() -> None:
    host = Host()
    clocks = HostClocks(host.read)
    for tick in range(400):
        host.passes(0.1, slew_ppm=0.0 if tick < 200 else 50.0)
        assert clocks.look() == 0
        if tick == 90:
            assert clocks.slew_ppm is None
        if tick == 199:
            assert clocks.slew_ppm == pytest.approx(0.0, abs=0.01)
    assert clocks.slew_ppm == pytest.approx(50.0, abs=0.01)


def test_fault_21_a_suspend_is_seen_once_and_is_no_slew() -> None:
    host = Host()
    clocks = HostClocks(host.read)
    slept = []
    for tick in range(300):
        host.passes(0.1)
        if tick == 150:
            host.sleeps(3600.0)
        if tick == 200:
            host.sleeps(0.05)  # not worth the name
        slept.append(clocks.look())
    assert [(tick, each / NS_PER_S) for tick, each in enumerate(slept) if each] == [(150, 3600.0)]
    assert clocks.slew_ppm == pytest.approx(0.0, abs=0.01)


def test_clocks_that_cannot_be_read_at_one_moment_are_left_out() -> None:
    clocks = HostClocks(lambda: None)
    assert clocks.look() == 0
    assert clocks.slew_ppm is None


def test_the_real_clocks_agree_with_each_other() -> None:
    reading = read_clocks()
    assert reading is None or reading.boot_ns >= reading.monotonic_ns - 1_000


def live(
    clocks: Clocks, host: Host, seconds: float, *, node_ppm: float = 12.0, audio_ppm: float = -30.0, slew_ppm: float = 0.0
) -> list[str]:
    """Ten ticks a second; returns what was logged."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(round(seconds * 10)):
            host.passes(0.1, slew_ppm)
            clocks.tick(audio(audio_ppm), node(node_ppm, host.monotonic_ns), HostTime(host.monotonic_ns))
    return [f"{entry['attribution']}: {entry['what']}" for entry in logs if entry["event"] == "clock moved"]


def test_fault_23_a_slewed_host_is_named_once_and_shown() -> None:
    host = Host()
    clocks = Clocks(None, HostTime(host.monotonic_ns), host.read)
    assert live(clocks, host, 120) == []
    before = clocks.status(HostTime(host.monotonic_ns))
    assert (before.attribution, before.event) == (None, None)
    logged = live(clocks, host, 100, node_ppm=-88, audio_ppm=-130, slew_ppm=100)
    assert len(logged) == 1
    assert logged[0].startswith("host_clock: the host's clock is slewed by another +")
    status = clocks.status(HostTime(host.monotonic_ns))
    assert status.attribution is Culprit.HOST_CLOCK
    assert status.host_slew_ppm == pytest.approx(100, abs=1)


def test_fault_09_a_jump_told_by_the_link_is_the_nodes() -> None:
    host = Host()
    clocks = Clocks(None, HostTime(host.monotonic_ns), host.read)
    live(clocks, host, 60)
    clocks.take(ClockStepped(50_000))
    assert live(clocks, host, 5) == ["node_clock: the node's clock jumped by +50.0 ms"]
    assert clocks.moved_lately(HostTime(host.monotonic_ns)) == {Culprit.NODE_CLOCK}


def test_rates_are_kept_in_the_state_folder(tmp_path: Path) -> None:
    host = Host()
    clocks = Clocks(tmp_path, HostTime(host.monotonic_ns), host.read)
    clocks.rates.memory.learn("aa55", 12.5)
    asyncio.run(clocks.rates.close())
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"version": 1, "node_ppm": {"aa55": 12.5}}
    assert clocks.status(HostTime(host.monotonic_ns)).rates_known == 1
