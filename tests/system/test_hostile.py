"""Hostile peers on the LAN port while music plays: the beats go on, and a well-behaved subscriber loses nothing."""

import asyncio
import json
import subprocess
import sys

import msgpack
import pytest
from websockets.asyncio.client import connect

from k1edge.audio.synth import click_and_drums
from k1edge.cli.demo_node import DemoNode
from tests.system.conftest import NewEdge, Say
from tests.system.edge import LOCK_S, START_S, Status, is_listening, is_locked
from tests.system.player import Player
from tests.system.sound_server import SoundServer

pytestmark = pytest.mark.system

ATTACK_S = 10.0


async def listen(port: int, seconds: float) -> list[int]:
    """Numbers of the messages that a well-behaved subscriber gets."""
    numbers: list[int] = []
    async with connect(f"ws://127.0.0.1:{port}/telemetry", proxy=None) as telemetry:
        with_hello = msgpack.unpackb(await telemetry.recv())
        assert with_hello["type"] == "hello"
        deadline_s = asyncio.get_running_loop().time() + seconds
        while (left_s := deadline_s - asyncio.get_running_loop().time()) > 0:
            try:
                numbers.append(msgpack.unpackb(await asyncio.wait_for(telemetry.recv(), left_s))["seq"])
            except TimeoutError:
                break
    return numbers


def test_fault_37_39_40_the_beats_never_miss_under_attack(sound: SoundServer, new_edge: NewEdge, say: Say) -> None:
    with DemoNode(dialect="k1link", ppm=50.0, delay_ms=(1.0, 3.0), seed=3) as node:
        edge = new_edge(node.path, node={"identify_drain_ms": 200}, network={"bind": "all", "port": 0})
        edge.start()
        edge.wait_for("sound and node", is_listening, START_S)
        with Player(sound, click_and_drums(125.0, LOCK_S + ATTACK_S + 15.0).samples):
            edge.wait_for("a lock", is_locked, LOCK_S)
            before = edge.wait_for("the LAN", lambda status: status["network"]["port"], 10.0)
            port = before["network"]["port"]
            command = [sys.executable, "-m", "tests.system.hostile", str(port), str(ATTACK_S)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
                numbers = asyncio.run(listen(port, ATTACK_S))
                told, _ = attacker.communicate(timeout=30.0)
            after = edge.wait_for("a status", bool, 5.0)
        done = json.loads(told)
        assert min(done.values()) > 20, done
        say(f"{sum(done.values())} attacks in {ATTACK_S:g} s; {describe(before, after)}; {len(numbers)} messages to the one who reads")
        assert_no_beat_suffered(before, after)
        assert after["process"]["restarts"] == 0
        assert after["network"]["refused"] > before["network"]["refused"]
        assert len(numbers) >= 0.8 * before["network"]["rate_hz"] * ATTACK_S
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a subscriber that reads lost messages"
        assert edge.stop() == 0


def assert_no_beat_suffered(before: Status, after: Status) -> None:
    """As many flashes as beats, none late, none missed, still locked."""
    node = {name: after["node"][name] - before["node"][name] for name in ("fired", "late", "missed")}
    assert node["fired"] >= 0.8 * ATTACK_S * 125.0 / 60.0
    assert (node["late"], node["missed"]) == (0, 0)
    assert after["beat"]["lock"] == "locked"
    assert after["node"]["state"] == "ready"


def describe(before: Status, after: Status) -> str:
    """For people."""
    flashes = after["drift"]["figures"]["fire_error_us"]["last_10s"]
    grown_mb = after["process"]["rss_mb"] - before["process"]["rss_mb"]
    return f"{flashes['count']} flashes, fire error p95 {flashes['p95']:.0f} us, memory {grown_mb:+.1f} MB"
