import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from k1edge.link.device import Wire
from k1edge.link.identify import ASK_STATUS, START_BINARY
from k1edge.link.node.reports import NodeIdentity
from k1edge.link.virtual_node import VirtualNode
from tests.cli.call import call
from tests.report.scene import NODE, SNAPSHOT, serving

IDENTITY = NodeIdentity(unique_id=b"virtual1", boot_id=1)


@pytest.fixture(autouse=True)
def _quick(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("K1EDGE_NODE__IDENTIFY_DRAIN_MS", "30")
    monkeypatch.setenv("K1EDGE_STATUS__SOCKET", str(home / "k1.sock"))
    return iter(())


def test_a_timed_node_is_met_measured_and_released(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link", ppm=100, delay_ms=(1, 2)) as virtual:
        code, out, _ = call(capsys, "node", "probe", virtual.path, "--json")
        found = json.loads(out)
        assert code == 0
        assert (found["recognised"], found["asked"], found["dialect"], found["timing"]) == (True, "port", "k1link", "timed")
        assert (found["unique_id"], found["led_count"], found["boot_reason"]) == (b"virtual1".hex(), 160, "power on")
        assert found["round_trip_ms"] >= 2.0
        assert found["offset_bound_us"] >= 0
        assert found["pings"] >= 32
        assert [line + b"\n" for line in virtual.brain.console.lines] == [ASK_STATUS, START_BINARY]
        assert list(virtual.brain.console.strays) == []


def test_an_untimed_node_is_asked_one_question_and_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("trinity") as virtual:
        code, out, _ = call(capsys, "node", "probe", virtual.path)
        assert code == 0
        assert "a K1 node, trinity (untimed)" in out
        assert "clock" not in out
        assert [line + b"\n" for line in virtual.brain.console.lines] == [ASK_STATUS]


def test_fault_19_another_version_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link", identity=replace(IDENTITY, major=9)) as virtual:
        code, out, _ = call(capsys, "node", "probe", virtual.path, "--json")
    assert code == 1
    assert json.loads(out)["state"] == "incompatible"
    assert "update k1edge" in json.loads(out)["reason"]


def test_something_else_on_the_port_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    master, slave = os.openpty()
    said = threading.Timer(0.3, os.write, (master, b"ets Jun  8 2016\nwaiting for download\n"))
    said.start()
    code, out, _ = call(capsys, "node", "probe", os.ttyname(slave))
    said.join()
    os.close(master)
    os.close(slave)
    assert code == 1
    assert "no K1 node" in out
    assert "not a K1 node: it answered 'ets Jun  8 2016'" in out
    assert "waiting for download" in out


def test_fault_16_who_holds_the_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link") as virtual:
        other = Wire(virtual.path)
        code, out, _ = call(capsys, "node", "probe", virtual.path)
        other.close()
        assert code == 1
        assert f"(pid {os.getpid()})" in out
        assert "held by another program" in out
        assert not virtual.brain.console.lines


def test_the_port_of_the_running_daemon_is_not_fought_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualNode("k1link", link=home / "k1") as virtual:
        pty = str((home / "k1").resolve())
        snapshot = SNAPSHOT.model_copy(update={"node": NODE.model_copy(update={"port": pty})})
        with serving(home / "k1.sock", lambda: snapshot):
            for arguments in ((virtual.path,), (pty,), ()):
                code, out, _ = call(capsys, "node", "probe", "--json", *arguments)
                found = json.loads(out)
                assert (code, found["asked"], found["unique_id"], found["pings"]) == (0, "daemon", "k1-0a1b", 64)
            assert "the running daemon holds it" in call(capsys, "node", "probe")[1]
            with VirtualNode("trinity") as other:
                assert json.loads(call(capsys, "node", "probe", "--json", other.path)[1])["asked"] == "port"
        assert not virtual.brain.console.lines


def test_no_port_at_all_names_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "node", "probe", "/dev/no-such-k1")
    assert code == 1
    code, _, err = call(capsys, "node", "probe", "FFFF:FFFF")
    assert code == 1
    assert "plug the node in" in err
    assert call(capsys, "node", "probe", "/dev/null", "--all")[0] == 2
