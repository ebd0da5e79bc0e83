"""The port's real code and the C library's host node, a pty between them."""

import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from k1edge.events import BeatFate, BeatPlan, FlashReport, PlannedBeat, Timeline
from k1edge.link.dialect import ClockUpdated
from k1edge.link.port import SerialNode
from k1edge.link.virtual_node import FlashLog
from k1edge.timebase import NS_PER_MS, HostTime
from tests.link.serial_bench import Told, eventually, ready, serial_node
from tests.system.board import FIRMWARE, build, hurry

pytestmark = pytest.mark.system

PROGRAM = FIRMWARE / "build" / "host" / "k1link-node"
PERIOD_NS = 300 * NS_PER_MS
LIGHT_ENDS = {BeatFate.FIRED, BeatFate.LATE}


class HostNode:
    """The program, where it is plugged in, and its flashes as it told them."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.path = str(folder / "node")
        self._flashes: list[FlashLog] = []
        self.process = subprocess.Popen([*hurry(), PROGRAM, "--link", self.path, *options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == self.path + "\n"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def flashes(self) -> list[FlashLog]:
        return list(self._flashes)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(5.0)

    def close(self) -> None:
        """Leave nothing behind, however the test went."""
        self.process.kill()
        self.process.wait(5.0)
        self._reader.join(5.0)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._flashes.append(FlashLog(**json.loads(line)))


@pytest.fixture(scope="module", autouse=True)
def _program() -> None:
    if shutil.which("make") is None or not any(map(shutil.which, ("gcc", "clang", "cc"))):
        pytest.skip("no C compiler or no make; `make system-test` installs them")
    build("host")


@contextmanager
def host_node(folder: Path, *options: str) -> Iterator[HostNode]:
    node = HostNode(folder, *options)
    try:
        yield node
        assert node.end() == 0
        assert not Path(node.path).is_symlink(), "a link to nothing stays behind"
    finally:
        node.close()


def play(node: SerialNode, beats: int) -> None:
    """Follow a steady grid, a new plan three times a beat."""
    origin_ns = time.monotonic_ns() + PERIOD_NS
    end_ns = origin_ns + (beats - 1) * PERIOD_NS
    while (now := time.monotonic_ns()) <= end_ns + PERIOD_NS // 2:
        first = max(0, (now - origin_ns) // PERIOD_NS + 1)
        ahead = tuple(PlannedBeat(n, HostTime(origin_ns + n * PERIOD_NS), 1.0, None) for n in range(first, min(first + 3, beats)))
        node.follow(BeatPlan(Timeline(float(PERIOD_NS), 0.0, float(origin_ns)), ahead, HostTime(end_ns + PERIOD_NS)))
        time.sleep(PERIOD_NS / 3e9)


def ends(told: Told) -> list[FlashReport]:
    return [event for event in told.events if isinstance(event, FlashReport)]


def node_drift_ppm(told: Told) -> float:
    """Its rate as known by now; such a crystal is rare, so how soon it is believed hangs on how quick this machine's pings are."""
    return next(event.clock.drift_ppm for event in reversed(told.events) if isinstance(event, ClockUpdated))


def told_off_us(flashes: list[FlashLog], reports: list[FlashReport]) -> np.ndarray:
    """How far from each due time the node had been told to flash, by its true clock; how late this machine woke it is no matter."""
    told_ns = np.array([flash.fired_ns - (flash.fired_us - flash.scheduled_us) * 1_000 for flash in flashes])
    due_ns = np.array([report.due_ns for report in reports if report.fate in LIGHT_ENDS])
    return np.min(np.abs(told_ns[None, :] - due_ns[:, None]), axis=1) / 1e3


def test_it_shakes_hands_tells_its_clock_and_flashes_where_it_says(tmp_path: Path) -> None:
    told, beats = Told(), 25
    options = ("--ppm", "100", "--delay", "1-3", "--seed", "7", "--unique-id", "k1host01", "--led-count", "320", "--led-tx-us", "9600")
    with host_node(tmp_path, *options) as host, serial_node(host.path, told=told) as node:
        eventually(ready(node))
        info = node.status().info
        assert info is not None
        assert (info.unique_id, info.led_count, info.led_tx_us) == (b"k1host01".hex(), 320, 9_600)
        play(node, beats)
        eventually(lambda: len(ends(told)) >= beats)
        flashes = host.flashes()
        first, last = flashes[0], flashes[-1]
        rate = (last.fired_us - first.fired_us) * 1e3 / (last.fired_ns - first.fired_ns)
        assert (rate - 1.0) * 1e6 == pytest.approx(100.0, abs=2.0), "its clock is not what was asked for"
        eventually(lambda: node_drift_ppm(told) == pytest.approx(100.0, abs=30.0), "its rate is not found")
        lit = [report for report in ends(told) if report.fate in LIGHT_ENDS]
        assert len(lit) == len(flashes) == beats
        assert float(np.median(told_off_us(flashes, lit))) < 500.0
        for report in lit:
            assert report.fired_ns is not None
            assert report.bound_us is not None
            nearest_ns = min(abs(flash.fired_ns - report.fired_ns) for flash in flashes)
            assert nearest_ns / 1e3 <= report.bound_us + 1.0, "its report is not true within the bound"


def test_a_reset_is_noticed_and_followed(tmp_path: Path) -> None:
    told = Told()
    with host_node(tmp_path) as host, serial_node(host.path, told=told) as node:
        eventually(ready(node))
        play(node, 4)
        before = len(host.flashes())
        host.process.send_signal(signal.SIGUSR1)
        eventually(lambda: node.status().counters.resets == 1)
        eventually(ready(node))
        play(node, 6)
        eventually(lambda: len(host.flashes()) >= before + 5)
        assert host.flashes()[-1].fired_us < 30_000_000, "its counter has not begun anew"
        assert "ESP-ROM" in node.status().kept_text


def test_a_fifth_of_all_frames_lost_costs_no_flash_its_place(tmp_path: Path) -> None:
    told, beats = Told(), 60
    with host_node(tmp_path, "--loss", "0.2", "--seed", "3", "--clock-bits", "32") as host, serial_node(host.path, told=told) as node:
        eventually(ready(node))
        play(node, beats)
        eventually(lambda: len(ends(told)) >= beats)
        lit = [report for report in ends(told) if report.fate in LIGHT_ENDS]
        eventually(lambda: len(host.flashes()) == beats, "a beat did not flash, or one too many did")
        assert len(lit) >= 0.95 * beats, "too few are known of; all three tellings of one in 125 are lost"
        assert float(np.median(told_off_us(host.flashes(), lit))) < 500.0
        counters = node.status().counters
        assert counters.sent == counters.fired + counters.late + counters.missed + counters.cancelled + counters.pending


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--ppm", "fast"], "--ppm wants a number"),
        (["--delay", "3-1"], "--delay wants ms such as"),
        (["--loss", "1.5"], "--loss wants a number from 0 to 1"),
        (["--clock-bits", "33"], "--clock-bits wants 32 or 64"),
        (["--unique-id", "123456789"], "--unique-id wants 1 to 8 bytes"),
        (["--l", "x"], "ambiguous"),
        (["extra"], "one word too many"),
        (["--link", "/nowhere/at/all"], "No such file or directory"),
    ],
)
def test_a_mistake_on_its_command_line_is_named(options: list[str], complaint: str) -> None:
    done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, timeout=10.0, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert done.stdout == ""
