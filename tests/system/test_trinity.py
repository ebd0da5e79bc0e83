"""The public firmware in the field behind the pty: untimed, easily upset, and it free-runs for ever unless it is told to stop."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from k1edge.audio.synth import song
from k1edge.link.lightwave import MAX_LINE
from k1edge.link.virtual.lightwave_console import LightwaveConsole
from k1edge.link.virtual_node import VirtualNode
from tests.system.conftest import NewEdge, Say
from tests.system.ear import Ear
from tests.system.edge import LOCK_S, START_S, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer
from tests.system.stage import flashes_s, hear_out, nearest_errors_ms

pytestmark = pytest.mark.system

STOP = b'"action":"stop"'
START = b'"action":"start"'


def console_of(node: VirtualNode) -> LightwaveConsole:
    """The node's ASCII side."""
    console = node.brain.console
    assert isinstance(console, LightwaveConsole)
    return console


def assert_only_whole_lines(console: LightwaveConsole) -> None:
    """Never a stray byte, never a line that the node could execute in halves."""
    assert not console.strays, bytes(console.strays)
    for line in console.lines:
        assert len(line) < MAX_LINE
        assert line.startswith(b'{"type":"')
        assert line.endswith(b"}")


def test_trinity_node_follows_the_song_and_is_stopped(sound: SoundServer, new_edge: NewEdge, folder: Path, say: Say) -> None:
    music = song("house", seconds=25.0)
    with VirtualNode("trinity", delay_ms=(1.0, 3.0)) as node:
        edge = new_edge(node.path)
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        ear = Ear(sound, folder)
        with Player(sound, music.samples) as player:
            edge.wait_for("a lock", is_locked, LOCK_S)
            from_ns = time.monotonic_ns() + 2_000_000_000
            time.sleep(2.0)
            assert console_of(node).external
            status = edge.wait_for("a lock that stays", is_locked, 5.0)
            player.wait()
        air = hear_out(music, player, ear.stop())
        from_s = float(air.song_s([from_ns])[0])
        seen_s = flashes_s(node, air)
        errors_ms = nearest_errors_ms(seen_s[(seen_s > from_s) & (seen_s < music.beats_s[-1])], music.beats_s)
        say(f"{errors_ms.size} flashes, median {np.median(errors_ms):+.1f} ms, p95 {np.percentile(np.abs(errors_ms), 95):.1f} ms, {air}")
        assert status["node"]["timing"] == "untimed"
        assert status["node"]["offset_bound_us"] is None
        assert errors_ms.size >= 0.8 * np.count_nonzero(music.beats_s > from_s)
        assert float(np.mean(np.abs(errors_ms) < 70.0)) >= 0.9

        edge.wait_for("the lock to go with the music", lambda later: later["beat"]["lock"] == "unlocked", 10.0)
        time.sleep(0.3)
        console = console_of(node)
        assert not console.external, "left in external mode after the music"
        assert edge.stop() == 0
        assert_only_whole_lines(console)
        kinds = [START if START in line else STOP for line in console.lines if START in line or STOP in line]
        assert kinds[0] == STOP, "whatever an earlier daemon left behind is stopped first"
        assert START in kinds


def test_fault_46_47_trinity_node_is_stopped_on_the_way_out_and_first_thing_after_a_crash(sound: SoundServer, new_edge: NewEdge) -> None:
    with VirtualNode("trinity") as node:
        edge = new_edge(node.path, node={"identify_drain_ms": 200})
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        with Player(sound, song("house", seconds=60.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            time.sleep(1.0)
            edge.send(signal.SIGKILL)
            edge.wait_exit(5.0)
        assert console_of(node).external, "this dialect has no way to stop by itself"
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        assert not console_of(node).external

        with Player(sound, song("house", seconds=60.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            time.sleep(1.0)
            assert console_of(node).external
            assert edge.stop() == 0
            time.sleep(0.1)
            assert not console_of(node).external
            assert STOP in console_of(node).lines[-1]
        assert_only_whole_lines(console_of(node))


def test_fault_24_trinity_node_is_stopped_when_the_sound_device_is_lost(sound: SoundServer, new_edge: NewEdge) -> None:
    """The daemon lives on and may coast for 4 s; then the node, which would go on for ever, is told to stop, and starts with the sound again."""
    with VirtualNode("trinity") as node:
        edge = new_edge(node.path, node={"identify_drain_ms": 200})
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        with Player(sound, song("house", seconds=60.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            time.sleep(1.0)
            assert console_of(node).external
            sound.kill()
        edge.wait_for("the loss to be told", lambda status: status["audio"]["state"] in {"lost", "stalled"}, 5.0)
        edge.wait_for("the lock to be given up", lambda status: status["beat"]["lock"] == "unlocked", 6.0)
        time.sleep(0.3)
        assert not console_of(node).external
        flashed = len(node.flashes())
        time.sleep(1.5)
        assert len(node.flashes()) == flashed, "light without sound"

        sound.start()
        edge.wait_for("sound again", is_listening, 15.0)
        with Player(sound, song("house", seconds=60.0, seed=2).samples):
            edge.wait_for("a lock again", is_locked, LOCK_S)
            time.sleep(2.5)
            assert console_of(node).external
            assert len(node.flashes()) > flashed
            assert edge.stop() == 0
            time.sleep(0.1)
        assert not console_of(node).external
        assert_only_whole_lines(console_of(node))
        assert console_of(node).settings_changed == 0
