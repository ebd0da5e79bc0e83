import threading

import pytest
from structlog.testing import capture_logs

from k1edge.link.dialect import LinkEvent, LinkState, NodeIdentified
from k1edge.link.identify import ASK_STATUS
from k1edge.link.lightwave import STOP
from k1edge.link.port import NodePort, SerialNode
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.link.virtual_node import VirtualNode
from k1edge.timebase import NS_PER_MS
from tests.link.serial_bench import DIALECTS, PATIENCE_S, QUICK, Told, descriptors, eventually, external, plan, ready, serial_node


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
        console.clock.external = True
        with serial_node(virtual.path) as node:
            eventually(ready(node))
            assert not console.external
        assert [line + b"\n" for line in list(console.lines)[:2]] == [ASK_STATUS, STOP]


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
