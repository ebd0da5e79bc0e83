"""Discovery between two hosts, with programs that others wrote at the other end, and with a LAN that fails."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Say
from tests.system.edge import Edge, Status
from tests.system.lan_hosts import Avahi, Cable, Host, NoLanError, missing_parts, wait_until

pytestmark = pytest.mark.system

START_S = 15.0
"""Two seconds are given to the sound, two are for asking whether a name is free; the rest is for a busy machine."""

FOUND_S = 10.0
STRANGER = Path(__file__).with_name("stranger.py")
NewDaemon = Callable[..., Edge]
NewProgram = Callable[..., "Program"]


class Program:
    """A process on a host whose lines are read."""

    def __init__(self, host: Host, out: Path, *command: str) -> None:
        self._out = out
        with out.open("wb") as file:
            self.process = subprocess.Popen([*host.within, sys.executable, *command], stdin=subprocess.DEVNULL, stdout=file)

    def lines(self) -> list[str]:
        """What it has printed."""
        return self._out.read_text().splitlines()

    def told(self) -> list[dict[str, Any]]:
        """The same, as JSON."""
        return [json.loads(line) for line in self.lines()]


@pytest.fixture
def cable() -> Iterator[Cable]:
    lacking = missing_parts()
    if lacking is not None:
        pytest.skip(lacking)
    try:
        made = Cable()
    except NoLanError as why:
        pytest.skip(str(why))
    yield made
    made.close()


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def new_daemon(closing: ExitStack) -> NewDaemon:
    """Start daemons without sound and node; on any free port unless said otherwise."""

    def make(host: Host, identity: str = "", **network: object) -> Edge:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="k1lan-")))
        settings: dict[str, Mapping[str, object]] = {"audio": {"device": "no-such-card"}, "node": {"port": "off"}}
        settings |= {"network": {"port": 0} | network, "daemon": {"id": identity}}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("K1EDGE_")}
        edge = Edge(folder, inherited | {"HOME": str(folder)}, settings, within=host.within)
        closing.callback(edge.close)
        edge.start()
        return edge

    return make


@pytest.fixture
def stranger(closing: ExitStack, tmp_path: Path) -> NewProgram:
    """Start `stranger.py` on a host."""

    def make(host: Host, *arguments: str) -> Program:
        program = Program(host, tmp_path / "-".join(arguments[:2]), str(STRANGER), *arguments)
        closing.callback(program.process.wait, 10.0)
        closing.callback(program.process.kill)
        return program

    return make


def announced(status: Status) -> str | None:
    name: str | None = (status["network"] or {}).get("announced")
    return name


def peers(status: Status) -> dict[str, dict[str, Any]]:
    return {peer["instance"]: peer for peer in (status["network"] or {}).get("peers", ())}


def wait_announced(edge: Edge) -> Status:
    return edge.wait_for("its announcement", announced, START_S)


def test_strangers_see_it_on_v4_and_v6_and_its_goodbye(
    cable: Cable, closing: ExitStack, new_daemon: NewDaemon, stranger: NewProgram, say: Say
) -> None:
    here, there = cable.hosts
    avahi = Avahi(there, "_k1edge._tcp")
    closing.callback(avahi.close)
    watching = {version: stranger(there, "browse", version) for version in "46"}
    edge = new_daemon(here, name="kitchen")
    status = wait_announced(edge)
    port = status["network"]["port"]

    def resolved() -> set[str]:
        return {line[2] for line in avahi.lines() if line[0] == "=" and line[3] == r"k1edge\032kitchen" and line[8] == str(port)}

    assert wait_until(lambda: resolved() == {"IPv4", "IPv6"}, FOUND_S), avahi.lines()
    for program in watching.values():
        assert wait_until(program.told, FOUND_S)
        (found,) = program.told()[-1:]
        assert (found["name"], found["port"]) == ("k1edge kitchen._k1edge._tcp.local.", port)
        assert {here.v4, here.v6} <= set(found["addresses"])
        expected = {"txtvers": "1", "id": status["id"], "version": status["version"], "proto": "1", "path": "/telemetry", "name": "kitchen"}
        assert found["words"] == expected

    begin = time.monotonic()
    assert edge.stop() == 0

    def gone() -> bool:
        by_avahi = {line[2] for line in avahi.lines() if line[0] == "-"} == {"IPv4", "IPv6"}
        return by_avahi and all(program.told()[-1]["sign"] == "-" for program in watching.values())

    assert wait_until(gone, 3.0), (avahi.lines(), [program.told() for program in watching.values()])
    say(f"from SIGTERM until all three had forgotten it {time.monotonic() - begin:.1f} s")


def test_fault_41_two_clones_that_start_at_once_on_a_dead_cable_both_stay_up(cable: Cable, new_daemon: NewDaemon) -> None:
    for host in cable.hosts:
        host.lose(100)
    both = [new_daemon(host, "k1e-cloned", name="kitchen") for host in cable.hosts]
    assert {announced(wait_announced(edge)) for edge in both} == {"k1edge kitchen"}
    for host in cable.hosts:
        host.lose(0)
    for edge in both:
        edge.wait_for("the other one, by another name", lambda status: set(peers(status)) ^ {announced(status)} == _NAMES, 15.0)
    assert {announced(edge.status() or {}) for edge in both} == _NAMES
    for edge in both:
        status = edge.wait_for("the word on the copied id", lambda status: "is a copy of the other" in str(status["reasons"]), FOUND_S)
        assert "k1e-cloned" in str(status["network"]["reasons"])


_NAMES = {"k1edge kitchen", "k1edge kitchen (2)"}


def test_found_again_within_10_s_under_30_percent_loss(cable: Cable, new_daemon: NewDaemon, say: Say) -> None:
    here, there = cable.hosts
    watcher = new_daemon(there, name="hall")
    wait_announced(watcher)
    for host in cable.hosts:
        host.lose(30)
    took = []
    for _ in range(3):
        edge = new_daemon(here, name="kitchen")
        status = edge.wait_for("its server", lambda status: status["network"]["port"], START_S)
        begin, port = time.monotonic(), status["network"]["port"]
        watcher.wait_for("the peer", lambda status, port=port: port in {peer["port"] for peer in peers(status).values()}, FOUND_S)
        took.append(time.monotonic() - begin)
        edge.send(signal.SIGKILL)
        edge.wait_exit(3.0)
    say(f"found {', '.join(f'{each:.1f}' for each in took)} s after it began to listen, under 30 % loss")


def test_fault_42_no_network_at_boot_then_one_then_another(cable: Cable, new_daemon: NewDaemon) -> None:
    here, there = cable.hosts
    here.ip("link", "set", "lan", "down")
    here.ip("address", "flush", "dev", "lan")
    edge = new_daemon(here, name="kitchen")
    edge.wait_for("the reason", lambda status: any("no network" in reason for reason in status["reasons"]), START_S)
    watcher = new_daemon(there, name="hall")
    here.ip("link", "set", "lan", "up")
    here.address()

    def found(*addresses: str) -> Callable[[Status], bool]:
        return lambda status: (
            {each for each in peers(status).get("k1edge kitchen", {}).get("addresses", ()) if "fe80" not in each} == set(addresses)
        )

    watcher.wait_for("it, once there is a network", found(here.v4, here.v6), START_S)
    assert not any("no network" in reason for reason in (edge.status() or {})["reasons"])
    here.ip("address", "delete", f"{here.v4}/24", "dev", "lan")
    here.ip("address", "add", "10.77.0.9/24", "dev", "lan")
    watcher.wait_for("its new address", found("10.77.0.9", here.v6), FOUND_S)
    here.ip("address", "delete", "10.77.0.9/24", "dev", "lan")
    watcher.wait_for("it, on IPv6 alone", found(here.v6), FOUND_S)


def test_fault_43_a_crashed_peer_is_kept_while_it_answers_and_let_go_after_its_ttl(
    cable: Cable, new_daemon: NewDaemon, stranger: NewProgram, say: Say
) -> None:
    here, there = cable.hosts
    watcher = new_daemon(there, name="hall", bind="lan")
    wait_announced(watcher)
    assert stranger(here, "poison", here.v4).process.wait(10.0) == 0  # none of what follows may be hindered by it (fault 39)
    peer = stranger(here, "announce", "porch", "4711", "8", here.v4)
    watcher.wait_for("the peer", lambda status: "porch" in peers(status), START_S)
    for _ in range(45):  # longer than its TTL: it is asked again in time
        assert "porch" in peers(watcher.status() or {})
        time.sleep(0.2)
    peer.process.kill()
    begin = time.monotonic()
    watcher.wait_for("its end", lambda status: "porch" not in peers(status), 10.0)
    assert "exception" not in watcher.log().lower()
    say(f"gone {time.monotonic() - begin:.1f} s after the crash, at a TTL of 8 s")


def test_fault_39_a_flood_of_multicast_costs_little_and_passes(cable: Cable, new_daemon: NewDaemon, stranger: NewProgram, say: Say) -> None:
    here, there = cable.hosts
    edge = new_daemon(there, name="hall", bind=there.v4)
    before = wait_announced(edge)
    flood = stranger(here, "flood", "4", here.v4)
    lags, begin = [], time.monotonic()
    while flood.process.poll() is None:
        status = edge.status()
        assert status is not None, "it does not answer"
        lags.append(status["process"]["loop_lag_ms"])
        time.sleep(0.1)
    wall_s = time.monotonic() - begin
    after = edge.status()
    assert after is not None
    cpu_s = after["process"]["cpu_s"] - before["process"]["cpu_s"]
    grown_mb = after["process"]["rss_mb"] - before["process"]["rss_mb"]
    say(f"{flood.lines()[0]} packets in {wall_s:.1f} s: CPU {cpu_s:.1f} s, loop lag at most {max(lags):.0f} ms, {grown_mb:+.1f} MB")
    assert len(peers(after)) <= 64
    assert "flooded" in str(after["network"]["reasons"])
    assert grown_mb < 20
    new_daemon(here, name="kitchen")
    edge.wait_for("an honest peer, afterwards", lambda status: "k1edge kitchen" in peers(status), 20.0)
