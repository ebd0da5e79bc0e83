import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from k1edge.events import FlashReport
from k1edge.link.dialect import LinkState
from k1edge.link.virtual_node import VirtualNode
from tests.cli.call import call
from tests.cli.daemon_bench import daemon_on
from tests.link.serial_bench import eventually, external


@pytest.fixture(autouse=True)
def _quick(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("K1EDGE_NODE__IDENTIFY_DRAIN_MS", "30")
    monkeypatch.setenv("K1EDGE_STATUS__SOCKET", str(home / "k1.sock"))
    monkeypatch.setattr("k1edge.cli.node_flash.set_up", lambda _: None)  # there is no real stderr here
    return iter(())


def told(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def assert_true(flashes: list[dict[str, object]], virtual: VirtualNode) -> None:
    """What was told is what the node did, within the bound that came with it."""
    really = virtual.flashes()
    assert len(flashes) == len(really)
    for each, flash in zip(flashes, really, strict=True):
        assert each["fate"] in {"fired", "late"}
        bound_us = each["bound_us"]
        assert isinstance(each["fired_ns"], int)
        assert isinstance(bound_us, float)
        assert abs(each["fired_ns"] - flash.fired_ns) / 1e3 <= bound_us + 1


def test_flashes_on_a_port_come_when_asked_and_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link", ppm=100, delay_ms=(1, 2)) as virtual:
        code, out, _ = call(capsys, "node", "flash", virtual.path, "--in", "300", "--count", "4", "--bpm", "240", "--json")
        assert code == 0
        flashes = told(out)
        assert_true(flashes, virtual)
    due = [each["due_ns"] for each in flashes]
    assert [b - a for a, b in pairwise(due)] == [250_000_000] * 3  # type: ignore[operator]  # ints, as JSON has them
    assert [each["number"] for each in flashes] == [1, 2, 3, 4]


def test_a_time_of_the_wall_clock_is_meant_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link") as virtual:
        wanted = datetime.now().astimezone() + timedelta(seconds=2.5)
        code, out, _ = call(capsys, "node", "flash", virtual.path, "--at", wanted.isoformat(), "--json")
        (flash,) = told(out)
    assert code == 0
    assert abs(datetime.fromisoformat(str(flash["due"])) - wanted) < timedelta(milliseconds=2)


def test_an_untimed_node_is_told_and_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("trinity") as virtual:
        code, out, _ = call(capsys, "node", "flash", virtual.path)
        assert code == 0
        assert "the node is untimed and does not say when it flashed" in out
        eventually(virtual.flashes)
        eventually(lambda: not external(virtual))


def test_through_the_daemon_while_it_holds_the_node(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VirtualNode("k1link", ppm=-50, delay_ms=(1, 2)) as virtual, daemon_on(virtual.path, home) as daemon:
        eventually(lambda: daemon._desk is not None and daemon._desk.node.status().state is LinkState.READY)
        of_the_music: list[FlashReport] = []
        monkeypatch.setattr(daemon.conductor, "flashed", of_the_music.append)
        code, out, _ = call(capsys, "node", "flash", "--in", "400", "--count", "2", "--json")
        assert code == 0
        assert_true(told(out), virtual)
        assert of_the_music == []
        first = threading.Thread(target=call, args=(capsys, "node", "flash", "--in", "1500"))
        first.start()
        eventually(lambda: not daemon._desk.flashes(0)["over"])  # type: ignore[union-attr,arg-type]  # there is one; over by its reports alone
        code, _, err = call(capsys, "node", "flash")
        first.join()
        assert code == 1
        assert "409: another test flash is still to come" in err
        assert len(virtual.flashes()) == 3


def test_a_node_that_is_not_there_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon_on("/dev/no-such-k1", home) as daemon:
        eventually(lambda: "no such device" in str(daemon.snapshot().reasons))
        code, _, err = call(capsys, "node", "flash")
        assert code == 1
        assert re.search("409: the node is closed: .*plug the node in", err)
    with daemon_on("off", home):
        code, _, err = call(capsys, "node", "flash", "/dev/null")  # none of the daemon's business
        assert code == 1
        assert "/dev/null" in err


@pytest.mark.parametrize("wrong", [("--in", "10"), ("--at", "soon"), ("--count", "0"), ("--bpm", "999")])
def test_wrong_usage_is_told(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "node", "flash", *wrong)
    assert code == 2
    assert wrong[0] in err
