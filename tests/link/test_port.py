import os
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from k1edge.link import conversation
from k1edge.link.device import Wire
from k1edge.link.dialect import LinkEvent, LinkState, NodeIdentified, NodeReset
from k1edge.link.identify import ASK_STATUS
from k1edge.link.lightwave import STOP
from k1edge.link.lightwave_console import LightwaveConsole
from k1edge.link.node_reports import NodeIdentity
from k1edge.link.port import NodePort, SerialNode
from k1edge.link.session import SessionTuning
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_MS
from tests.link.serial_bench import PATIENCE_S, QUICK, Told, device, eventually, plan, ready, serial_node

DIALECTS = ["k1link", "trinity"]


def board(name: bytes) -> VirtualNode:
    return VirtualNode(identity=NodeIdentity(unique_id=name, boot_id=1))


def external(node: VirtualNode) -> bool:
    console = node.brain.console
    assert isinstance(console, LightwaveConsole)
    return console.external


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def fill(path: str) -> None:
    """Write until the kernel takes not a byte more; it moves bytes on for a while after it first says so."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    for size in (4_096, 64, 1):
        refused = 0
        while refused < 10:
            try:
                os.write(fd, b"\n" * size)
                refused = 0
            except BlockingIOError:
                refused += 1
                time.sleep(0.005)
    os.close(fd)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_node_flashes_and_is_released_on_closing(dialect: str) -> None:
    told = Told()
    with VirtualNode(dialect) as virtual:
        with serial_node(virtual.path, told=told) as node:
            eventually(ready(node))
            node.follow(plan(valid_ms=600_000))
            eventually(lambda: len(virtual.flashes()) >= 2)
            status = node.status()
            assert status.timed is (dialect == "k1link")
            assert status.info is not None
            assert status.info.dialect == dialect
            assert status.counters.frames_out > 0
            assert status.path == virtual.path
        if dialect == "trinity":
            eventually(lambda: not external(virtual))
        assert list(virtual.brain.console.strays) == []
    assert node.status().state is LinkState.CLOSED
    assert sum(isinstance(event, NodeIdentified) for event in told.events) == 1
    assert told.states()[-1] is LinkState.CLOSED


def test_fault_46_going_dark_is_told_at_once() -> None:
    with VirtualNode("trinity") as virtual, serial_node(virtual.path) as node:
        eventually(ready(node))
        node.follow(plan())
        eventually(lambda: external(virtual))
        node.follow(None)
        eventually(lambda: not external(virtual))


def test_a_new_plan_wakes_a_thread_that_would_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k1edge.link.trinity.ASK_EVERY_NS", 10**15)
    monkeypatch.setattr("k1edge.link.trinity.STALE_NS", 10**15)
    monkeypatch.setattr("k1edge.link.device.LOOK_NS", 10**13)
    monkeypatch.setattr("k1edge.link.conversation.IDLE_NS", 10**13)  # nothing but a wake-up ends the wait
    with VirtualNode("trinity") as virtual, serial_node(virtual.path) as node:
        eventually(ready(node))
        node.follow(plan())
        eventually(lambda: external(virtual))


def test_fault_47_what_a_crash_left_running_is_stopped_first_thing() -> None:
    with VirtualNode("trinity") as virtual:
        console = virtual.brain.console
        assert isinstance(console, LightwaveConsole)
        console.external = True
        with serial_node(virtual.path) as node:
            eventually(ready(node))
            assert not console.external
        assert [line + b"\n" for line in list(console.lines)[:2]] == [ASK_STATUS, STOP]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_fault_13_unplugged_while_idle_it_comes_back_as_another_pty(dialect: str, tmp_path: Path) -> None:
    told = Told()
    with VirtualNode(dialect, link=tmp_path / "k1") as virtual, serial_node(virtual.path, told=told) as node:
        eventually(ready(node))
        virtual.unplug()
        eventually(lambda: node.status().state is LinkState.CLOSED)
        eventually(lambda: "no such device" in str(node.status().reason))
        virtual.replug()
        eventually(ready(node))
        assert node.status().reopened >= 1


def test_fault_13_unplugged_in_the_middle_of_a_write(tmp_path: Path) -> None:
    with VirtualNode("trinity", link=tmp_path / "k1") as virtual, serial_node(virtual.path) as node:
        for _ in range(5):
            eventually(ready(node))
            node.follow(plan(period_ms=200))
            eventually(lambda: external(virtual))
            virtual.stop_reading()
            node.follow(None)
            virtual.unplug()
            eventually(lambda: node.status().state is LinkState.CLOSED)
            virtual.replug()
            virtual.resume_reading()


def test_fault_13_unplugged_in_the_middle_of_a_handshake(tmp_path: Path) -> None:
    with VirtualNode("k1link", link=tmp_path / "k1", delay_ms=(30, 30)) as virtual, serial_node(virtual.path) as node:
        for lines in (1, 2):
            eventually(lambda lines=lines: len(virtual.brain.console.lines) >= lines)  # type: ignore[misc]  # a lambda with a default
            virtual.unplug()
            eventually(lambda: node.status().state is LinkState.CLOSED)
            virtual.brain.console.lines.clear()
            virtual.replug()
        eventually(ready(node))


def test_fault_13_a_missing_port_is_not_tried_in_a_busy_loop() -> None:
    tries: list[str] = []

    def absent(path: str, _baud: int) -> Wire:
        tries.append(path)
        raise FileNotFoundError(2, "No such file or directory")

    with serial_node("/dev/serial/by-id/k1", open_wire=absent, pauses_ms=(50, 100)) as node:
        eventually(lambda: len(tries) >= 5)
        for _ in range(200):
            node.follow(None)  # a wake-up is no reason to try again
        assert len(tries) <= 10
        assert "plug the node in" in str(node.status().reason)


def test_fault_14_found_again_by_identity_on_another_path_and_the_wrong_board_refused() -> None:
    with VirtualNode("trinity") as right, VirtualNode("trinity") as wrong:
        plugged = [device(right.path, "24:58:7C:00:00:01")]
        told = Told()
        with serial_node("auto", scan=lambda: list(plugged), told=told) as node:
            eventually(ready(node))
            plugged[:] = [device(wrong.path, "24:58:7C:00:00:02")]
            right.unplug()
            eventually(lambda: "another board" in str(node.status().reason))
            assert not wrong.brain.console.lines, "something was said to it"
            right.replug()
            plugged.append(device(right.path, "24587C000001"))
            eventually(ready(node))
            assert node.status().path == right.path


def test_fault_14_of_two_boards_the_pinned_one_is_taken_whichever_comes_first() -> None:
    told = Told()
    with board(b"AAAAAAA1") as other, board(b"BBBBBBB2") as wanted:
        plugged = [device(other.path, None), device(wanted.path, None)]
        with serial_node("303A:1001", unique_id=b"BBBBBBB2".hex(), scan=lambda: plugged, told=told) as node:
            eventually(ready(node))
            assert node.status().path == wanted.path
            assert node.status().info is not None
            assert node.status().info.unique_id == b"BBBBBBB2".hex()
        assert other.flashes() == ()
    identified = [event for event in told.events if isinstance(event, NodeIdentified)]
    assert {event.info.unique_id for event in identified} == {b"BBBBBBB2".hex()}


def test_fault_14_two_boards_and_no_word_which_is_no_reason_to_guess() -> None:
    with board(b"AAAAAAA1") as one, board(b"BBBBBBB2") as two:
        plugged = [device(one.path, "1"), device(two.path, "2")]
        with serial_node("auto", scan=lambda: plugged) as node:
            eventually(lambda: "2 boards match auto" in str(node.status().reason))
        assert not one.brain.console.lines
        assert not two.brain.console.lines


def test_a_pinned_id_that_the_node_does_not_tell_is_no_match() -> None:
    with VirtualNode("trinity") as virtual, serial_node(virtual.path, unique_id="24587C000001") as node:
        eventually(lambda: "does not tell its unique id" in str(node.status().reason))
        assert node.status().state is LinkState.UNRECOGNISED


def test_fault_15_permission_denied_is_retried_with_the_cure_in_status() -> None:
    allowed = threading.Event()

    def guarded(path: str, baud: int) -> Wire:
        if not allowed.is_set():
            raise PermissionError(13, "could not open port")
        return Wire(path, baud)

    with VirtualNode() as virtual, serial_node(virtual.path, open_wire=guarded) as node:
        eventually(lambda: "dialout" in str(node.status().reason))
        assert node.status().state is LinkState.CLOSED
        allowed.set()
        eventually(ready(node))


def test_fault_16_a_port_held_by_another_program_is_waited_for() -> None:
    with VirtualNode() as virtual:
        other = Wire(virtual.path)
        with serial_node(virtual.path) as node:
            eventually(lambda: "held by another program" in str(node.status().reason))
            assert "ModemManager" in str(node.status().reason)
            other.close()
            eventually(ready(node))


def test_fault_17_a_mute_node_gets_one_line_a_try_and_slow_tries() -> None:
    master, slave = os.openpty()
    os.set_blocking(master, False)
    told = Told()
    tuning = SessionTuning(drain_ns=10 * NS_PER_MS, answer_ns=30 * NS_PER_MS)
    with serial_node(os.ttyname(slave), told=told, tuning=tuning, pauses_ms=(1, 400)) as node:
        eventually(lambda: told.states().count(LinkState.UNRECOGNISED) >= 3)
        assert "power-cycle the node" in str(node.status().reason)
        tries = told.states().count(LinkState.IDENTIFYING)
        heard = os.read(master, 4_096)
        assert heard.replace(b"\n", b"") == ASK_STATUS.strip() * heard.count(b"device")
        assert heard.count(b"device") <= tries
        assert node._backoff.next_ns(slow=True) >= 300 * NS_PER_MS
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_fault_18_a_node_that_stops_reading_costs_no_memory_and_is_reopened(
    dialect: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conversation, "STUCK_NS", 100 * NS_PER_MS)
    told = Told()
    with VirtualNode(dialect, link=tmp_path / "k1") as virtual, serial_node(virtual.path, told=told) as node:
        eventually(ready(node))
        node.follow(plan(period_ms=200))
        virtual.stop_reading()
        fill(virtual.path)
        eventually(lambda: "has not read for 5 s" in str(node.status().reason))
        virtual.unplug()
        virtual.replug()
        virtual.resume_reading()
        eventually(ready(node))


def test_fault_08_a_reset_is_noticed_and_told() -> None:
    told = Told()
    with VirtualNode("k1link") as virtual, serial_node(virtual.path, told=told) as node:
        eventually(ready(node))
        virtual.reset()
        eventually(lambda: any(isinstance(event, NodeReset) for event in told.events))
        eventually(ready(node))
        assert "ESP-ROM" in node.status().kept_text
        assert node.status().info is not None
        assert node.status().info.boot_id == 2


def test_fault_34_a_hundred_reconnects_leave_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    tuning = SessionTuning(drain_ns=2 * NS_PER_MS, answer_ns=QUICK.answer_ns)
    with VirtualNode("trinity", link=tmp_path / "k1") as virtual, serial_node(virtual.path, tuning=tuning, pauses_ms=(0.5, 2)) as node:
        eventually(ready(node))
        before = descriptors(), threading.active_count()
        for _ in range(100):
            virtual.unplug()
            eventually(lambda: node.status().state is LinkState.CLOSED)
            virtual.replug()
            eventually(ready(node))
        assert (descriptors(), threading.active_count()) == before
        assert node.status().reopened >= 100


def test_fault_31_an_exception_in_the_thread_is_kept_told_and_survivable() -> None:
    told, broken = Told(), threading.Event()
    broken.set()

    def on_event(event: LinkEvent) -> None:
        told.events.append(event)
        if broken.is_set() and isinstance(event, NodeIdentified):
            msg = "a bug of ours"
            raise ValueError(msg)

    with VirtualNode("trinity") as virtual:
        before = descriptors()
        node = SerialNode(NodePort(virtual.path, tuning=QUICK, last_pause_ns=20 * NS_PER_MS), on_event, told.fail)
        with capture_logs() as logs:
            node.start()
            assert told.failed.wait(PATIENCE_S)
        assert [entry["event"] for entry in logs] == ["node thread failed"]
        assert str(node.failure) == "a bug of ours"
        assert "internal error" in str(node.status().reason)
        broken.clear()
        eventually(lambda: not (node._thread is not None and node._thread.is_alive()))
        node.start()
        eventually(ready(node))
        assert node.failure is None
        assert node.close(PATIENCE_S)
        assert descriptors() == before


def test_following_and_closing_are_harmless_at_any_time() -> None:
    node = SerialNode(NodePort("/dev/null-k1"), lambda _: None)
    node.follow(plan())
    assert node.close()
    assert node.status().state is LinkState.CLOSED
    node.start()
    node.start()
    assert node.close(PATIENCE_S)
    node.follow(None)
    assert node.close()
