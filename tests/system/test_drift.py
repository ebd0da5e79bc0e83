"""Errors put into the real thing are shown by it: a light that is set late, a node whose clock is fast, music that ends."""

import signal
import time
from pathlib import Path

import pytest

from k1edge.audio.synth import click_and_drums
from k1edge.cli.demo_node import DemoNode
from tests.system.conftest import NewEdge, Say
from tests.system.edge import LOCK_S, START_S, Status, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer

pytestmark = pytest.mark.system

PATIENCE_S = 25.0
"""On a busy machine the sound server runs dry now and then, which moves the beat itself; undisturbed it takes 7 s at most."""


def test_what_is_put_in_is_shown(sound: SoundServer, new_edge: NewEdge, folder: Path, say: Say) -> None:
    with DemoNode(dialect="k1link", ppm=80.0, delay_ms=(1.0, 3.0), seed=2) as node:
        edge = new_edge(node.path, node={"identify_drain_ms": 200, "offset_ms": 35.0})
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        edge.wait_for("nothing to compare with", is_null, 2.0)
        with Player(sound, click_and_drums(125.0, 120.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            told = edge.wait_for("the light 35 ms late, and amber", lambda status: is_shown(status, 35.0, "amber"), PATIENCE_S)
            set_offset(folder, 120.0)
            edge.send(signal.SIGHUP)
            set_ns = time.monotonic_ns()
            told = edge.wait_for("the light 120 ms late, and red", lambda status: status["drift"]["severity"] == "red", PATIENCE_S)
            red_s = (time.monotonic_ns() - set_ns) / 1e9
            assert red_s >= 5.0
            (alert,) = told["alerts"]["open"]
            assert (alert["kind"], alert["severity"], alert["attribution"]) == ("drift", "red", "offset")
            assert alert["worst_ms"] == pytest.approx(120.0, abs=15.0)
            told = edge.wait_for("as late in the median of ten seconds", lambda status: is_shown(status, 120.0, "red"), PATIENCE_S)
            told = edge.wait_for(
                "the node's clock 80 ppm fast", lambda status: abs(status["drift"]["node_drift_ppm"] - 80.0) <= 5.0, PATIENCE_S
            )
        say(f"red {red_s:.1f} s after the shift, {describe(told)}")
        edge.wait_for("nothing to compare with any more", is_null, 15.0)
        assert edge.stop() == 0


def is_shown(status: Status, drift_ms: float, severity: str) -> bool:
    """The drift is told within 3 ms, and judged."""
    drift = status["drift"]
    return drift["severity"] == severity and drift["drift_ms"] is not None and abs(drift["drift_ms"] - drift_ms) <= 3.0


def is_null(status: Status) -> bool:
    """Nothing to say is null, with the reason."""
    drift = status["drift"]
    return (drift["drift_ms"], drift["drift_ref"], drift["reason"]) == (None, None, "no flash in the last 10 s")


def set_offset(folder: Path, offset_ms: float) -> None:
    """Change the configuration; SIGHUP makes the daemon read it."""
    config = folder / "k1edge.toml"
    config.write_text(config.read_text().replace("offset_ms = 35.0", f"offset_ms = {offset_ms}"))


def describe(status: Status) -> str:
    """The figures, for people."""
    drift = status["drift"]
    return (
        f"drift {drift['drift_ms']:+.1f} ms, beats {drift['beat_residual_ms']:+.1f} ms off, fired {drift['fire_error_us']:+.0f} us off, "
        f"node {drift['node_drift_ppm']:+.1f} ppm, audio {drift['audio_drift_ppm'] or 0.0:+.1f} ppm"
    )
