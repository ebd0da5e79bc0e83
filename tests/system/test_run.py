"""From the sound in the room to the flash on the node: `k1edge run` between a real sound server and a node behind a pty."""

import json
import time
from pathlib import Path

import mir_eval
import numpy as np
import pytest

from k1edge.audio.synth import click_and_drums, song
from k1edge.cli.demo_node import DemoNode
from tests.system.conftest import NewEdge, Say
from tests.system.ear import Ear
from tests.system.edge import LOCK_S, START_S, Edge, Status, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer
from tests.system.stage import flashes_s, hear_out, nearest_errors_ms

pytestmark = pytest.mark.system


def usb_like() -> DemoNode:
    """A timed node, 100 ppm fast, 1 to 3 ms away, in a process of its own as a real one would be."""
    return DemoNode(dialect="k1link", ppm=100.0, delay_ms=(1.0, 3.0), seed=1)


def test_a_song_makes_the_node_flash_on_its_beats(sound: SoundServer, new_edge: NewEdge, folder: Path, say: Say) -> None:
    music = song("house", seconds=35.0, bpm=124.0)
    with usb_like() as node:
        edge = new_edge(node.path)
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        time.sleep(2.0)
        assert node.flashes() == (), "silence made light"

        ear = Ear(sound, folder)
        with Player(sound, music.samples) as player:
            status = edge.wait_for("a lock", is_locked, LOCK_S)
            time.sleep(5.0)
            status = edge.wait_for("a lock that stays", is_locked, 5.0)
            player.wait()
            time.sleep(1.0)
        air = hear_out(music, player, ear.stop())
        flashed_s = flashes_s(node, air)

        truth_s, lit_s = (mir_eval.beat.trim_beats(times) for times in (music.beats_s, flashed_s[flashed_s < music.seconds]))
        f_measure = mir_eval.beat.f_measure(truth_s, lit_s)
        errors_ms = nearest_errors_ms(lit_s, music.beats_s)
        say(f"F {f_measure:.3f} from 5 s on, first flash at {flashed_s[0]:.1f} s, {describe(errors_ms)}, {air}")
        assert f_measure >= 0.9
        assert_tells_of_a_lock(status, bpm=124.0)
        assert_silence_ends_the_light(edge, node)


def assert_tells_of_a_lock(status: Status, bpm: float) -> None:
    """/status while music plays, word by word."""
    assert status["state"] == "running"
    assert status["reasons"] == []
    assert status["audio"]["device"] == "k1mon"
    assert status["audio"]["level_dbfs"] > -40.0
    assert status["beat"]["bpm"] == pytest.approx(bpm, rel=0.01)
    assert status["node"]["dialect"] == "k1link"
    assert status["node"]["timing"] == "timed"
    assert status["node"]["fired"] > 5
    assert status["node"]["missed"] == 0
    assert status["node"]["offset_bound_us"] < 3_000.0
    assert status["node"]["node_drift_ppm"] == pytest.approx(100.0, abs=50.0)
    assert status["drift"]["drift_ref"] == "onset"
    assert status["drift"]["drift_ms"] is not None
    assert status["process"]["restarts"] == 0


def assert_silence_ends_the_light(edge: Edge, node: DemoNode) -> None:
    """After the song the light stops, and stays off."""
    edge.wait_for("the lock to go with the music", lambda status: status["beat"]["lock"] == "unlocked", 10.0)
    time.sleep(0.5)
    flashed = len(node.flashes())
    time.sleep(3.0)
    assert len(node.flashes()) == flashed, "silence made light"


def test_flash_against_the_click_in_the_air(sound: SoundServer, new_edge: NewEdge, folder: Path, say: Say) -> None:
    clicks = click_and_drums(120.0, 45.0)
    with usb_like() as node:
        edge = new_edge(node.path, log={"level": "debug"}, node={"identify_drain_ms": 200})
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        ear = Ear(sound, folder)
        with Player(sound, clicks.samples) as player:
            edge.wait_for("a lock", is_locked, LOCK_S)
            locked_ns = time.monotonic_ns()
            player.wait()
            last = edge.status()
        air = hear_out(clicks, player, ear.stop())
        assert edge.stop() == 0

        from_s = float(air.song_s([locked_ns])[0])
        clicks_s = clicks.beats_s[clicks.beats_s > from_s]
        assert np.mean(air.is_steady(clicks_s)) >= 0.5, f"the sound server plays badly on this machine: {air}"
        reported_s = air.song_s([flash["fired_ns"] for flash in reported(edge)])
        assert_each_report_is_true_within_its_bound(reported(edge), node)
        truly_s = flashes_s(node, air)
        for what, times_s in (("by the node's report", reported_s), ("by the node's true clock", truly_s)):
            seen_s = times_s[(times_s > from_s + 0.25) & (times_s < clicks_s[-1] + 0.25)]
            errors_ms = nearest_errors_ms(seen_s[air.is_steady(seen_s)], clicks_s)
            say(f"flash against click {what}: {describe(errors_ms)}, {air}")
            assert seen_s.size >= 0.9 * clicks_s.size
            assert abs(float(np.median(errors_ms))) <= 10.0
            assert float(np.percentile(np.abs(errors_ms), 95)) <= 25.0
        assert last is not None
        assert last["drift"]["drift_ms"] == pytest.approx(float(np.median(errors_ms)), abs=15.0)
        assert last["drift"]["figures"]["fire_error_us"]["last_10s"]["p95"] < 10_000.0


def reported(edge: Edge) -> list[dict[str, float]]:
    """Each flash as the daemon understood the node's report: on the host's clock, from the debug log."""
    lines = [json.loads(line) for line in edge.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "flash" and line["fired_ns"] is not None]


def assert_each_report_is_true_within_its_bound(reports: list[dict[str, float]], node: DemoNode) -> None:
    """When the node really flashed is never further from its report than the bound that came with it; the counter's 1 us aside."""
    truly_ns = np.array([flash.fired_ns for flash in node.flashes()])
    assert len(reports) > 30
    for report in reports:
        assert np.min(np.abs(truly_ns - report["fired_ns"])) <= (report["bound_us"] + 1.0) * 1e3


def describe(errors_ms: np.ndarray) -> str:
    """Signed median and spread, for people."""
    return f"{errors_ms.size} flashes, median {np.median(errors_ms):+.1f} ms, p95 {np.percentile(np.abs(errors_ms), 95):.1f} ms"
