"""A node that is pulled out, resets, says nothing or does not read."""

import os
import time
from pathlib import Path

import pytest

from k1edge.link import conversation
from k1edge.link.dialect import LinkState, NodeReset
from k1edge.link.identify import ASK_STATUS
from k1edge.link.session import SessionTuning
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_MS
from tests.link.serial_bench import DIALECTS, Told, eventually, external, plan, ready, serial_node


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


def test_fault_04_what_it_said_before_it_vanished_outlives_the_reopening(tmp_path: Path) -> None:
    with VirtualNode("k1link", link=tmp_path / "k1") as virtual, serial_node(virtual.path) as node:
        eventually(ready(node))
        virtual.reset()
        eventually(lambda: "ESP-ROM" in node.status().kept_text)
        virtual.unplug()
        eventually(lambda: node.status().state is LinkState.CLOSED)
        virtual.replug()
        eventually(lambda: node.status().reopened >= 1)
        eventually(ready(node))
        assert "ESP-ROM" in node.status().kept_text


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
