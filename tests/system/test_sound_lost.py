"""The sound server dies, hangs, and comes back. The light must not invent beats meanwhile, and must return by itself."""

import time
from pathlib import Path

import pytest

from k1edge.audio.synth import song
from k1edge.link.virtual_node import VirtualNode
from tests.system.conftest import NewEdge
from tests.system.edge import LOCK_S, START_S, Edge, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer

pytestmark = pytest.mark.system

FAST_NODE = {"identify_drain_ms": 200}
DARK_S = 5.0
"""A break is coasted through for up to 4 s, and a flash sent ahead may still come."""


def assert_stays_dark(node: VirtualNode, seconds: float) -> None:
    """No flash from now on."""
    flashed = len(node.flashes())
    time.sleep(seconds)
    assert len(node.flashes()) == flashed, "light without sound"


def assert_flashes_again(edge: Edge, node: VirtualNode, sound: SoundServer) -> None:
    """Music again: lock and light."""
    flashed = len(node.flashes())
    with Player(sound, song("house", seconds=60.0, seed=2).samples):
        edge.wait_for("a lock again", is_locked, LOCK_S)
        time.sleep(3.0)
        edge.wait_for("a lock that stays", is_locked, 5.0)
    assert len(node.flashes()) > flashed + 3


def test_fault_24_30_the_sound_server_dies_and_comes_back(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        with Player(sound, song("house", seconds=60.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            time.sleep(1.0)
            sound.kill()
        lost = edge.wait_for("the loss to be told", lambda status: status["audio"]["state"] in {"lost", "stalled"}, 5.0)
        assert lost["state"] == "degraded"
        assert any(reason.startswith("audio: ") and len(reason) > 20 for reason in lost["reasons"]), lost["reasons"]
        assert lost["node"]["state"] == "ready", "the node has nothing to do with it"
        edge.wait_for("the lock to be given up", lambda status: status["beat"]["lock"] == "unlocked", DARK_S)
        time.sleep(0.5)
        assert_stays_dark(node, 2.0)
        assert edge.status()["beat"]["bpm"] is None  # type: ignore[index] # it answered a moment ago

        sound.start()
        back = edge.wait_for("sound again", is_listening, 15.0)
        assert back["state"] == "running"
        assert back["reasons"] == []
        assert back["audio"]["reopened"] >= 1
        assert back["audio"]["epoch"] > lost["audio"]["epoch"]
        assert back["process"]["pid"] == edge.pid
        assert back["process"]["restarts"] == 0
        assert_flashes_again(edge, node, sound)
        assert edge.stop() == 0


def test_fault_24_no_sound_server_at_the_start(sound: SoundServer, new_edge: NewEdge) -> None:
    sound.kill()
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        status = edge.wait_for("node without sound", lambda status: status["node"]["state"] == "ready" and status["reasons"], START_S)
        assert status["state"] == "degraded"
        assert status["audio"]["state"] == "lost"
        sound.start()
        edge.wait_for("sound", is_listening, 15.0)
        assert_flashes_again(edge, node, sound)
        assert edge.stop() == 0


def test_fault_25_27_the_sound_server_hangs_and_pours_out_its_backlog(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode() as node:
        edge = new_edge(node.path, node=FAST_NODE)
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        with Player(sound, song("house", seconds=60.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            sound.freeze()
            lost = edge.wait_for("the stall to be noticed", lambda status: status["audio"]["state"] in {"stalled", "lost"}, 4.0)
            assert lost["state"] == "degraded"
            assert not is_locked(lost)
            time.sleep(DARK_S - 2.0)
            assert_stays_dark(node, 1.0)
        sound.thaw()
        edge.wait_for("sound again", is_listening, 20.0)
        assert edge.status()["process"]["restarts"] == 0  # type: ignore[index] # it answered a moment ago
        assert_flashes_again(edge, node, sound)
        assert edge.stop() == 0


def test_fault_14_the_node_is_unplugged_in_the_music_and_comes_back_as_another_port(
    sound: SoundServer, new_edge: NewEdge, folder: Path
) -> None:
    link = folder / "node"
    with VirtualNode(link=link) as node:
        edge = new_edge(str(link), node=FAST_NODE)
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        with Player(sound, song("house", seconds=60.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            node.unplug()
            gone = edge.wait_for("the loss to be told", lambda status: status["node"]["state"] != "ready", 5.0)
            assert gone["state"] == "degraded"
            assert any(reason.startswith("node: ") for reason in gone["reasons"])
            time.sleep(1.0)
            node.replug()
            back = edge.wait_for("the node again", is_listening, 15.0)
            assert back["node"]["reopened"] >= 1
            flashed = len(node.flashes())
            time.sleep(3.0)
            assert len(node.flashes()) > flashed + 3
        assert edge.stop() == 0
