"""`/metrics` of a daemon that runs, and the alert rules beside it, under Prometheus' own tool."""

import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.system.conftest import NewEdge

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool; on Debian: apt install prometheus"),
]

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "systemd" / "grafana" / "k1edge.rules.yml"


def promtool(*arguments: str | Path, told: str = "") -> str:
    """What it says; it is an error where it does not agree."""
    done = subprocess.run(["promtool", *arguments], input=told, capture_output=True, text=True, check=False, timeout=30.0)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_accepts_what_a_daemon_tells(new_edge: NewEdge) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    edge = new_edge("off", network={"bind": "127.0.0.1", "port": port})
    edge.start()
    edge.wait_for("sound and the LAN", lambda status: status["audio"]["state"] == "live" and status["network"]["port"] == port, 20.0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as reply:
        text = reply.read().decode()
    assert promtool("check", "metrics", told=text) == ""
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(told['k1edge_audio_state{k1edge_audio_state="live"}']) == 1
    assert float(told["k1edge_hop_seconds_count"]) > 0
    assert float(told["process_resident_memory_bytes"]) > 1e7
    assert "k1edge_beats_sent_total" not in told, "there is no node"


def test_the_alert_rules_fire_when_they_should_and_not_before() -> None:
    assert "7 rules found" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", HERE / "k1edge.rules.test.yml")
