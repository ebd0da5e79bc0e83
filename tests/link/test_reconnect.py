"""Boards that come and go, and what remains of two hundred unpluggings."""

import asyncio
import threading
from pathlib import Path

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.link.virtual_node import VirtualNode
from tests.cli.daemon_bench import daemon_on
from tests.link.reconnects import Moment, hasten, reconnect
from tests.link.serial_bench import descriptors, eventually, plan, ready, serial_node

MOST_GROWTH_BYTES = 64 * 1024
"""Of both ports together; their bounded journals and counters still fill a little."""


def test_fault_34_two_hundred_reconnects_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hasten(monkeypatch)
    left = reconnect(200, seed=34, folder=tmp_path)
    assert min(left.by_moment[moment] for moment in Moment) >= 20, left
    assert left.descriptors[0] == left.descriptors[1], left
    assert left.threads[0] == left.threads[1], left
    assert left.memory_bytes[1] - left.memory_bytes[0] < MOST_GROWTH_BYTES, left


def test_fault_34_fifty_reconnects_leave_no_task_in_the_daemon(tmp_path: Path) -> None:
    with VirtualNode("trinity", link=tmp_path / "k1") as virtual, daemon_on(virtual.path, tmp_path) as daemon:
        desk, loop = daemon._desk, daemon._loop
        assert desk is not None
        assert loop is not None

        def counts(reconnects: int) -> tuple[set[str], int, int]:
            for _ in range(reconnects):
                virtual.unplug()
                eventually(lambda: desk.node.status().state is LinkState.CLOSED)
                virtual.replug()
                eventually(ready(desk.node))
            return {task.get_name() for task in asyncio.all_tasks(loop)}, threading.active_count(), descriptors()

        eventually(ready(desk.node))
        desk.node._backoff.first_ns = desk.node._backoff.last_ns = 1_000_000  # its pauses are for real nodes
        before = counts(5)  # by then everything of the daemon is up
        assert counts(45) == before
        assert desk.node.status().reopened >= 50


def test_fault_14_another_board_on_the_pinned_path_is_met_and_refused(tmp_path: Path) -> None:
    """By its own word: a path names a socket, not a board."""
    link = tmp_path / "k1"
    wanted = b"AAAAAAA1".hex()
    with (
        VirtualNode(link=link, identity=NodeIdentity(unique_id=b"AAAAAAA1", boot_id=1)) as right,
        serial_node(str(link), unique_id=wanted) as node,
    ):
        eventually(ready(node))
        node.follow(plan(valid_ms=600_000))
        right.unplug()
        eventually(lambda: node.status().state is LinkState.CLOSED)
        with VirtualNode(link=link, identity=NodeIdentity(unique_id=b"BBBBBBB2", boot_id=1)) as wrong:
            eventually(lambda: node.status().state is LinkState.UNRECOGNISED)
            assert node.status().reason == f"another board: {b'BBBBBBB2'.hex()}, not {wanted}; plug that one in, or correct node.unique_id"
            assert {line + b"\n" for line in wrong.brain.console.lines} <= {ASK_STATUS, START_BINARY}
            brain = wrong.brain
            assert isinstance(brain, K1LinkBrain)
            assert brain.core.period_us == 0, "it was told beats"
        right.replug()
        right.reset()
        eventually(ready(node))
        assert node.status().info is not None
        assert node.status().info.unique_id == wanted
