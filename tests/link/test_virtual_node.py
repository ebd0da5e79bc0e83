import json
import os
import random
import time
from pathlib import Path

import pytest

from k1edge.events import FlashReport
from k1edge.link.dialect import ClockUpdated
from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.lightwave import STOP, phase_line, start_line
from k1edge.link.virtual.lightwave_clock import FRAME_US, LightwaveClock
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.link.virtual.wire import DelayLine
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_MS, NS_PER_S
from tests.link.serial_bench import PATIENCE_S, Told, eventually, plan, ready, serial_node


def ask(path: str, *lines: bytes) -> bytes:
    """Write lines one by one and return what comes back until a whole line has."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard = b""
    try:
        for line in lines:
            os.write(port, line)
        end = time.monotonic() + PATIENCE_S
        while heard.count(b"\n") < len(lines):
            assert time.monotonic() < end, heard
            try:
                heard += os.read(port, 4_096)
            except BlockingIOError:
                time.sleep(0.002)
    finally:
        os.close(port)
    return heard


@pytest.mark.parametrize(("dialect", "proof"), [("trinity", "effectCount"), ("k1link", "k1link")])
def test_it_answers_the_ascii_question(dialect: str, proof: str) -> None:
    with VirtualNode(dialect) as virtual:
        answer = json.loads(ask(virtual.path, ASK_STATUS))
        assert answer["success"] is True
        assert proof in answer["data"]


def test_it_goes_binary_when_asked_and_only_then() -> None:
    with VirtualNode("k1link") as virtual:
        ask(virtual.path, ASK_STATUS)
        assert not virtual.brain.binary
        assert json.loads(ask(virtual.path, START_BINARY)) == {"type": "k1link.start", "success": True}
        assert virtual.brain.binary


def test_unknown_dialects_are_refused() -> None:
    with pytest.raises(ValueError, match="telnet"):
        VirtualNode("telnet")


def test_stray_characters_and_torn_lines_are_remembered() -> None:
    console = LightwaveConsole()
    assert console.receive(b" x", 0) == []
    assert console.receive(b'{"type":"trinity.sy', 1) == [b'{"type":"error","success":false,"error":"IncompleteInput"}\n']
    assert console.receive(b'nc","action":"start"}\n', 2) == []
    assert bytes(console.strays) == b' x{"type":"trinity.sync","action":"start"}'
    assert console.settings_changed == len(b' xnc","action":"start"}')
    assert not console.external


def test_its_beat_clock_free_runs_and_flashes_in_the_frame_after_the_wrap() -> None:
    console = LightwaveConsole()
    clock = console.clock
    console.receive(phase_line(120, 0.25), 0)  # nothing before start
    assert clock.next_flash_us() is None
    console.receive(start_line(120), 10**9)
    assert clock.confidence == 1.0
    console.receive(phase_line(120, 0.4), 10**9)
    wrap = 10**9 + 300_000
    frame = clock.next_flash_us()
    assert frame is not None
    assert 0 <= frame - wrap < FRAME_US
    assert clock.flash(frame - FRAME_US) is None
    assert clock.flash(frame) == wrap
    assert clock.flash(frame) is None
    assert clock.flash(wrap + 5_100_000) == wrap + 500_000  # it stood still: one flash, not ten
    assert clock.next_flash_us() == -(-(wrap + 5_500_000) // FRAME_US) * FRAME_US
    console.receive(STOP, wrap + 5_100_000)
    assert clock.next_flash_us() is None
    assert clock.flash(10**12) is None


def test_a_late_tick_flashes_twice_and_a_new_phase_swallows_a_wrap() -> None:
    clock = LightwaveClock()
    clock.start(120, 0)
    assert clock.flash(500_100) == 500_000
    clock.beat(120, 0.0, 520_000, tick=True)
    assert clock.flash(530_000) == 520_000
    assert clock.flash(1_019_000) is None
    clock.beat(120, 0.5, 1_020_500, tick=False)  # after the wrap, before its frame
    assert clock.flash(1_021_000) is None


def test_bad_beats_are_dropped_in_silence() -> None:
    console = LightwaveConsole()
    console.receive(start_line(120), 0)
    for bpm, phase in [(29, 0.1), (301, 0.1), ("120", 0.1), (100, 1.0), (100, -0.1), (100, None)]:
        assert console.receive(json.dumps({"type": "trinity.beat", "bpm": bpm, "beat_phase": phase}).encode(), 1) == []
    assert console.clock.bpm == 120


@pytest.mark.parametrize("seed", range(5))
def test_a_delay_line_keeps_the_order_and_its_limits(seed: int) -> None:
    line = DelayLine(random.Random(seed), (1.0, 3.0), 0.0)
    rng = random.Random(seed)
    now, put, taken = 0, [], []
    for number in range(200):
        now += rng.randrange(2 * NS_PER_MS)
        line.put(b"%d" % number, now, may_lose=True)
        put.append(now)
        due = line.next_due()
        if due is not None and rng.random() < 0.5:
            now = max(now, due)
            taken += [(int(data), now) for data in line.take(now)]
    taken += [(int(data), now) for data in line.take(now + 10 * NS_PER_MS)]
    assert [number for number, _ in taken] == list(range(200))
    assert line.next_due() is None
    fresh = DelayLine(random.Random(seed), (1.0, 3.0), 0.0)
    fresh.put(b"x", 0, may_lose=True)
    assert fresh.take(NS_PER_MS - 1) == []
    assert fresh.take(3 * NS_PER_MS) == [b"x"]


def test_losses_are_seeded_and_spare_the_ascii() -> None:
    def kept(seed: int, *, may_lose: bool) -> list[bytes]:
        line = DelayLine(random.Random(seed), (0.0, 0.0), 0.3)
        for number in range(100):
            line.put(b"%d" % number, 0, may_lose=may_lose)
        return line.take(0)

    assert kept(1, may_lose=True) == kept(1, may_lose=True) != kept(2, may_lose=True)
    assert 50 < len(kept(1, may_lose=True)) < 90
    assert len(kept(1, may_lose=False)) == 100


def test_its_clock_is_its_own() -> None:
    virtual = VirtualNode(ppm=500, offset_us=77)
    start = virtual.clock.x0
    assert virtual.node_us(start) == 77
    assert virtual.node_us(start + 10**12) == 77 + 1_000_500_000


def test_a_frozen_node_answers_nothing_until_it_thaws() -> None:
    with VirtualNode("trinity") as virtual:
        virtual.freeze()
        port = os.open(virtual.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(port, ASK_STATUS)
        time.sleep(0.05)
        with pytest.raises(BlockingIOError):
            os.read(port, 100)
        os.close(port)
        virtual.thaw()
        eventually(lambda: len(virtual.brain.console.lines) == 1)


def test_a_reset_begins_with_boot_text_and_another_boot_id() -> None:
    with VirtualNode("k1link") as virtual:
        counter = virtual.node_us(time.monotonic_ns())
        virtual.reset()
        assert virtual.node_us(time.monotonic_ns()) < counter
        assert virtual.identity.boot_id == 2
        assert ask(virtual.path, b"\n" * 3).count(b"\n") >= 1
        assert not virtual.brain.binary


def test_the_symlink_follows_the_pty_and_a_path_ends_with_the_plug(tmp_path: Path) -> None:
    link = tmp_path / "k1"
    with VirtualNode("trinity", link=link) as virtual:
        assert virtual.path == str(link)
        before = link.readlink()
        virtual.unplug()
        assert not link.exists()
        keep = os.openpty()  # takes the number that became free
        virtual.replug()
        assert link.readlink() != before
        assert b"effectCount" in ask(virtual.path, ASK_STATUS)
        for end in keep:
            os.close(end)
    assert not link.exists()
    with pytest.raises(RuntimeError):
        _ = VirtualNode().path


def test_stopping_leaves_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        VirtualNode().start().stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_beats_flash_when_commanded_and_the_bound_covers_the_truth(loss: float) -> None:
    """100 ppm fast, 1 to 3 ms each way. Only the clock is judged here: how late a thread of this machine wakes is measured elsewhere."""
    told = Told()
    due_ns: set[int] = set()
    with VirtualNode("k1link", ppm=100, delay_ms=(1, 3), loss=loss, seed=7) as virtual, serial_node(virtual.path, told=told) as node:
        eventually(ready(node))
        for _ in range(4):
            wanted = plan(period_ms=150, ahead_ms=300)
            due_ns |= {int(beat.due_ns) for beat in wanted.beats}
            node.follow(wanted)
            time.sleep(max(0, wanted.beats[-1].due_ns - time.monotonic_ns()) / NS_PER_S)
        eventually(lambda: sum(isinstance(event, FlashReport) for event in told.events) >= 10)
        flashes = virtual.flashes()
        maps = [event.clock for event in told.events if isinstance(event, ClockUpdated)]
        assert len(flashes) >= 10
        for clock in maps:
            error_us = clock.to_node.forward(clock.at_ns) - virtual.clock.forward(clock.at_ns)
            assert abs(error_us) <= clock.bound_us + 1
        worst_us = max(clock.bound_us for clock in maps)
        for flash in flashes:
            commanded_ns = min(due_ns, key=lambda due: abs(due - virtual.clock.inverse(flash.scheduled_us)))
            conversion_us = flash.scheduled_us - virtual.clock.forward(commanded_ns)
            assert abs(conversion_us) <= worst_us + 1
            assert flash.fired_us >= flash.scheduled_us - 1  # never early
    assert sum(isinstance(event, FlashReport) for event in told.events) >= 10
