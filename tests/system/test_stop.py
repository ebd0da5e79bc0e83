"""The end, in every state: asked for, asked for twice, and not asked for at all. The node must never be left following a daemon that is gone."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from k1edge.audio.synth import song
from k1edge.link.virtual.brain import K1LinkBrain
from k1edge.link.virtual_node import VirtualNode
from tests.system.conftest import NewEdge
from tests.system.edge import LOCK_S, START_S, Edge, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer

pytestmark = pytest.mark.system

FAST_NODE = {"identify_drain_ms": 200}
STOP_S = 3.0
INTERRUPTED = 130
NODE_GIVES_UP_S = 1.5 + 2.0
"""A node without a host finishes what is queued (up to 2 s ahead) and fades to idle after 1.5 s."""


def is_released(node: VirtualNode) -> bool:
    """Whether the node was told to go dark: nothing queued, and no tempo to play effects by. Left alone it keeps the tempo."""
    brain = node.brain
    assert isinstance(brain, K1LinkBrain)
    return len(brain.core.queue) == 0 and brain.core.period_us == 0


def started(edge: Edge) -> None:
    """As early as there is a process that has taken over its signals."""
    edge.wait_for("an answer", lambda _: True, 10.0)


def locked(edge: Edge) -> None:
    """In the middle of the music."""
    edge.wait_for("sound and node", is_listening, START_S)
    edge.wait_for("a lock", is_locked, LOCK_S)


def listening(edge: Edge) -> None:
    """All well, and silence."""
    edge.wait_for("sound and node", is_listening, START_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("state", [started, listening], ids=lambda state: state.__name__)
def test_fault_46_stop_before_the_music(new_edge: NewEdge, state: Callable[[Edge], None], number: int) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        state(edge)
        assert edge.stop(number, STOP_S) == 0
        assert is_released(node)
        assert not edge.socket.exists()


def test_fault_46_stop_in_the_middle_of_the_music_releases_the_node(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        listening(edge)
        with Player(sound, song("house", seconds=40.0).samples):
            locked(edge)
            time.sleep(1.0)
            assert not is_released(node)
            assert edge.stop(signal.SIGTERM, STOP_S) == 0
            time.sleep(0.1)  # the pty's last bytes
            assert is_released(node)
            flashed = len(node.flashes())
            assert flashed > 0
            time.sleep(2.5)
            assert len(node.flashes()) == flashed, "the node flashes on after its daemon has left"


def test_fault_46_stop_with_neither_sound_nor_node(sound: SoundServer, new_edge: NewEdge, folder: Path) -> None:
    sound.kill()
    edge = new_edge(str(folder / "no-such-node"))
    edge.start()
    status = edge.wait_for("a reason for each", lambda status: len(status["reasons"]) == 2, 10.0)
    assert status["state"] == "degraded"
    assert edge.stop(signal.SIGTERM, STOP_S) == 0


def test_fault_46_stop_while_the_sound_server_hangs(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        listening(edge)
        sound.freeze()
        time.sleep(1.0)
        assert edge.stop(signal.SIGTERM, STOP_S) == 0
        assert is_released(node)


def test_fault_46_a_second_interrupt_ends_at_once(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        listening(edge)
        sound.freeze()  # so that the orderly way takes its time
        node.freeze()
        time.sleep(0.5)
        edge.send(signal.SIGINT)
        time.sleep(0.15)
        edge.send(signal.SIGINT)
        assert edge.wait_exit(1.0) == INTERRUPTED
        node.thaw()


def test_fault_46_a_storm_of_hangups_changes_nothing(new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        listening(edge)
        for _ in range(50):
            edge.send(signal.SIGHUP)
            time.sleep(0.01)
        edge.wait_for("calm after the storm", is_listening, 5.0)
        assert edge.stop(signal.SIGTERM, STOP_S) == 0


def test_fault_35_a_second_instance_is_refused_and_the_first_unaffected(new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        first = new_edge(node.path, node=FAST_NODE)
        first.start()
        listening(first)
        second = new_edge(node.path, node=FAST_NODE)
        second.start()
        assert second.wait_exit(10.0) == 1
        assert str(first.pid) in second.log()
        assert "Traceback" not in second.log()
        status = first.wait_for("the first", is_listening, 2.0)
        assert status["process"]["pid"] == first.pid
        assert status["node"]["reopened"] == 0
        assert first.stop() == 0


def test_fault_36_47_after_a_kill_the_node_stops_by_itself_and_the_next_start_is_clean(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        listening(edge)
        before = edge.status()
        with Player(sound, song("house", seconds=60.0).samples):
            locked(edge)
            time.sleep(1.0)
            edge.send(signal.SIGKILL)
            edge.wait_exit(5.0)
            assert edge.socket.exists(), "a killed daemon leaves its socket; that is what the next one must cope with"
            time.sleep(NODE_GIVES_UP_S)
            flashed = len(node.flashes())
            time.sleep(1.5)
            assert len(node.flashes()) == flashed, "the node flashes on without its host"

            edge.start()
            locked(edge)
            after = edge.wait_for("flashes again", lambda status: status["node"]["fired"] > 2, 10.0)
        assert before is not None
        assert after["id"] == before["id"]
        assert edge.stop() == 0
